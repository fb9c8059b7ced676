"""Pictures as the published networks want them: normalised planes whose sides are multiples of what they divide by."""

# ruff: noqa: N803, N806 - names carry shapes: H height, W width

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vimatte.engine.shot import Picture

__all__ = ["RIM", "normalised", "padded", "uncovered"]

RIM = 32
"""Pixels that MSG-VIM and InstMatt add on every side before they fill up to a multiple of 32."""
_MEAN = (0.485, 0.456, 0.406)
_SPREAD = (0.229, 0.224, 0.225)
"""Of ImageNet's pictures, display-referred, red first."""


def normalised(picture_HW3: Picture, *, device: torch.device | str = "cpu") -> Tensor:
    """(h, w, 3) display-referred in [0, 1] to (3, h, w) float32 with ImageNet's mean and spread taken out.

    NaN counts as black, values beyond are clipped.
    """
    clean = np.clip(np.nan_to_num(picture_HW3, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0).astype(np.float32)
    planes_3HW = torch.from_numpy(np.ascontiguousarray(clean.transpose(2, 0, 1))).to(device)
    mean, spread = (planes_3HW.new_tensor(v)[:, None, None] for v in (_MEAN, _SPREAD))
    return (planes_3HW - mean) / spread


def padded(planes: Tensor, *, rim: int = RIM, multiple: int = 32) -> Tensor:
    """Mirror (..., h, w) outward: `rim` on every side, and at the bottom and right up to a multiple of `multiple`.

    The edge itself is not repeated; where the padding is longer than the picture it is mirrored again and again.
    """
    rows, columns = (_mirrored(n, rim=rim, multiple=multiple).to(planes.device) for n in planes.shape[-2:])
    return planes.index_select(-2, rows).index_select(-1, columns)


def uncovered(planes: Tensor, *, height: int, width: int, rim: int = RIM) -> Tensor:
    """Cut (..., height, width) back out of what `padded` made."""
    return planes[..., rim : rim + height, rim : rim + width]


def _mirrored(length: int, *, rim: int, multiple: int) -> Tensor:
    total = -(-(length + 2 * rim) // multiple) * multiple
    period = max(1, 2 * (length - 1))
    at = (torch.arange(total) - rim) % period
    return torch.minimum(at, period - at) if length > 1 else torch.zeros_like(at)
