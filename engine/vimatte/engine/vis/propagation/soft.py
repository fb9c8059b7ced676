"""A soft mask kept small: the window that is not zero, as 8-bit codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.masks import Rle

__all__ = ["SoftMask", "from_rle"]

Probability = NDArray[np.float32]
"""(h, w) in [0, 1] at working size."""


@dataclass(frozen=True, slots=True, eq=False)
class SoftMask:
    """Where a person is, as far as one sweep knows."""

    x: int
    y: int
    codes: NDArray[np.uint8]
    """(h, w) of the window whose corner is (x, y); 255 is certain."""
    trust: float
    """0 to 1: how much the sweep believes itself here."""

    @classmethod
    def pack(cls, values: Probability, *, trust: float) -> Self:
        """Keep what rounds to more than nothing of (h, w) probabilities."""
        codes = np.rint(values * 255.0).astype(np.uint8)
        rows, cols = np.flatnonzero(codes.any(axis=1)), np.flatnonzero(codes.any(axis=0))
        if rows.size == 0:
            return cls(0, 0, np.zeros((0, 0), np.uint8), trust)
        y, x = int(rows[0]), int(cols[0])
        return cls(x, y, codes[y : rows[-1] + 1, x : cols[-1] + 1].copy(), trust)

    def unpack(self, height: int, width: int) -> Probability:
        """Paint back (height, width) float32 in [0, 1]."""
        values = np.zeros((height, width), np.float32)
        high, wide = self.codes.shape
        values[self.y : self.y + high, self.x : self.x + wide] = self.codes.astype(np.float32) / 255.0
        return values


def from_rle(rle: Rle, height: int, width: int) -> Probability:
    """(height, width) float32: a full-size mask's coverage of each working pixel."""
    mask = rle.decode().astype(np.float32)
    if mask.shape == (height, width):
        return mask
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA))
