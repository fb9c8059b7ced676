"""Which parts of its windows a pass of the refinement must compute, so that the pixels that count come out the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.matting.instmatt.boxes import Box

__all__ = ["LOOKS", "RIM", "Part", "demand"]

RIM = 10
"""Pixels inside every edge of a window that are never written, also where the window ends with the frame."""
LOOKS = 4
"""How far the refiner looks: four convolutions of 3x3."""
_COARSE, _FINE = 160, 64
"""Longest sides of what is computed at once: maps of several people then stay in a processor's cache (a third less
time for five people than whole windows), or little is computed that nobody needs.
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A rectangle of a frame; `right` and `bottom` are the first column and row outside it."""

    left: int
    top: int
    right: int
    bottom: int

    def grown(self, margin: int) -> tuple[slice, slice]:
        """Rows and columns, with `margin` more on every side."""
        return slice(self.top - margin, self.bottom + margin), slice(self.left - margin, self.right + margin)


def demand(boxes: Sequence[Box], needed: NDArray[np.bool_]) -> tuple[tuple[tuple[Part, ...], ...], NDArray[np.bool_]]:
    """Return for each window the parts to compute, and which pixels are needed before the pass.

    Worked out backwards from `needed` (h, w), the pixels needed after the pass: what is written is computed from what
    lies up to `LOOKS` pixels around.
    """
    open_ = needed.copy()
    parts: list[tuple[Part, ...]] = []
    for box in reversed(boxes):
        inner = Part(box.left + RIM, box.top + RIM, box.right - RIM, box.bottom - RIM)
        own = _parts(open_[inner.grown(0)], inner) if inner.left < inner.right else ()
        # New values at a place are made of the old ones there, so a part is needed before its window too.
        for part in own:
            open_[part.grown(LOOKS)] = True
        parts.append(own)
    return tuple(reversed(parts)), open_


def _parts(wanted: NDArray[np.bool_], inner: Part) -> tuple[Part, ...]:
    """Cover the wanted pixels of a window by coarse or by fine tiles, whatever is less to compute."""
    return min(
        (tuple(_tiles(wanted, inner, side)) for side in (_COARSE, _FINE)), key=lambda tiles: sum(map(_cost, tiles))
    )


def _tiles(wanted: NDArray[np.bool_], inner: Part, side: int) -> Iterator[Part]:
    rows, columns = (_cuts(np.flatnonzero(wanted.any(axis=axis)), side) for axis in (1, 0))
    for top, bottom in rows:
        for left, right in columns:
            if wanted[top:bottom, left:right].any():
                yield Part(inner.left + left, inner.top + top, inner.left + right, inner.top + bottom)


def _cuts(found: NDArray[np.intp], side: int) -> list[tuple[int, int]]:
    """Cut the span from the first to the last found into equal pieces no longer than `side`."""
    if not found.size:
        return []
    first, length = int(found[0]), int(found[-1] - found[0]) + 1
    count = -(-length // side)
    return list(pairwise(first + length * k // count for k in range(count + 1)))


def _cost(part: Part) -> int:
    return (part.right - part.left + 2 * LOOKS) * (part.bottom - part.top + 2 * LOOKS)
