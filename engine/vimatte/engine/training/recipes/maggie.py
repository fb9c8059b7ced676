"""MaGGIe: how to train the image and the video network (Huynh et al., CVPR 2024, and the released trainer)."""

# ruff: noqa: N803, N806 - names carry shapes: B clips, T frames, F = B T, P people, S slots, H height, W width

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from vimatte.engine.matting.common.unknown import unknown
from vimatte.engine.matting.maggie.encoder import PEOPLE
from vimatte.engine.matting.maggie.network import Coarse, Maggie, fuse
from vimatte.engine.matting.maggie.refinement import Refined, Sources
from vimatte.engine.training.losses.emphasis import coarse_weight
from vimatte.engine.training.losses.maggie import Scale, hearing_losses, matte_losses
from vimatte.engine.training.losses.temporal import difference_loss
from vimatte.engine.training.optim import AdamW, FixedNorm, OneCycle
from vimatte.engine.training.recipes.batch import Batch
from vimatte.engine.training.recipes.maggie_parts import Fusion, Guidance, Recurrence, agreed, replace_parts, transition
from vimatte.engine.training.recipes.masks import MaskChange
from vimatte.engine.training.recipes.recipe import Data, Moment, Recipe

__all__ = ["MaggieObjective", "maggie_image", "maggie_video"]

_REGION, _MOST_4, _MOST_1, _TRUE_MOST_4 = 15, 26, 14, 29
"""The refined region's dilation, and the widest drawn: configurations of 30, 27 and 15, and 30 where the truth
decides."""
_FIRST, _MIXED = 3_000, 9_000
"""Steps in which the truth decides on the region, and in which it does so at even odds."""
_OWN_WEIGHTS = 0.75
_PATCH = 50
_PATCH_AT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class MaggieObjective:
    """Everybody of a clip at once, in slots drawn anew for every clip."""

    video: bool
    """Which network."""
    of: int
    """Steps that the curriculum's numbers are for."""
    guidance: Guidance = 3
    """Channels of the mask embedding, or 'stacked' masks (Table 3)."""
    weighted: bool = True
    """Whether the coarse scale is weighed by W8 (Table 4)."""
    recurrence: Recurrence = "both"
    """Directions of the recurrence (Table 6)."""
    fusion: Fusion = "both"
    """Directions in which mattes are brought together (Table 6)."""

    def network(self) -> nn.Module:
        """Make the network; Xavier's scale is that of the released one's decoder."""
        network = Maggie(video=self.video)
        replace_parts(network, guidance=self.guidance, recurrence=self.recurrence)
        return network

    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> Mapping[str, Tensor]:
        """rec, lap, grad and att; for clips also change and difference."""
        own = cast(Maggie, network)
        B, T = batch.alphas_BTPHW.shape[:2]
        true, masks = _slotted(batch, moment)
        encoded = own.encode(batch.normalised().flatten(0, 1), masks.flatten(0, 1))
        coarse = own.coarse(encoded, clips=B)
        guided = masks.flatten(3).any(dim=3).flatten(0, 1)[..., None, None]
        os8 = coarse.alpha_os8_FNHW.float() * guided
        weight_4, weight_1, refined = self._refined(own, coarse, os8, true.flatten(0, 1), moment)
        moves = transition(true, moment) if self.video else None
        # Slots of nobody have no loss. The released code knows them by transitions that are nowhere, and so drops
        # everybody of a frame on which nothing moves; here, slots whose alpha is the same everywhere on all frames.
        there = _varies(true).any(dim=1, keepdim=True).expand(-1, T, -1, -1, -1).flatten(0, 1)
        truth = true.flatten(0, 1)
        # Both finer scales as they are: the released losses do not put the coarse one around them.
        shown = [one.float() * there for one in (os8, refined.os4, refined.os1)]
        weight_8 = coarse_weight(shown[0], truth) if self.weighted else torch.ones_like(truth)
        scales = [
            Scale(shown[0], weight_8, 1.0),
            Scale(shown[1], weight_4.to(truth.dtype), 1.0),
            Scale(shown[2], weight_1.to(truth.dtype), 2.0),
        ]
        losses = matte_losses(scales, truth, clips=B if self.video else None)
        losses["att"] = hearing_losses(coarse.instances.attentions_BQL, true)
        if moves is not None and self.fusion != "none":
            features = torch.unflatten(coarse.instances.features_Fchw.detach(), 0, (B, T))
            before, after = own.decoder.diff_module.both(features)
            losses["difference"] = difference_loss(before.float(), after.float(), moves[:, :, :1].to(truth.dtype))
        return losses

    def mattes(self, network: nn.Module, batch: Batch) -> Tensor:
        """Matte clips whole; frames of a clip are brought together in windows of three."""
        own = cast(Maggie, network)
        B = batch.alphas_BTPHW.shape[0]
        masks = _some(batch.masks_BTPHW)
        encoded = own.encode(batch.normalised().flatten(0, 1), masks.flatten(0, 1))
        found = own.decode(encoded, clips=B)
        if found.before is None or found.after is None or self.fusion == "none":
            return found.alone
        return agreed(found.alone, found.before, found.after, self.fusion)

    def _refined(
        self, network: Maggie, coarse: Coarse, os8: Tensor, true: Tensor, moment: Moment
    ) -> tuple[Tensor, Tensor, Refined]:
        """Refine around open truth first and around what was found later; where each scale's loss is."""
        step = moment.step * self.of / moment.steps
        # The chance is drawn on every step, so that what comes after does not depend on a sum of floats.
        even, own_weights = moment.chance() < 0.5, moment.chance() < _OWN_WEIGHTS
        by_truth = step < _FIRST or (step < _MIXED and even) or not bool(os8.detach().any())
        source = true if by_truth else os8.detach()
        region = unknown(source, _REGION, ends=False)
        if not bool(region.any()):
            top, left = (max(0, min(_PATCH_AT, side - _PATCH)) for side in region.shape[2:])
            region[:, :, top : top + _PATCH, left : left + _PATCH] = True
        # The sparse half computes in the precision of its weights.
        with torch.autocast(os8.device.type, enabled=False):
            refined = network.decoder.refine(Sources(*(one.float() for one in coarse.sources)), region)
        maps = os8.shape[0] * os8.shape[1]
        with torch.no_grad():
            if not own_weights:
                return region, region, refined
            if by_truth:
                weights = [
                    unknown(true, _widths(maps, most, moment), ends=False) & region for most in (_TRUE_MOST_4, _MOST_1)
                ]
                return weights[0], weights[1], refined
            fused = fuse(
                os8,
                refined,
                region,
                widths_4=_widths(maps, _MOST_4, moment),
                widths_1=_widths(maps, _MOST_1, moment),
            )
        return fused.at_4, fused.at_1, refined


def _widths(maps: int, most: int, moment: Moment) -> list[int]:
    drawn: list[int] = torch.randint(1, most + 1, (maps,), generator=moment.draw).tolist()
    return drawn


def _slotted(batch: Batch, moment: Moment) -> tuple[Tensor, Tensor]:
    """Alphas and masks (b, t, 10, h, w), people in slots drawn for each clip: identities are but names."""
    B, T, P, H, W = batch.alphas_BTPHW.shape
    true = batch.alphas_BTPHW.new_zeros((B, T, PEOPLE, H, W))
    masks = torch.zeros_like(true)
    given = _some(batch.masks_BTPHW)
    for clip in range(B):
        slots = torch.randperm(PEOPLE, generator=moment.draw)[:P].to(true.device)
        true[clip, :, slots] = batch.alphas_BTPHW[clip]
        masks[clip, :, slots] = given[clip]
    return true, masks


def _some(masks_BTPHW: Tensor) -> Tensor:
    """Masks of which each clip has one: where all were lost a single pixel is set, since attention needs a place."""
    masks = masks_BTPHW.clone()
    empty_B = ~masks.flatten(1).any(dim=1)
    masks[empty_B, 0, 0, 0, 0] = 1.0
    return masks


def _varies(true_BTSHW: Tensor) -> Tensor:
    flat = true_BTSHW.flatten(3)
    return (flat.amax(dim=3) > flat.amin(dim=3))[..., None, None]


def maggie_image(*, embedding: Guidance = 3, attention_loss: bool = True, coarse_weight: bool = True) -> Recipe:
    """MaGGIe's image network, 52 000 steps of 48 pictures of 512 pixels on 4 A100.

    Released: AdamW with decay 0.01 on everything, one cycle to 1.5e-4 with 1 000 steps of warm-up (paper: 500), norm of
    0.01, half precision. rec 1, lap 0.05 (counted three times), grad 0.05, att 5. Paper: 96 pictures at once, no
    weights of terms. Finer scales learn where the truth is open for 3 000 steps, then mixed until 9 000, then where
    the network is unsure. Its encoder began with ImageNet's weights. Different here: 4 gathered batches of 12 have
    their own batch statistics; the authors' misaligned masks after their affine step are not made.

    Ablations: Table 3 `embedding` (1, 2, 3, 5 or 'stacked'); Table 4 `attention_loss` and `coarse_weight` (W8).
    """
    steps = 52_000
    return Recipe(
        name="maggie_image",
        objective=MaggieObjective(video=False, of=steps, guidance=embedding, weighted=coarse_weight),
        weights={"rec": 1.0, "lap": 0.05, "grad": 0.05, "att": 5.0 if attention_loss else 0.0},
        optimiser=AdamW(betas=(0.9, 0.999), decay=0.01),
        schedule=OneCycle(peak=1.5e-4, warm_up=1_000, of=steps),
        clipping=FixedNorm(most=0.01),
        steps=steps,
        data=Data(protocol="i-him50k", frames=1, crop=512, clips=12, masks=_CHANGES),
        accumulation=4,
        start="an encoder trained on ImageNet (GCA-Matting's)",
    )


def maggie_video(*, recurrence: Recurrence = "both", fusion: Fusion = "both") -> Recipe:
    """MaGGIe's video network from the image network's weights, 10 000 steps of 32 clips of 8 frames on 8 A100.

    Released: as the image network but 5e-5, and dtSSD and the difference of frames, both of weight 1 (paper: an L1 loss
    with a threshold of 0.001, clips of 5 frames). Different here: as the image network.

    Ablations: Table 6 `recurrence` (none, forward, both) and `fusion` (none, forward, both).
    """
    steps = 10_000
    return Recipe(
        name="maggie_video",
        objective=MaggieObjective(video=True, of=steps, recurrence=recurrence, fusion=fusion),
        weights={
            "rec": 1.0,
            "lap": 0.05,
            "grad": 0.05,
            "att": 5.0,
            "change": 1.0,
            "difference": 0.0 if fusion == "none" else 1.0,
        },
        optimiser=AdamW(betas=(0.9, 0.999), decay=0.01),
        schedule=OneCycle(peak=5e-5, warm_up=1_000, of=steps),
        clipping=FixedNorm(most=0.01),
        steps=steps,
        data=Data(
            protocol="v-him2k5",
            frames=8,
            crop=512,
            clips=4,
            masks=(*_CHANGES, MaskChange(kind="erase", odds=0.5, strength=0.02)),
        ),
        accumulation=8,
        start="the image network (`vimatte train maggie_image`)",
    )


_CHANGES = (
    MaskChange(kind="erode or dilate", odds=1.0, strength=0.5),
    MaskChange(kind="coarse", odds=0.5, strength=1.0),
    MaskChange(kind="paste", odds=0.5, strength=0.06),
)
"""Erosion and dilation, 1/8 of the size and back, and patches copied, as the released loader has them."""
