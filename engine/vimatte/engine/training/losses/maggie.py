"""MaGGIe's losses (Huynh et al., CVPR 2024, sections 3.1, 3.2 and 7.7) as the released code weighs them.

rec 1, lap 0.05, grad 0.05, att 5, and for clips change 1 and difference 1.
"""

# ruff: noqa: N803, N806, N815 - names carry shapes: F frames of all clips, N slots, B clips, T frames, Q tokens, H height, W width

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor

from vimatte.engine.training.losses.attention import attention_loss
from vimatte.engine.training.losses.gradient import gradient_loss
from vimatte.engine.training.losses.laplacian import laplacian_loss
from vimatte.engine.training.losses.temporal import change_loss
from vimatte.engine.training.losses.weighted import weighted_l1

__all__ = ["Scale", "hearing_losses", "matte_losses"]

_LEVELS, _TINY = 3, 1e-6
_COUNTED = 3.0
"""The released filter has three channels on maps of one, so every band is counted three times: 0.15, not 0.05."""


class Scale(NamedTuple):
    """Alphas of one scale at full size, where they count, and how much the scale does (2, 1, 1)."""

    alpha_FNHW: Tensor
    weight_FNHW: Tensor
    factor: float


def matte_losses(scales: Sequence[Scale], true_FNHW: Tensor, *, clips: int | None = None) -> dict[str, Tensor]:
    """rec, lap and grad summed over scales; `clips`, the number of clips that the frames are of, adds change."""
    total = {name: true_FNHW.new_zeros(()) for name in ("rec", "lap", "grad", *(() if clips is None else ("change",)))}
    for alpha, weight, factor in scales:
        total["rec"] = total["rec"] + factor * weighted_l1(alpha, true_FNHW, weight)
        lap = laplacian_loss(alpha, true_FNHW, weight, levels=_LEVELS, growth=1.0, tiny=_TINY)
        total["lap"] = total["lap"] + factor * _COUNTED * lap
        total["grad"] = total["grad"] + factor * gradient_loss(alpha, true_FNHW, weight)
        if clips is not None:
            apart = [torch.unflatten(x, 0, (clips, -1)) for x in (alpha, true_FNHW, weight)]
            total["change"] = total["change"] + factor * change_loss(*apart)
    return total


def hearing_losses(heard_BQL: Sequence[Tensor], true_BTNHW: Tensor) -> Tensor:
    """Mean attention loss of the layers; a token's positions are cells of 8 by 8 pixels with any of its alpha."""
    frames = true_BTNHW.shape[1]
    cells = F.max_pool2d(true_BTNHW.flatten(0, 1), 8) > 0
    where_BQL = torch.unflatten(cells, 0, (-1, frames)).transpose(1, 2).flatten(2)
    return torch.stack([attention_loss(one.float(), where_BQL, frames=frames) for one in heard_BQL]).mean()
