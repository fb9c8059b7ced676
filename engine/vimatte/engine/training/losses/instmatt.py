"""InstMatt's losses (Sun et al., CVPR 2022, Eq. 10 to 12): rec, lap, comp and alpha, all of weight 1."""

# ruff: noqa: N803, N815 - names carry shapes: N people, H height, W width; three layers are target, reference, background

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vimatte.engine.training.losses.composition import composition_loss, sum_to_one_loss
from vimatte.engine.training.losses.emphasis import solid
from vimatte.engine.training.losses.laplacian import laplacian_loss
from vimatte.engine.training.losses.progressive import Progress, averaged
from vimatte.engine.training.losses.weighted import weighted_l1

__all__ = ["Truth", "stage_1_losses", "tri_matte_losses"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What tri-mattes are held against."""

    alphas_N3HW: Tensor
    """True alphas; the background's is 1 minus the others."""
    colours_N33HW: Tensor
    """(n, layer, rgb, h, w), straight, normalised as the picture is."""
    picture_N3HW: Tensor
    """Normalised."""


def tri_matte_losses(found_N3HW: Tensor, truth: Truth, weight: Tensor | None) -> dict[str, Tensor]:
    """The four terms of Eq. 12 for one result; `weight` (n, 1 or 3, h, w)."""
    return {
        "rec": weighted_l1(found_N3HW, truth.alphas_N3HW, weight),
        "lap": laplacian_loss(found_N3HW, truth.alphas_N3HW, weight),
        "comp": composition_loss(found_N3HW, truth.colours_N33HW, truth.picture_N3HW, weight),
        "alpha": sum_to_one_loss(found_N3HW, weight),
    }


def stage_1_losses(progress: Progress, truth: Truth) -> dict[str, Tensor]:
    """The four terms over three scales, weighted by where a scale counts and by the solid map (not in the paper)."""
    known = solid(truth.alphas_N3HW)
    each = [
        tri_matte_losses(progress.os8, truth, known),
        tri_matte_losses(progress.os4, truth, progress.weight_4 * known),
        tri_matte_losses(progress.os1, truth, progress.weight_1 * known),
    ]
    return {term: averaged(*(one[term] for one in each)) for term in each[0]}
