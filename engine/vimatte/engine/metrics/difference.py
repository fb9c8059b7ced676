"""MAD, MSE and SAD: how far alphas are from the true ones, pixel by pixel (Rhemann et al., CVPR 2009, section 4)."""

from __future__ import annotations

import math

from torch import Tensor

from vimatte.engine.metrics.alphas import Alpha, differing, total

__all__ = ["mad", "mse", "sad"]


def mad(matte: Alpha, *, truth: Alpha, region: Tensor | None = None) -> float:
    """Mean absolute difference over all pixels, or over those of `region` (h, w) bool; nan where it is empty.

    MAD_f and MAD_u (Huynh et al., MaGGIe, CVPR 2024, section 5) are this over the regions of `Regions`.
    """
    return _mean(matte, truth, region, power=1)


def mse(matte: Alpha, *, truth: Alpha, region: Tensor | None = None) -> float:
    """Mean squared difference over all pixels, or over those of `region`; nan where it is empty."""
    return _mean(matte, truth, region, power=2)


def sad(matte: Alpha, *, truth: Alpha) -> float:
    """Sum of absolute differences, in thousands of pixels."""
    p, g, _ = differing(matte, truth)
    return total((p - g).abs()) / 1000


def _mean(matte: Alpha, truth: Alpha, region: Tensor | None, *, power: int) -> float:
    p, g, box = differing(matte, truth)
    errors = (p - g).abs() if power == 1 else (p - g).square()
    if region is None:
        return total(errors) / (matte.shape[0] * matte.shape[1])
    count = int(region.sum())
    return total(errors * region[box].to(errors.device)) / count if count else math.nan
