"""From a picture and tri-masks to tri-mattes: the branch for each person, scales fused, then all refined together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vimatte.engine.matting.common.decoder import Scales
from vimatte.engine.matting.common.unknown import unknown
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
    fused, open_, features = [], [], []
    for some in torch.split(tri_masks, batch):
        scales = network(torch.cat([picture.expand(len(some), -1, -1, -1), some], dim=1))
        mattes, finest = fuse(scales)
        fused.append(mattes)
        open_.append(finest)
        features.append(scales.feature)
    before = torch.cat(fused)
    if network.refiner is None:
        return TriMattes(fused=before, final=before)
    after = refine(network.refiner, picture=picture[None], mattes=before, features=torch.cat(features))
    return TriMattes(fused=before, final=torch.where(torch.cat(open_), after, before))


def fuse(scales: Scales) -> tuple[Tensor, Tensor]:
    """Return alphas (n, c, h, w), and (n, 1, h, w) bool where the finest scale was taken.

    Where any channel of a person is open - neither 0 nor 1, or near such a place - all channels are of the finer scale.
    """
    at_os4 = unknown(scales.os8, _WIDTH_OS4).any(dim=1, keepdim=True)
    alphas = torch.where(at_os4, scales.os4, scales.os8)
    at_os1 = unknown(alphas, _WIDTH_OS1).any(dim=1, keepdim=True)
    return torch.where(at_os1, scales.os1, alphas), at_os1
