"""Gradient error: whether edges are as sharp as the true ones (Rhemann et al., CVPR 2009, section 4)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from vimatte.engine.metrics.alphas import Alpha, along, differing, padded, plain, total

__all__ = ["SIGMA", "gradient_error", "gradient_error_over_union", "unit_norm_gradient"]

SIGMA = 1.4
"""Of the Gaussian and its derivative, in pixels."""

_RADIUS = 4
"""3 sigma, and where the released codes' derivative falls under one hundredth."""
_SEEN = 2 * _RADIUS
"""Gradients differ up to a radius from where alphas do, and there a kernel sees another radius beyond."""
_STEPS = range(-_RADIUS, _RADIUS + 1)
_GAUSS = tuple(math.exp(-(x * x) / (2 * SIGMA**2)) for x in _STEPS)
_SLOPE = tuple(-x * g for x, g in zip(_STEPS, _GAUSS, strict=True))


def gradient_error(matte: Alpha, *, truth: Alpha) -> float:
    """Sum of (|grad matte| - |grad truth|)^2 over all pixels, in thousands.

    Gradients are first derivatives of a Gaussian of sigma 1.4, cut at 3 sigma, edges repeated, the Gaussian of unit sum
    so that a ramp of slope s has gradient s.
    """
    smooth = _scaled(_GAUSS, sum(_GAUSS))
    slope = _scaled(_SLOPE, sum(_GAUSS) * SIGMA**2)
    p, g, _ = differing(matte, truth, margin=_SEEN)
    difference = _magnitude(p, smooth, slope, mode="replicate") - _magnitude(g, smooth, slope, mode="replicate")
    return total(difference.square()) / 1000


def gradient_error_over_union(matte: Alpha, *, truth: Alpha) -> float:
    """Gradient error as the released code of the instance matting quality has it (Sun et al., InstMatt, CVPR 2022).

    Mean of (|grad matte| - |grad truth|)^2 over U = {matte > 0 or truth > 0}, divided by |U| + 1. The 9x9 kernels of
    sigma 1.4 are each scaled to unit L2 norm, edges repeated.
    """
    area = int(((plain(matte) > 0) | (plain(truth) > 0)).sum())
    p, g, _ = differing(matte, truth, margin=_SEEN)
    difference = unit_norm_gradient(p[None])[0] - unit_norm_gradient(g[None])[0]
    return total(difference.square() * ((p > 0) | (g > 0))) / (area + 1)


def unit_norm_gradient(alphas: Tensor, *, mode: Literal["constant", "replicate"] = "replicate") -> Tensor:
    """(n, h, w) float64 to the magnitudes of its gradients, the two 9x9 kernels each of unit L2 norm.

    Beyond the picture the edge goes on, or there are zeros ('constant').
    """
    smooth, slope = (_scaled(k, math.sqrt(sum(x * x for x in k))) for k in (_GAUSS, _SLOPE))
    return _magnitudes(alphas, smooth, slope, mode=mode)


def _magnitude(
    alpha: Tensor, smooth: tuple[float, ...], slope: tuple[float, ...], *, mode: Literal["constant", "replicate"]
) -> Tensor:
    return _magnitudes(alpha[None], smooth, slope, mode=mode)[0]


def _magnitudes(
    alphas: Tensor, smooth: tuple[float, ...], slope: tuple[float, ...], *, mode: Literal["constant", "replicate"]
) -> Tensor:
    if not alphas.numel():
        return alphas
    wide = padded(alphas, _RADIUS, mode=mode)
    return torch.hypot(
        along(along(wide, smooth, dim=-2), slope, dim=-1), along(along(wide, slope, dim=-2), smooth, dim=-1)
    )


def _scaled(kernel: tuple[float, ...], by: float) -> tuple[float, ...]:
    return tuple(x / by for x in kernel)
