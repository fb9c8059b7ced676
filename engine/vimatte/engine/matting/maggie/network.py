"""MaGGIe: mattes of up to ten people at once (Huynh et al., CVPR 2024), the image and the video network.

A frame is encoded by itself; the frames of a clip then meet in attention (and, in the video network, in a
recurrence), and each person's uncertain region is refined alone. So whoever walks through a shot encodes each frame
once and decodes windows of encoded frames. Sides must be multiples of 32.
"""

# ruff: noqa: N803, N806, N815 - names carry shapes:
# B clips, T frames, F = B * T, N people given (1 to 10), C channels, H height, W width; 8 means at 1/8 of the size
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor, nn

from vimatte.engine.matting.common.aspp import Aspp
from vimatte.engine.matting.common.unknown import unknown
from vimatte.engine.matting.common.up_blocks import up_stage
from vimatte.engine.matting.maggie.encoder import PEOPLE, MaskedEncoder
from vimatte.engine.matting.maggie.instances import InstanceDecoder, Instances, coarse_masks
from vimatte.engine.matting.maggie.refinement import Refined, Refinement, Sources, to_alpha
from vimatte.engine.matting.maggie.regions import boxes
from vimatte.engine.matting.maggie.temporal import DifferenceHead, TemporalGru, agree

__all__ = ["Coarse", "Encoded", "Fused", "Maggie", "Mattes", "fuse"]

_REGION, _AT_4, _AT_1 = 15, 13, 7
"""Widths of the dilation of what is uncertain: half of 30, 27 and 15, the numbers of the published configuration."""
_SURE = 0.95


class Encoded(NamedTuple):
    """What is known of frames by themselves."""

    f1_FCHW: Tensor
    f2_FCHW: Tensor
    f3_FCHW: Tensor
    d8_FCHW: Tensor
    """(f, 128, h/8, w/8)."""
    masks_FN88: Tensor
    """(f, n, h/8, w/8), 0 or 1."""

    @staticmethod
    def joined(frames: Sequence[Encoded]) -> Encoded:
        """Put frames that were encoded one by one into one clip."""
        return frames[0] if len(frames) == 1 else Encoded(*(torch.cat(parts) for parts in zip(*frames, strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Coarse:
    """What is known before refinement."""

    alpha_os8_FNHW: Tensor
    """In [0, 1], at the full size."""
    instances: Instances
    sources: Sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Mattes:
    """What the network gives in evaluation; alphas (b, t, n, h, w) in [0, 1]."""

    refined: Tensor
    """The result."""
    alone: Tensor
    """The result before the frames of a window were brought together (video; else the same)."""
    os8: Tensor
    os4: Tensor
    os1: Tensor
    region: Tensor
    """Bool: what was refined."""
    coarse: Coarse
    before: Tensor | None = None
    """(b, t, 1, h, w): probability that a pixel differs from the frame before; None from the image network."""
    after: Tensor | None = None
    """The same for the frame after."""
    memory: Tensor | None = None
    """(b, t, 128, h/8, w/8): states of the recurrence; one may be given to the next call."""


class Maggie(nn.Module):
    """The network; its keys are those of the published checkpoints (619 for images, 640 for video)."""

    def __init__(self, *, video: bool) -> None:
        super().__init__()
        self.encoder = MaskedEncoder()
        self.aspp = Aspp(512)
        self.decoder = _Decoder(video=video)

    @property
    def video(self) -> bool:
        """Whether this is the video network."""
        return self.decoder.video

    def forward(
        self,
        image_BT3HW: Tensor,
        masks_BTNHW: Tensor,
        *,
        previous_BNHW: Tensor | None = None,
        memory_BC88: Tensor | None = None,
    ) -> Mattes:
        """Matte clips: normalised pictures, masks of 0 and 1 at the same or another size (enlarged by nearest).

        Every clip must have a mask that covers something. The video network takes 3 frames or more; `previous` is the
        middle frame of the window before, `memory` a state of the recurrence.
        """
        clips = image_BT3HW.shape[0]
        encoded = self.encode(image_BT3HW.flatten(0, 1), masks_BTNHW.flatten(0, 1))
        return self.decode(encoded, clips=clips, previous_BNHW=previous_BNHW, memory_BC88=memory_BC88)

    def encode(self, image_F3HW: Tensor, masks_FNHW: Tensor) -> Encoded:
        """Encode frames, each by itself. Raises ValueError for more than 10 people."""
        if not 1 <= masks_FNHW.shape[1] <= PEOPLE:
            raise ValueError(f"expected masks of 1 to {PEOPLE} people, found {masks_FNHW.shape[1]}")
        if masks_FNHW.shape[2:] != image_F3HW.shape[2:]:
            masks_FNHW = F.interpolate(masks_FNHW, size=image_F3HW.shape[2:], mode="nearest")
        deep, (f1, f2, f3, f4, f5) = self.encoder(self.encoder.guided(image_F3HW, masks_FNHW))
        d8 = self.decoder.layer2(self.decoder.layer1(self.aspp(deep)) + f5) + f4
        return Encoded(f1, f2, f3, d8, coarse_masks(masks_FNHW))

    def decode(
        self,
        encoded: Encoded,
        *,
        clips: int = 1,
        previous_BNHW: Tensor | None = None,
        memory_BC88: Tensor | None = None,
        skip: int = 0,
    ) -> Mattes:
        """Matte clips of encoded frames, in evaluation.

        The first `skip` frames of each are heard but not refined (their alphas are the coarse ones): for windows whose
        first frame nobody asks for. In training a loss decides on regions and widths, and neither boxes nor agreement
        apply: it calls `coarse`, `decoder.refine`, `fuse` and `decoder.diff_module.both` itself. Raises ValueError.
        """
        if self.training:
            raise ValueError("in training, call encode, coarse, decoder.refine and fuse, or call eval() first")
        coarse = self.coarse(encoded, clips=clips, memory_BC88=memory_BC88)
        os8 = coarse.alpha_os8_FNHW
        region = unknown(os8, _REGION, ends=False)
        if self.video:
            box = boxes(os8)
            region, os8 = region & box, os8 * box
        if skip:
            region.view(clips, -1, *region.shape[1:])[:, :skip] = False
        refined = self.decoder.refine(coarse.sources, region)
        alone = fuse(os8, refined, region).alpha

        def clipped(x: Tensor) -> Tensor:
            return x.view(clips, -1, *x.shape[1:])

        mattes = Mattes(
            refined=clipped(alone),
            alone=clipped(alone),
            os8=clipped(os8),
            os4=clipped(refined.os4),
            os1=clipped(refined.os1),
            region=clipped(region),
            coarse=coarse,
        )
        if not self.video:
            return mattes
        return self._together(mattes, previous_BNHW)

    def coarse(self, encoded: Encoded, *, clips: int, memory_BC88: Tensor | None = None) -> Coarse:
        """Coarse alphas and what refinement goes by."""
        height, width = encoded.f1_FCHW.shape[2:]
        people = encoded.masks_FN88.shape[1]
        frames = encoded.d8_FCHW.shape[0] // clips

        def temporal(x_FCHW: Tensor) -> tuple[Tensor, Tensor]:
            features, states = self.decoder.os8_temp_module(x_FCHW.view(clips, -1, *x_FCHW.shape[1:]), memory_BC88)
            return features.flatten(0, 1), states.flatten(0, 1)

        found = self.decoder.refine_OS8(
            encoded.d8_FCHW,
            encoded.masks_FN88.view(clips, frames, *encoded.masks_FN88.shape[1:]),
            temporal=temporal if self.video else None,
        )
        logits = F.interpolate(
            found.logits_FQhw[:, :people], size=(height, width), mode="bilinear", align_corners=False
        )
        alpha = to_alpha(logits)
        if self.video and not self.training:
            alpha = alpha.masked_fill(alpha >= _SURE, 1.0)
        return Coarse(
            alpha_os8_FNHW=alpha,
            instances=found,
            sources=Sources(
                encoded.f1_FCHW,
                encoded.f2_FCHW,
                encoded.f3_FCHW,
                found.features_Fchw,
                found.tokens_BQc.repeat_interleave(frames, 0),
            ),
        )

    def _together(self, mattes: Mattes, previous_BNHW: Tensor | None) -> Mattes:
        """Bring the frames of each window into agreement."""
        clips, frames = mattes.alone.shape[:2]
        if frames < 3:
            raise ValueError(f"the video network takes windows of 3 frames or more, found {frames}")
        features = mattes.coarse.instances.features_Fchw
        features = features.view(clips, frames, *features.shape[1:])
        before, after = (logits.sigmoid() for logits in self.decoder.diff_module.both(features))
        memory = mattes.coarse.instances.memory_FChw
        assert memory is not None
        return Mattes(
            refined=agree(mattes.alone, before, after, previous_BNHW),
            alone=mattes.alone,
            os8=mattes.os8,
            os4=mattes.os4,
            os1=mattes.os1,
            region=mattes.region,
            coarse=mattes.coarse,
            before=before,
            after=after,
            memory=memory.view(clips, frames, *memory.shape[1:]),
        )


class _Decoder(Refinement):
    """Everything that the checkpoints keep under `decoder`."""

    def __init__(self, *, video: bool) -> None:
        super().__init__()
        self.video = video
        self.layer1 = up_stage(512, 256, 2, steps="always")
        self.layer2 = up_stage(256, 128, 3, steps="always")
        self.refine_OS8 = InstanceDecoder()
        if video:
            self.os8_temp_module = TemporalGru()
            self.diff_module = DifferenceHead()


class Fused(NamedTuple):
    """Alphas of three scales made one, all (f, n, h, w)."""

    alpha: Tensor
    at_4: Tensor
    """Bool: where the alpha of 1/4 replaced the coarse one; a weight of its loss."""
    at_1: Tensor
    """Bool: where the alpha of the full size replaced either."""


def fuse(
    os8: Tensor,
    refined: Refined,
    region: Tensor,
    *,
    widths_4: int | Sequence[int] = _AT_4,
    widths_1: int | Sequence[int] = _AT_1,
) -> Fused:
    """Take finer alphas where coarser ones are uncertain: 1/4 around those of 1/8, then full size around that.

    Training draws a width for every map; evaluation has fixed ones.
    """
    at_4 = unknown(os8, widths_4, ends=False) & region
    out = torch.where(at_4, refined.os4, os8)
    at_1 = unknown(out, widths_1, ends=False) & region
    return Fused(torch.where(at_1, refined.os1, out), at_4, at_1)
