"""The Laplacian pyramid loss (Hou and Liu, ICCV 2019): differences band by band, so that fine hair counts."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor

from vimatte.engine.training.losses.weighted import weighted_mean

__all__ = ["bands", "laplacian_loss"]


def laplacian_loss(
    found: Tensor,
    true: Tensor,
    weight: Tensor | None = None,
    *,
    levels: int = 5,
    growth: float = 2.0,
    tiny: float = 1e-8,
) -> Tensor:
    """Sum over bands i of growth^i times the weighted mean absolute difference of alphas (n, c, h, w): one number.

    The weight (n, 1 or c, h, w) is that of every second pixel on each coarser level. Sides must be above
    2 * 2^(levels - 1), since each level is mirrored by two pixels.
    """
    total = found.new_zeros(())
    # One pyramid of the difference: building it is linear.
    for level, band in enumerate(bands(found - true, levels=levels)):
        total = total + growth**level * weighted_mean(band.abs(), weight, tiny=tiny)
        weight = None if weight is None else weight[..., ::2, ::2]
    return total


def bands(x: Tensor, *, levels: int) -> list[Tensor]:
    """Return what each level of (n, c, h, w) has above the next coarser one, the finest first; no residual."""
    kernel = _kernel(x)
    out: list[Tensor] = []
    for _ in range(levels):
        smaller = _blur(x, kernel)[..., ::2, ::2]
        out.append(x - _enlarge(smaller, kernel, size=(x.shape[-2], x.shape[-1])))
        x = smaller
    return out


def _kernel(like: Tensor) -> Tensor:
    row = like.new_tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0
    return (row[:, None] * row)[None, None]


def _blur(x: Tensor, kernel: Tensor) -> Tensor:
    planes = F.pad(x.flatten(0, 1)[:, None], (2, 2, 2, 2), mode="reflect")
    # Differences of bands are too small for half precision.
    with torch.autocast(x.device.type, enabled=False):
        return F.conv2d(planes, kernel).view(x.shape)


def _enlarge(x: Tensor, kernel: Tensor, *, size: tuple[int, int]) -> Tensor:
    """Twice the size: zeros between the samples, then four times the blur."""
    out = x.new_zeros((*x.shape[:2], *size))
    out[..., ::2, ::2] = x
    return _blur(out, 4.0 * kernel)
