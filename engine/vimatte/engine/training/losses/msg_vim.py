"""MSG-VIM's losses (Li et al., WACV 2024, Eq. 11 and 12): rec, lap and comp of the target and of all others.

No trainer was released. The paper has one prediction; the network gives three scales, and these are weighed as in
MGMatting and InstMatt, which it grew from. Its configuration also weighs terms 'alpha' and 'tmp', which it does not
explain.
"""

# ruff: noqa: N803, N806, N815 - names carry shapes: N = clips times frames, H height, W width

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vimatte.engine.training.losses.composition import composition_loss
from vimatte.engine.training.losses.laplacian import laplacian_loss
from vimatte.engine.training.losses.progressive import Progress, averaged
from vimatte.engine.training.losses.weighted import weighted_l1

__all__ = ["Truth", "frame_losses", "msg_vim_losses"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What target and reference are held against."""

    alphas_N2HW: Tensor
    """Of the target, and of everybody else together."""
    colours_N33HW: Tensor
    """(n, layer, rgb, h, w) of target, everybody else and background, straight."""
    picture_N3HW: Tensor


def frame_losses(found_N2HW: Tensor, truth: Truth, weight: Tensor | None) -> dict[str, Tensor]:
    """The three terms for one result; the mean over all frames is Eq. 12's over t.

    Eq. 11 sums over all people and gives the background what is left; everybody else is one layer here, since that is
    what the network predicts for one target.
    """
    left_N1HW = 1.0 - found_N2HW.sum(dim=1, keepdim=True)
    layers_N3HW = torch.cat([found_N2HW, left_N1HW], dim=1)
    return {
        "rec": weighted_l1(found_N2HW, truth.alphas_N2HW, weight),
        "lap": laplacian_loss(found_N2HW, truth.alphas_N2HW, weight),
        "comp": composition_loss(layers_N3HW, truth.colours_N33HW, truth.picture_N3HW, weight),
    }


def msg_vim_losses(progress: Progress, truth: Truth) -> dict[str, Tensor]:
    """The three terms over three scales."""
    # Of one channel, as the others are: rec, lap and comp keep their proportions.
    everywhere = torch.ones_like(progress.weight_4)
    each = [
        frame_losses(progress.os8, truth, everywhere),
        frame_losses(progress.os4, truth, progress.weight_4),
        frame_losses(progress.os1, truth, progress.weight_1),
    ]
    return {term: averaged(*(one[term] for one in each)) for term in each[0]}
