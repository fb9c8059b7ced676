"""Float32 values as half floats, or rounded to what these hold, in a fraction of the time that NumPy's casts take."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["HALF_MAX", "as_half", "rounded_to_half"]

Floats = NDArray[np.float32]

HALF_MAX = 65504.0
"""Largest finite half float."""
_NORMAL = np.float32(2.0**-14)
"""Smallest half float with all its digits; those below lie 2^-24 apart."""


def as_half(values: Floats) -> NDArray[np.float16]:
    """Cast float32 of any shape to half floats: the same bits as `values.astype(np.float16)`."""
    flat = np.ascontiguousarray(values, np.float32).reshape(1, -1)
    try:
        half = cv2.add(flat, -0.0, dtype=cv2.CV_16F)  # which leaves both zeros as they are
    except cv2.error:  # OpenCV 4 adds no halves
        half = flat.astype(np.float16)
    return np.asarray(half, np.float16).reshape(values.shape)


def rounded_to_half(values: Floats) -> Floats:
    """Round float32 of any shape, finite and within +-65504, to the nearest half float, ties to even; still float32.

    The same bits as `values.astype(np.float16).astype(np.float32)`.
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    # 13 of 23 binary digits go; half of the last one kept is added first, one less where that one is even.
    kept = bits >> 13
    kept &= 1
    kept += bits
    kept += 0x0FFF
    kept &= np.uint32(0xFFFFE000)
    out: Floats = kept.view(np.float32)
    small = np.abs(values) < _NORMAL
    small &= values != 0
    if small.any():
        out[small] = np.rint(values[small] / np.float32(2.0**-24)) * np.float32(2.0**-24)
    return out
