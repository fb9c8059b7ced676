"""Alphas as a file holds them: snapped, rounded, and with sums that are exact and never above 1."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vimatte.ocio.half import rounded_to_half

__all__ = ["Depth", "written_alphas"]

Depth = Literal["half", "float"]
Floats = NDArray[np.float32]

SNAP = 1 / 1024
"""Alphas this close to 0 or 1 become 0 or 1: network noise made files 25 times larger."""

_STEPS: dict[Depth, int] = {"half": 2**11, "float": 2**24}
"""Every multiple of 1/steps in [0, 1] is exact in that precision, and so is every sum of them up to 1."""


def written_alphas(alphas: Floats, *, depth: Depth = "half") -> Floats:
    """Round alphas (n, h, w) to what the file holds, so that people's sum is exact and never above 1.

    NaN counts as 0; values are clipped to [0, 1] and snapped within 1/1024 to 0 and 1. Where one person is alone, the
    value is rounded to the file's precision. Where several overlap, a sum above 1 is divided out and all are rounded to
    multiples of 2^-11 (half) or 2^-24 (float): such numbers and their sums are exact in that precision. The largest
    makes up for what rounding did to the sum, so three thirds are 1.
    """
    out = np.fmin(np.fmax(alphas, np.float32(0)), np.float32(1))  # of a NaN and a number these take the number
    out[out <= SNAP] = 0.0
    out[out >= 1.0 - SNAP] = 1.0
    several = np.count_nonzero(out, axis=0) > 1 if len(out) > 1 else np.zeros(out.shape[1:], bool)
    if several.any():
        out[:, several] = _exact_sums(out[:, several], _STEPS[depth])
    return rounded_to_half(out) if depth == "half" else out


def _exact_sums(alphas: Floats, steps: int) -> Floats:
    """Round (n, k) to multiples of 1/steps; their sums are the rounded sums, at most 1."""
    wide = alphas.astype(np.float64)
    wide *= steps / np.maximum(wide.sum(axis=0), 1.0)
    rounded = np.rint(wide)
    largest, columns = rounded.argmax(axis=0), np.arange(rounded.shape[1])
    missing = np.minimum(np.rint(wide.sum(axis=0)), steps) - rounded.sum(axis=0)
    enough = rounded[largest, columns] >= -missing
    rounded[largest, columns] += np.where(enough, missing, 0.0)
    rounded = np.where(enough, rounded, np.floor(wide))
    return (rounded / steps).astype(np.float32)
