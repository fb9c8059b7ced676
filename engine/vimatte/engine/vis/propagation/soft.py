"""A soft mask kept small: the window that is not zero, as 8-bit codes, deflated."""

from __future__ import annotations

import zlib
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
    shape: tuple[int, int]
    """(h, w) of the window whose corner is (x, y)."""
    deflated: bytes
    """Its codes, row by row; 255 is certain. Nearly all are 0 or 255: some kilobytes instead of a hundred."""
    trust: float
    """0 to 1: how much the sweep believes itself here."""

    @classmethod
    def pack(cls, values: Probability, *, trust: float) -> Self:
        """Keep what rounds to more than nothing of (h, w) probabilities."""
        codes = np.rint(values * 255.0).astype(np.uint8)
        rows, cols = np.flatnonzero(codes.any(axis=1)), np.flatnonzero(codes.any(axis=0))
        if rows.size == 0:
            return cls(0, 0, (0, 0), zlib.compress(b""), trust)
        y, x = int(rows[0]), int(cols[0])
        window = codes[y : rows[-1] + 1, x : cols[-1] + 1]
        return cls(x, y, window.shape, zlib.compress(window.tobytes(), 1), trust)

    def unpack(self, height: int, width: int) -> Probability:
        """Paint back (height, width) float32 in [0, 1]."""
        values = np.zeros((height, width), np.float32)
        high, wide = self.shape
        codes = np.frombuffer(zlib.decompress(self.deflated), np.uint8).reshape(self.shape)
        values[self.y : self.y + high, self.x : self.x + wide] = codes.astype(np.float32) / 255.0
        return values


def from_rle(rle: Rle, height: int, width: int) -> Probability:
    """(height, width) float32: a full-size mask's coverage of each working pixel."""
    mask = rle.decode().astype(np.float32)
    if mask.shape == (height, width):
        return mask
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA))
