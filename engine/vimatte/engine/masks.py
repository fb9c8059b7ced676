"""Binary masks as run lengths: small in memory and on disk, quick to paint back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["BoolMask", "Rle", "mask_iou"]

BoolMask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rle:
    """A binary mask of (height, width), row by row, as alternating run lengths that begin with the zeros."""

    height: int
    width: int
    counts: NDArray[np.uint32]
    """Run lengths; they sum to height * width; the first (of zeros) may be 0."""

    def __post_init__(self) -> None:
        if int(self.counts.sum(dtype=np.int64)) != self.height * self.width:
            raise ValueError(f"runs sum to {self.counts.sum()}, the mask has {self.height * self.width} pixels")

    @classmethod
    def encode(cls, mask: BoolMask) -> Self:
        """Encode (h, w) bool."""
        height, width = mask.shape
        flat = np.ascontiguousarray(mask, dtype=bool).reshape(-1)
        if flat.size == 0:
            return cls(height, width, np.zeros(0, np.uint32))
        edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        bounds = np.concatenate(([0], edges, [flat.size]))
        counts = np.diff(bounds)
        if flat[0]:
            counts = np.concatenate(([0], counts))
        return cls(height, width, counts.astype(np.uint32))

    def decode(self) -> BoolMask:
        """Paint back (h, w) bool."""
        values = (np.arange(self.counts.size) & 1).astype(bool)
        return np.repeat(values, self.counts).reshape(self.height, self.width)

    @property
    def area(self) -> int:
        """Number of set pixels."""
        return int(self.counts[1::2].sum(dtype=np.int64))

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """(x0, y0, x1, y1), half open; None for an empty mask."""
        if self.area == 0:
            return None
        mask = self.decode()
        rows = np.flatnonzero(mask.any(axis=1))
        cols = np.flatnonzero(mask.any(axis=0))
        return int(cols[0]), int(rows[0]), int(cols[-1]) + 1, int(rows[-1]) + 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rle):
            return NotImplemented
        return (self.height, self.width) == (other.height, other.width) and np.array_equal(self.counts, other.counts)

    def __hash__(self) -> int:
        return hash((self.height, self.width, self.counts.tobytes()))

    def __repr__(self) -> str:
        return f"Rle({self.width}x{self.height}, area={self.area})"


def mask_iou(one: BoolMask, other: BoolMask) -> float:
    """Intersection over union of two (h, w) masks; 1.0 when both are empty."""
    union = int(np.count_nonzero(one | other))
    return int(np.count_nonzero(one & other)) / union if union else 1.0
