"""Where an alpha is neither 0 nor 1, and around: the pixels that a finer scale decides."""

# ruff: noqa: N806 - names carry shapes: N maps, H height, W width

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["dilate", "ellipse", "unknown"]

_LEAST = torch.tensor(1.0 / 255.0, dtype=torch.float32).item()
_MOST = torch.tensor(1.0 - 1.0 / 255.0, dtype=torch.float32).item()


def ellipse(size: int) -> Tensor:
    """Structuring element (size, size), bool, of what OpenCV calls an ellipse. For even sizes it is not symmetric."""
    element = torch.zeros(size, size, dtype=torch.bool)
    for row, far in enumerate(_reaches(size)):
        element[row, size // 2 - far : size // 2 + far + 1] = True
    return element


def dilate(mask: Tensor, width: int) -> Tensor:
    """Grow bool masks (..., h, w) by an ellipse `width` across; outside the picture nothing is set."""
    height, length = mask.shape[-2:]
    before, after = width // 2, width - 1 - width // 2
    grid = mask.new_zeros((*mask.shape[:-2], height + width - 1, length + width - 1))
    grid[..., before : before + height, before : before + length] = mask
    # Rows from the narrowest to the widest, so that what was spread sideways for one is spread on for the next.
    spread = grid[..., before : before + length].clone()
    left = right = 0
    out = torch.zeros_like(mask)
    for row, far in sorted(enumerate(_reaches(width)), key=lambda pair: pair[1]):
        while left < far:
            left += 1
            spread |= grid[..., before - left : before - left + length]
        while right < min(far, after):
            right += 1
            spread |= grid[..., before + right : before + right + length]
        out |= spread[..., row : row + height, :]
    return out


def unknown(alpha: Tensor, width: int | Sequence[int], *, ends: bool = True) -> Tensor:
    """Return where alphas (..., h, w) lie in [1/255, 254/255], dilated by an ellipse; bool, same shape.

    `ends` is whether the two ends count (MaGGIe leaves them out). Several widths: one for each of the maps in order.
    """
    inside = (alpha >= _LEAST) & (alpha <= _MOST) if ends else (alpha > _LEAST) & (alpha < _MOST)
    if isinstance(width, int):
        return dilate(inside, width)
    flat_NHW = inside.reshape(-1, *alpha.shape[-2:])
    return torch.stack([dilate(one, own) for one, own in zip(flat_NHW, width, strict=True)]).reshape(alpha.shape)


def _reaches(size: int) -> list[int]:
    """How far each row of an ellipse goes to both sides of the column c = size // 2: round(c sqrt(1 - (dy / c)^2))."""
    centre = size // 2
    return [round((centre**2 - (row - centre) ** 2) ** 0.5) for row in range(size)]
