"""From a picture and tri-masks to tri-mattes: the branch for each person, scales fused, then all refined together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vimatte.engine.matting.common.decoder import Scales
from vimatte.engine.matting.common.unknown import dilate, unknown
from vimatte.engine.matting.instmatt.network import InstMatt
from vimatte.engine.matting.instmatt.refine import refine

__all__ = ["TriMattes", "fuse", "infer"]

_WIDTH_OS4, _WIDTH_OS1 = 15, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class TriMattes:
    """Alphas of target, reference and background, each in [0, 1]; the three need not add up to 1."""

    fused: Tensor
    """(n, 3, h, w) out of the matting branch."""
    final: Tensor
    """(n, 3, h, w) after the refinement; of a stage-1 network the same as `fused`."""


def infer(network: InstMatt, picture: Tensor, tri_masks: Tensor, *, batch: int = 1) -> TriMattes:
    """Run all people of one picture.

    Args:
        network: In evaluation mode.
        picture: (3, h, w), normalised; sides multiples of 32.
        tri_masks: (n, 3, h, w) with at least one person.
        batch: How many people go through the branch at once; more need more memory.
    """
    people, _, height, width = tri_masks.shape
    fused = torch.empty_like(tri_masks)
    finest = torch.empty((people, 1, height, width), dtype=torch.bool, device=picture.device)
    features: Tensor | None = None
    for start in range(0, people, batch):
        rows = slice(start, start + batch)
        guided = torch.cat([picture.expand(len(tri_masks[rows]), -1, -1, -1), tri_masks[rows]], dim=1)
        scales = network(guided.contiguous(memory_format=torch.channels_last))
        fused[rows], finest[rows] = fuse(scales)
        if batch >= people:
            features = scales.feature
        elif network.refiner is not None:
            # Room for everybody at once: a list put together in the end would take twice as much.
            if features is None:
                shape = (people, *scales.feature.shape[1:])
                features = torch.empty(shape, device=picture.device, memory_format=torch.channels_last)
            features[rows] = scales.feature
    if network.refiner is None or features is None:
        return TriMattes(fused=fused, final=fused)
    refined = refine(
        network.refiner,
        picture=picture[None].contiguous(memory_format=torch.channels_last),
        mattes=fused,
        features=features,
        needed=finest.any(dim=0)[0],
    )
    return TriMattes(fused=fused, final=torch.where(finest, refined, fused))


def fuse(scales: Scales) -> tuple[Tensor, Tensor]:
    """Return alphas (n, c, h, w), and (n, 1, h, w) bool where the finest scale was taken.

    Where any channel of a person is open - neither 0 nor 1, or near such a place - all channels are of the finer scale.
    """
    at_os4 = _open(scales.os8, _WIDTH_OS4)
    alphas = torch.where(at_os4, scales.os4, scales.os8)
    at_os1 = _open(alphas, _WIDTH_OS1)
    return torch.where(at_os1, scales.os1, alphas), at_os1


def _open(alphas: Tensor, width: int) -> Tensor:
    """Where any channel is unknown, (n, 1, h, w): dilating their union is dilating each, in a third of the time."""
    return dilate(unknown(alphas, 1).any(dim=1, keepdim=True), width)
