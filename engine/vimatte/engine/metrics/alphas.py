"""What the metrics compute with: alphas of any kind and on any device, exactly enough."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

__all__ = [
    "Alpha",
    "Box",
    "Definition",
    "Mask",
    "along",
    "as_mask",
    "box_of",
    "differing",
    "exact",
    "padded",
    "plain",
    "total",
]

Alpha: TypeAlias = NDArray[np.float32] | Tensor
"""(h, w) in [0, 1]: a numpy array, or a tensor on any device."""

Mask: TypeAlias = NDArray[np.bool_] | Tensor
"""(h, w) bool: a numpy array, or a tensor on any device."""

Box: TypeAlias = tuple[slice, slice]
"""Rows and columns."""

Definition: TypeAlias = Literal["as_paper", "as_published_code"]
"""Which one, where a paper's formula and its authors' released code differ: every score says which it follows."""


def plain(alpha: Alpha) -> Tensor:
    """Give a tensor that shares the values where it can."""
    return torch.from_numpy(np.require(alpha, None, ["C", "W"])) if isinstance(alpha, np.ndarray) else alpha


def exact(alpha: Alpha) -> Tensor:
    """Give float64 values, on the tensor's own device; on the CPU where that device (MPS) has no float64.

    Nothing is rounded: a float32 compares with a float32 threshold as it did.
    """
    values = plain(alpha)
    return (values.cpu() if values.device.type == "mps" else values).to(torch.float64)


def total(values: Tensor) -> float:
    """Sum in float64, the same to the last bit whatever the number of threads: rows first, then the rows' sums."""
    return float(values.reshape(-1, values.shape[-1]).sum(dim=-1, dtype=torch.float64).sum()) if values.numel() else 0.0


def as_mask(mask: Mask) -> NDArray[np.bool_]:
    """Give a numpy mask: what finds contours and components runs on the CPU."""
    return mask.detach().cpu().numpy().astype(bool) if isinstance(mask, Tensor) else np.asarray(mask, bool)


def box_of(there: Tensor, *, margin: int = 0) -> Box:
    """Rows and columns of the box around all true pixels of (h, w), `margin` pixels wider; empty where none are."""
    found = []
    for dim, length in ((1, there.shape[0]), (0, there.shape[1])):
        at = there.any(dim=dim).nonzero()
        found.append(
            slice(max(0, int(at[0]) - margin), min(length, int(at[-1]) + 1 + margin)) if at.numel() else slice(0, 0)
        )
    return found[0], found[1]


def differing(matte: Alpha, truth: Alpha, *, margin: int = 0) -> tuple[Tensor, Tensor, Box]:
    """Cut both (h, w) down to the box in which they differ, `margin` pixels wider: exact values, and the box.

    A person fills part of a picture; errors elsewhere are zero, so their sums need not go there.
    """
    p, g = plain(matte), plain(truth)
    box = box_of(p != g, margin=margin)
    return exact(p[box]), exact(g[box]), box


def along(values: Tensor, kernel: tuple[float, ...], *, dim: int) -> Tensor:
    """Correlate (…, h, w) with a kernel along one of the last two dimensions; shorter by the kernel's length less 1.

    Sums of shifted planes: exact in float64 on every device, where a convolution may run in TensorFloat-32.
    """
    length = values.shape[dim] - len(kernel) + 1
    out = torch.zeros_like(values.narrow(dim, 0, length))
    for k, weight in enumerate(kernel):
        out.add_(values.narrow(dim, k, length), alpha=weight)
    return out


def padded(values: Tensor, width: int, *, mode: Literal["constant", "replicate"]) -> Tensor:
    """Widen (n, h, w) on all sides, with zeros or by repeating the edge."""
    return functional.pad(values, (width,) * 4, mode=mode)
