"""The gradient loss of MaGGIe: steepness of what was found against that of the truth."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor

__all__ = ["gradient_loss", "steepness"]

_TINY = 1e-6


def gradient_loss(found: Tensor, true: Tensor, weight: Tensor) -> Tensor:
    """Sum of the difference of steepness of the weighted alphas (n, c, h, w), over the sum of weights: one number.

    As published the weight is multiplied onto the alphas first, so that its own border has a gradient, too, in both.
    """
    error = (steepness(found * weight) - steepness(true * weight)).abs()
    return error.sum() / (weight.sum() + _TINY)


def steepness(x: Tensor) -> Tensor:
    """sqrt(gx^2 + gy^2 + 1e-6) by Sobel's filters over 8, the edge repeated; (n, c, h, w)."""
    planes = F.pad(x.flatten(0, 1)[:, None], (1, 1, 1, 1), mode="replicate")
    across = x.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])[None, None] / 8.0
    with torch.autocast(x.device.type, enabled=False):
        squares = F.conv2d(planes, across) ** 2 + F.conv2d(planes, across.transpose(2, 3)) ** 2
    return (squares + _TINY).sqrt().view(x.shape)
