"""Alphas of several people brought to agree: each in [0, 1], together at most 1, ends exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["SNAP", "couple"]

SNAP = 1.0 / 1024.0
"""Values this close to 0 or 1 become exactly 0 or 1: noise there makes files many times larger."""


def couple(alphas: NDArray[np.floating], *, snap: float = SNAP) -> NDArray[np.float32]:
    """Clip (n, h, w) to [0, 1], share where the people sum to more than 1, snap the ends; float32.

    NaN counts as 0. In float32 the sum over the people never exceeds 1, not even by rounding.
    """
    # Of a NaN and a number, these two take the number.
    out = np.fmin(np.fmax(alphas, 0.0), 1.0).astype(np.float32, order="C")
    if out.shape[0] > 1:
        crowded = (total := out.sum(axis=0, dtype=np.float32)) > 1.0
        if crowded.any():
            out[:, crowded] /= total[crowded]
    out[out < snap] = 0.0
    solid = out > 1.0 - snap
    if solid.any():
        out[:, solid.any(axis=0)] = 0.0
        out[solid] = 1.0
    if out.shape[0] > 1:
        # A float32 quotient may round up; a step down by one part in 2^22 leaves no sum above 1.
        near = np.flatnonzero((out.sum(axis=0, dtype=np.float32) > 1.0 - 2.0**-20) & (out.max(axis=0) < 1.0))
        flat = out.reshape(out.shape[0], -1)
        over = near[flat[:, near].sum(axis=0, dtype=np.float64) > 1.0]
        flat[:, over] *= np.float32(1.0 - 2.0**-22)
    return np.asarray(out, np.float32)
