"""`lite.propagate`: how the propagator that comes with the program was trained."""

# ruff: noqa: N806, N815 - names carry shapes: B clips, T frames, N people, H height, W width

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vimatte.engine.lite.propagate.motion import Motion, motion_between, stillness
from vimatte.engine.lite.propagate.network import Features, Memory, PropagateNet
from vimatte.engine.lite.propagate.step import People, decode, settle, shares
from vimatte.engine.training.optim import AdamW, FixedNorm, WarmUpCosine
from vimatte.engine.training.recipes.batch import Batch
from vimatte.engine.training.recipes.masks import MaskChange
from vimatte.engine.training.recipes.recipe import Data, Moment, Recipe
from vimatte.engine.vis.flow import WorkingImage

__all__ = ["LitePropagateObjective", "lite_propagate"]

_SEEN = 12.0
"""Pixels at a half of the picture from which somebody's first mask is one, and an overlap is measured."""
_HARD = 0.2
"""Share of the pixels, those with the largest errors, whose cross entropy counts."""
_KEPT = 0.6
"""How often a frame on which nobody new is met is remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LitePropagateObjective:
    """Masks of everybody on every frame, from one mask of each on the first frame they are seen on."""

    def network(self) -> nn.Module:
        """Make the network."""
        return PropagateNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> Mapping[str, Tensor]:
        """entropy over the hardest pixels; overlap, one less the soft IoU; match, of the masks memory alone gives."""
        own = cast(PropagateNet, network)
        entropy, overlap, match = [], [], []
        for clip in _clips(own, batch):
            for frame in clip.run(own, keep=lambda: moment.chance() < _KEPT, mend=lambda: moment.chance() < 0.5):
                for found in frame.found:
                    known = (found.known_N > 0) & (frame.true_NHW.sum(dim=(1, 2)) > _SEEN)
                    true = frame.true_NHW * found.known_N[:, None, None]
                    target = torch.cat([(1.0 - true.sum(dim=0, keepdim=True)).clamp_min(0.0), true])
                    wrong = -(target * found.shares_1HW).sum(dim=0).flatten()
                    entropy.append(wrong.topk(round(_HARD * len(wrong))).values.mean())
                    mask = found.shares_1HW[1:].exp()
                    if known.any():
                        both = torch.minimum(mask, true).sum(dim=(1, 2))
                        either = torch.maximum(mask, true).sum(dim=(1, 2))
                        overlap.append((1.0 - both / either.clamp_min(1.0))[known].mean())
                    small = functional.avg_pool2d(true[:, None], 2)[:, 0].clamp(0.0, 1.0)
                    sure = found.matched_NHW.clamp(0.01, 0.99)
                    weight = found.known_N[:, None, None].expand_as(small)
                    match.append(functional.binary_cross_entropy(sure, small, weight=weight))
        zero = torch.stack([p.sum() for p in own.parameters()]).sum() * 0.0
        parts = {"entropy": entropy, "overlap": overlap, "match": match}
        return {name: torch.stack(values).mean() if values else zero for name, values in parts.items()}

    def mattes(self, network: nn.Module, batch: Batch) -> Tensor:
        """Carry masks through clips, everything remembered; soft masks at full size."""
        own = cast(PropagateNet, network)
        out = torch.zeros_like(batch.alphas_BTPHW)
        for b, clip in enumerate(_clips(own, batch)):
            for frame in clip.run(own, keep=lambda: True, mend=lambda: False):
                big = functional.interpolate(frame.mask_NHW[:, None], scale_factor=2.0, mode="bilinear")[:, 0]
                out[b, frame.t, clip.rows] = big
        return out


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What the network said of a frame."""

    shares_1HW: Tensor
    """(n + 1, h, w) logarithms."""
    matched_NHW: Tensor
    known_N: Tensor
    """1 for those of whom it could know."""


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """What a frame was like."""

    t: int
    true_NHW: Tensor
    mask_NHW: Tensor
    """What is carried on: given masks, as they are or mended, where there are any."""
    found: tuple[_Found, ...]
    """From frames before, and of masks given on this very one."""


@dataclass(frozen=True, slots=True, eq=False)
class _Clip:
    """One clip of a batch, of those who are seen in it."""

    frames: list[Features]
    motions: list[Motion]
    """From the frame before; the first is from itself."""
    true_TNHW: Tensor
    given_TNHW: Tensor
    rows: Tensor
    """Which rows of the batch they are."""

    def run(self, network: PropagateNet, *, keep: Callable[[], bool], mend: Callable[[], bool]) -> Iterator[_Frame]:
        """Carry masks from the first frame on which one is given.

        A frame on which nobody new is met is remembered if `keep` says so; given masks go on as the network mends them
        if `mend` says so.
        """
        memory: list[Memory] = []
        must: list[bool] = []
        people = People.first(torch.zeros_like(self.given_TNHW[0]))
        for t, known_N, new_N in self._timetable():
            frame, found = self.frames[t], []
            mask = self.given_TNHW[t] * new_N[:, None, None]
            kept = [m for m, needed in zip(memory, must, strict=True) if needed or keep()]
            if kept:
                people = people.moved(self.motions[t])
                said = decode(network, frame, kept, people=people, motion=self.motions[t])
                found.append(_Found(shares(said.logits_NHW), said.matched_NHW, memory[-1].known_N))
                mask = settle(found[0].shares_1HW[1:].exp(), self.given_TNHW[t], given_N=new_N)
            # Gradients do not go back through masks: over five frames they grow twentyfold.
            mask = mask.detach()
            now = network.remember(frame, mask, known_N=known_N)
            if new_N.any():
                said = decode(network, frame, [*kept, now], people=People.first(mask), motion=stillness(mask))
                found.append(_Found(shares(said.logits_NHW), said.matched_NHW, known_N))
                if mend():
                    mask = found[-1].shares_1HW[1:].exp().detach()
                    now = network.remember(frame, mask, known_N=known_N)
            memory.append(now)
            must.append(bool(new_N.any()))
            people = people.seen(mask)
            yield _Frame(t, self.true_TNHW[t], mask, tuple(found))

    def _timetable(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """(t, who has been met, who is met just now) for each frame."""
        seen_TN = self.given_TNHW.sum(dim=(2, 3)) > _SEEN
        met_TN = seen_TN.int().cummax(dim=0).values > 0
        for t in range(len(seen_TN)):
            new = met_TN[t] & ~met_TN[t - 1] if t else met_TN[t]
            if met_TN[t].any():
                yield t, met_TN[t].float(), new.float()


def _clips(network: PropagateNet, batch: Batch) -> Iterator[_Clip]:
    """The clips of a batch in which somebody is seen; pictures are looked at all at once."""
    B, T = batch.alphas_BTPHW.shape[:2]
    pictures = batch.pictures_BT3HW.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    frames = network.encode(pictures)
    codes = (batch.pictures_BT3HW * 255).round().to(torch.uint8).permute(0, 1, 3, 4, 2).cpu().numpy()
    for b in range(B):
        rows = batch.alphas_BTPHW[b].flatten(2).any(dim=2).any(dim=0).nonzero()[:, 0]
        motions = [_motion(codes[b, t], codes[b, max(0, t - 1)]) for t in range(T)]
        yield _Clip(
            frames=frames[b * T : (b + 1) * T],
            motions=motions,
            true_TNHW=functional.avg_pool2d(batch.alphas_BTPHW[b][:, rows], 2),
            given_TNHW=functional.avg_pool2d(batch.masks_BTPHW[b][:, rows], 2),
            rows=rows,
        )


def _motion(now: WorkingImage, before: WorkingImage) -> Motion:
    return motion_between(np.ascontiguousarray(now), np.ascontiguousarray(before))


def lite_propagate() -> Recipe:
    """`lite.propagate`, ours.

    vimatte train lite-propagate --data DIR --start imagenet --out OUT

    The weights that ship are the average after 1,000 of these steps; docs/model_cards/lite_propagate.md has data, hours
    and figures.
    """
    return Recipe(
        name="lite_propagate",
        objective=LitePropagateObjective(),
        weights={"entropy": 1.0, "overlap": 1.0, "match": 0.3},
        optimiser=AdamW(decay=0.01),
        schedule=WarmUpCosine(peak=1.2e-3, warm_up=40, of=1300, floor=2e-4),
        clipping=FixedNorm(most=1.0),
        steps=1300,
        data=Data(
            protocol="crossings",
            frames=5,
            crop=192,
            clips=2,
            masks=(
                MaskChange(kind="erode or dilate", odds=0.25, strength=0.3),
                MaskChange(kind="coarse", odds=0.2, strength=0.4),
                MaskChange(kind="blobs", odds=0.25, strength=0.5),
            ),
        ),
        ema=0.995,
        frozen=tuple(f"encoder.features.{k}" for k in range(4)),
        paces={"encoder": 0.2},
        start="torchvision's MobileNetV2, trained on ImageNet",
    )
