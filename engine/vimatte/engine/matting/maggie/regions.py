"""Which pixels are refined, and whose they are."""

# ruff: noqa: N803, N806 - names carry shapes: F frames, N people, H height, W width
from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor

__all__ = ["boxes", "smoothed"]

_TAPS = 7
_SIGMA = 3.0
_FRAME = _TAPS // 2
_THERE = 0.1
_MARGIN = 30
"""Pixels around a person's box that stay theirs."""


def smoothed(alphas_FNHW: Tensor) -> Tensor:
    """Blur each map as the published code does, which is no Gaussian.

    Every row of its 7x7 kernel holds the squares of the 1-D Gaussian (sigma 3, sum 1), so columns get equal weights
    and all of it sums to 1.034; then three pixels are cut off on all sides, and what remains is enlarged again.
    """
    height, width = alphas_FNHW.shape[2:]
    at = torch.arange(_TAPS, dtype=torch.float32, device=alphas_FNHW.device) - _FRAME
    g = torch.exp(-(at**2) / (2 * _SIGMA**2))
    g = g / g.sum()
    weights = (g**2).tolist()
    # Rows and columns that a padded blur would cut off again are not computed. Sums of shifted maps, since a
    # convolution of one channel takes five times as long.
    across = alphas_FNHW[..., _FRAME : width - _FRAME] * weights[_FRAME]
    for far in range(1, _FRAME + 1):
        left, right = (alphas_FNHW[..., _FRAME + d : width - _FRAME + d] for d in (-far, far))
        across.add_(left + right, alpha=weights[_FRAME + far])
    down = across[..., _TAPS - 1 :, :].clone()
    for row in range(_TAPS - 1):
        down.add_(across[..., row : height - _TAPS + 1 + row, :])
    return F.interpolate(down, size=(height, width), mode="bilinear", align_corners=False)


def boxes(alphas_FNHW: Tensor) -> Tensor:
    """Return (f, n, h, w) bool: each person's box where the smoothed alpha is above 0.1, and 30 pixels around.

    Everything where it is nowhere above. The rest of the picture is not theirs, whatever the network says.
    """
    there_FNHW = smoothed(alphas_FNHW) > _THERE
    rows_FNH, columns_FNW = there_FNHW.any(3), there_FNHW.any(2)
    box_FNHW = _around(rows_FNH)[..., None] & _around(columns_FNW)[..., None, :]
    return box_FNHW | ~rows_FNH.any(2)[..., None, None]


def _around(line: Tensor) -> Tensor:
    """From 30 before the first that is set up to 29 after the last (the end is exclusive: published so)."""
    length = line.shape[-1]
    at = torch.arange(length, device=line.device)
    first = torch.where(line, at, length).amin(-1, keepdim=True)
    last = torch.where(line, at, -1).amax(-1, keepdim=True)
    return (at >= first - _MARGIN) & (at < last + _MARGIN)
