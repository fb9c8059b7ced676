"""`lite.matte`: how the matting network that ships is trained (ours; the losses are those of the literature)."""

# ruff: noqa: N803, N806, N815 - names carry shapes: B clips, T frames, N people, F B*T frames, P pairs of frame and person

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor, nn

from vimatte.engine.matting.lite.network import ABSENT, MatteNetwork, People, TimeTap, alphas_of, shares_of
from vimatte.engine.training.losses.laplacian import laplacian_loss
from vimatte.engine.training.losses.weighted import weighted_mean
from vimatte.engine.training.optim import AdamW, FixedNorm, WarmUpCosine
from vimatte.engine.training.recipes.batch import Batch
from vimatte.engine.training.recipes.masks import MaskChange
from vimatte.engine.training.recipes.recipe import Data, Moment, Recipe

__all__ = ["LiteMatteObjective", "lite_matte"]

_WINDOW = 192
"""Side of what the coarse network sees of a training picture; a multiple of 16."""
_FINE = 112
"""Side of the part of it that the fine network sees, for which a pixel costs four times as much; a multiple of 16."""
_HALF = 0.35
"""How often the coarse network sees pictures of half their size."""
_AT_AN_EDGE = 0.85
"""How often a window is put where somebody's alpha is soft."""
_UNGUIDED = 0.15
"""How often somebody has no guidance on any frame, and belongs to what is behind the people."""
_ALONE = 0.08
"""How often nobody is told of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiteMatteObjective:
    """Mattes of everybody on a clip, from their guidance on every frame."""

    windows: int = 2
    """Cut from each clip where the coarse network sees them at full size."""

    def network(self) -> nn.Module:
        """Make the network with random weights; its encoder should be given ImageNet's (`--start imagenet`)."""
        return MatteNetwork()

    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> Mapping[str, Tensor]:
        """L1, L1 where it is soft, Laplacian pyramid, change; the coarse alpha's own L1 and pyramid."""
        own = cast(MatteNetwork, network)
        clips = _dropped(batch, moment)
        if moment.chance() < _HALF:
            top, left = _place(clips, _FINE, moment)
            coarse, fine, at = _halved(clips), _cut(clips, (top, left), _FINE), (top // 2, left // 2, _FINE // 2)
        else:
            cuts = [_cut(clips, _place(clips, _WINDOW, moment), _WINDOW) for _ in range(self.windows)]
            coarse = Batch.together(cuts)
            top, left = _place(coarse, _FINE, moment)
            fine, at = _cut(coarse, (top, left), _FINE), (top, left, _FINE)
        found = run(own, coarse, fine.pictures_BT3HW, at=at, alone=moment.chance() < _ALONE)
        true = fine.alphas_BTPHW.flatten(0, 1)
        there = found.there_FN[:, :, None, None].float().expand_as(true)
        shares = shares_of(found.logits_FNHW.float())
        soft = F.max_pool2d(((true > 0.02) & (true < 0.98)).float(), 5, 1, 2) * there
        small = F.avg_pool2d(coarse.alphas_BTPHW.flatten(0, 1), 4)
        rough = shares_of(found.coarse_FNhw.float())
        small_there = found.there_FN[:, :, None, None].float().expand_as(small)
        size = fine.alphas_BTPHW.shape
        there_BTNHW = there.reshape(size)
        error = (shares - true).reshape(size) * there_BTNHW
        both = there_BTNHW[:, 1:] * there_BTNHW[:, :-1]
        return {
            "l1": weighted_mean((shares - true).abs(), there),
            "soft": weighted_mean((shares - true).abs(), soft),
            "laplacian": laplacian_loss(shares, true, there, levels=4),
            "change": weighted_mean(error.diff(dim=1).abs(), both),
            "coarse": weighted_mean((rough - small).abs(), small_there)
            + laplacian_loss(rough, small, small_there, levels=2),
        }

    def mattes(self, network: nn.Module, batch: Batch) -> Tensor:
        """Matte whole clips at full size."""
        own = cast(MatteNetwork, network)
        found = run(own, batch, batch.pictures_BT3HW, at=(0, 0, batch.pictures_BT3HW.shape[-1]), alone=False)
        alphas = alphas_of(found.logits_FNHW.float()) * found.there_FN[:, :, None, None]
        return alphas.reshape(batch.alphas_BTPHW.shape)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the network says of clips."""

    logits_FNHW: Tensor
    """Of the fine window."""
    coarse_FNhw: Tensor
    """Of all that the coarse network saw, at a quarter."""
    there_FN: Tensor
    """bool: who has guidance."""


def run(
    network: MatteNetwork, coarse: Batch, pictures_BT3HW: Tensor, *, at: tuple[int, int, int], alone: bool
) -> _Found:
    """Run all steps on whole clips; the shot's first and last frames have no neighbours beyond them.

    `pictures` are the fine window; `at` says where it lies in the coarse pictures: top, left and side, multiples of 4.
    """
    masks = coarse.masks_BTPHW
    B, T, N = masks.shape[:3]
    there_BTN = masks.flatten(3).any(dim=3)
    if not there_BTN.any():
        there_BTN[:, :, 0] = True
    places = there_BTN.flatten(0, 1).nonzero()
    frame_P, person_P = places[:, 0], places[:, 1]
    own = masks.flatten(0, 1)[frame_P, person_P]
    others = _others(masks.flatten(0, 1), frame_P, person_P) * (0.0 if alone else 1.0)
    people = People.of(frame_P, torch.stack([own, others], dim=1))
    seen = network.look(coarse.pictures_BT3HW.flatten(0, 1))
    index_BTN = torch.full((B, T, N), -1, device=masks.device)
    index_BTN[there_BTN] = torch.arange(len(places), device=masks.device)
    before, after = _neighbours(index_BTN)
    x = _in_time(network.wide_time, network.first(seen, people), before, after)
    x = _in_time(network.middle_time, network.second(x, seen, people), before, after)
    context, logits = network.third(x, seen, people)

    top, left, side = (value // 4 for value in at)
    H = pictures_BT3HW.shape[-1]
    full = _all(logits, places, (B * T, N))
    window = F.interpolate(
        full[..., top : top + side, left : left + side], size=(H, H), mode="bilinear", align_corners=False
    )
    shares = shares_of(window)
    mine = shares[frame_P, person_P]
    rest = shares.sum(dim=1)[frame_P] - mine
    context = network.fine.context(context[..., top : top + side, left : left + side])
    correction = network.fine(
        pictures_BT3HW.flatten(0, 1)[frame_P],
        torch.stack([mine, rest], dim=1),
        F.interpolate(context, size=(H // 2, H // 2), mode="bilinear", align_corners=False),
    )
    fine = window[frame_P, person_P][:, None] + correction
    return _Found(_all(fine, places, (B * T, N)), full, there_BTN.flatten(0, 1))


def _others(masks_FNHW: Tensor, frame_P: Tensor, person_P: Tensor) -> Tensor:
    """The union of everybody's masks but one's own, for each pair."""
    keep = torch.ones(len(frame_P), masks_FNHW.shape[1], device=masks_FNHW.device)
    keep[torch.arange(len(frame_P)), person_P] = 0
    return (masks_FNHW[frame_P] * keep[:, :, None, None]).amax(dim=1)


def _neighbours(index_BTN: Tensor) -> tuple[Tensor, Tensor]:
    """For each pair the index of the same person's pair on the frame before and after; its own where there is none."""
    own = index_BTN
    none = torch.full_like(own[:, :1], -1)
    before, after = torch.cat([none, own[:, :-1]], dim=1), torch.cat([own[:, 1:], none], dim=1)
    there = own >= 0
    return torch.where(before >= 0, before, own)[there], torch.where(after >= 0, after, own)[there]


def _in_time(tap: TimeTap, x_PChw: Tensor, before: Tensor, after: Tensor) -> Tensor:
    out: Tensor = tap(x_PChw[before], x_PChw, x_PChw[after])
    return out


def _all(logits_P1hw: Tensor, places: Tensor, size: tuple[int, int]) -> Tensor:
    """Lay the logits of pairs out as (f, n, h, w)."""
    out = logits_P1hw.new_full((*size, *logits_P1hw.shape[-2:]), ABSENT)
    return out.index_put((places[:, 0], places[:, 1]), logits_P1hw[:, 0])


def _dropped(batch: Batch, moment: Moment) -> Batch:
    """Now and then take somebody's guidance and alpha away on all frames."""
    if moment.chance() >= _UNGUIDED or batch.alphas_BTPHW.shape[2] < 2:
        return batch
    row = moment.below(batch.alphas_BTPHW.shape[2])
    kept = [k for k in range(batch.alphas_BTPHW.shape[2]) if k != row]
    return Batch(
        pictures_BT3HW=batch.pictures_BT3HW,
        alphas_BTPHW=batch.alphas_BTPHW[:, :, kept],
        masks_BTPHW=batch.masks_BTPHW[:, :, kept],
    )


def _halved(batch: Batch) -> Batch:
    def half(x: Tensor) -> Tensor:
        small = F.avg_pool2d(x.flatten(0, 1), 2)
        return small.reshape(*x.shape[:2], *small.shape[1:])

    return Batch(
        pictures_BT3HW=half(batch.pictures_BT3HW),
        alphas_BTPHW=half(batch.alphas_BTPHW),
        masks_BTPHW=half(batch.masks_BTPHW),
    )


def _place(batch: Batch, side: int, moment: Moment) -> tuple[int, int]:
    """Top and left of a window, multiples of 8: mostly around a pixel drawn from those where an alpha is soft."""
    H, W = batch.alphas_BTPHW.shape[-2:]
    alphas = batch.alphas_BTPHW
    soft = ((alphas > 0.05) & (alphas < 0.95)).flatten(0, 2).any(dim=0).nonzero()
    if moment.chance() < _AT_AN_EDGE and len(soft):
        y, x = soft[moment.below(len(soft))].tolist()
        y, x = y - side // 2 + moment.below(side // 2) - side // 4, x - side // 2 + moment.below(side // 2) - side // 4
    else:
        y, x = moment.below(H - side + 1), moment.below(W - side + 1)
    return max(0, min(y, H - side)) // 8 * 8, max(0, min(x, W - side)) // 8 * 8


def _cut(batch: Batch, place: tuple[int, int], side: int) -> Batch:
    y, x = place
    return Batch(
        pictures_BT3HW=batch.pictures_BT3HW[..., y : y + side, x : x + side],
        alphas_BTPHW=batch.alphas_BTPHW[..., y : y + side, x : x + side],
        masks_BTPHW=batch.masks_BTPHW[..., y : y + side, x : x + side],
    )


def lite_matte() -> Recipe:
    """Clips of four frames of 384 pixels, seen in windows of 192; guidance wrong in every way we know of.

    Loss: L1 + L1 where it is soft + 2 Laplacian pyramid + change + half of the coarse alpha's. AdamW; the encoder,
    which has learned on ImageNet already, at a sixth of the rate.
    """
    return Recipe(
        name="lite_matte",
        objective=LiteMatteObjective(),
        weights={"l1": 1.0, "soft": 1.0, "laplacian": 2.0, "change": 1.0, "coarse": 0.5},
        optimiser=AdamW(decay=0.01),
        schedule=WarmUpCosine(peak=2.5e-3, warm_up=60, of=4000, floor=2e-5),
        clipping=FixedNorm(most=1.0),
        steps=2700,
        data=Data(
            protocol="lite",
            frames=4,
            crop=384,
            clips=2,
            masks=(
                MaskChange(kind="blobs", odds=0.40, strength=1.0, least=0.2),
                MaskChange(kind="erode or dilate", odds=0.45, strength=0.5, least=0.05),
                MaskChange(kind="shift", odds=0.30, strength=0.3, least=0.05),
                MaskChange(kind="polygons", odds=0.12, strength=0.5, least=0.1),
                MaskChange(kind="erase", odds=0.15, strength=0.2, least=0.02),
                MaskChange(kind="paste", odds=0.10, strength=0.1, least=0.02),
                MaskChange(kind="lag", odds=0.15, strength=0.5, least=0.1),
                MaskChange(kind="temporal", odds=0.08, strength=0.4, least=0.1),
                MaskChange(kind="merge", odds=0.08, strength=0.4, least=0.1),
                MaskChange(kind="drop out", odds=0.06, strength=0.3, least=0.1),
                MaskChange(kind="salt and pepper", odds=0.08, strength=0.3, least=0.03),
            ),
        ),
        ema=0.998,
        paces={"encoder": 0.16},
        start="MobileNetV2's weights of ImageNet, norms folded (--start imagenet)",
    )
