"""Where an alpha is neither 0 nor 1, and around: the pixels that a finer scale decides."""

# ruff: noqa: N806 - names carry shapes: N maps, H height, W width

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor

__all__ = ["dilate", "ellipse", "unknown"]

_LEAST = torch.tensor(1.0 / 255.0, dtype=torch.float32).item()
_MOST = torch.tensor(1.0 - 1.0 / 255.0, dtype=torch.float32).item()


@cache
def ellipse(size: int) -> Tensor:
    """Structuring element (size, size), bool: row i covers c +- round(c sqrt(1 - ((i - c) / c)^2)), c = size // 2.

    For even sizes it is not symmetric. It is what OpenCV calls an ellipse.
    """
    centre = size // 2
    element = torch.zeros(size, size, dtype=torch.bool)
    for row in range(size):
        far = centre * ((centre**2 - (row - centre) ** 2) / centre**2) ** 0.5 if centre else 0.0
        element[row, max(0, centre - round(far)) : centre + round(far) + 1] = True
    return element


def dilate(mask: Tensor, width: int) -> Tensor:
    """Grow bool masks (..., h, w) by an ellipse `width` across; outside the picture nothing is set."""
    kernel = ellipse(width).to(mask.device, torch.float32)
    before = width // 2
    after = width - 1 - before
    flat_N1HW = mask.reshape(-1, 1, *mask.shape[-2:]).to(torch.float32)
    hits = F.conv2d(F.pad(flat_N1HW, (before, after, before, after)), kernel[None, None])
    return (hits > 0.5).reshape(mask.shape)


def unknown(alpha: Tensor, width: int | Sequence[int], *, ends: bool = True) -> Tensor:
    """Return where alphas (..., h, w) lie in [1/255, 254/255], dilated by an ellipse; bool, same shape.

    `ends` is whether the two ends count (MaGGIe leaves them out). Several widths: one for each of the maps in order.
    """
    inside = (alpha >= _LEAST) & (alpha <= _MOST) if ends else (alpha > _LEAST) & (alpha < _MOST)
    if isinstance(width, int):
        return dilate(inside, width)
    flat_NHW = inside.reshape(-1, *alpha.shape[-2:])
    return torch.stack([dilate(one, own) for one, own in zip(flat_NHW, width, strict=True)]).reshape(alpha.shape)
