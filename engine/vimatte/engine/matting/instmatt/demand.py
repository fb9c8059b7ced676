"""Which parts of its windows a pass of the refinement must compute, so that the pixels that count come out the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.matting.instmatt.boxes import Box

__all__ = ["LOOKS", "RIM", "Part", "demand"]

RIM = 10
"""Pixels inside every edge of a window that are never written, also where the window ends with the frame."""
LOOKS = 4
"""How far the refiner looks: four convolutions of 3x3."""
_TILE = 64


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
        own = tuple(_parts(open_[inner.grown(0)], inner)) if inner.left < inner.right else ()
        # New values at a place are made of the old ones there, so a part is needed before its window too.
        for part in own:
            open_[part.grown(LOOKS)] = True
        parts.append(own)
    return tuple(reversed(parts)), open_


def _parts(wanted: NDArray[np.bool_], inner: Part) -> Iterator[Part]:
    """Cover the wanted pixels by one rectangle or by tiles, whatever is less to compute."""
    ys, xs = np.flatnonzero(wanted.any(axis=1)), np.flatnonzero(wanted.any(axis=0))
    if not ys.size:
        return
    top, bottom, left, right = int(ys[0]), int(ys[-1]) + 1, int(xs[0]), int(xs[-1]) + 1
    tiles = [
        Part(inner.left + x, inner.top + y, inner.left + min(x + _TILE, right), inner.top + min(y + _TILE, bottom))
        for y in range(top, bottom, _TILE)
        for x in range(left, right, _TILE)
        if wanted[y : y + _TILE, x : x + _TILE].any()
    ]
    whole = Part(inner.left + left, inner.top + top, inner.left + right, inner.top + bottom)
    yield from tiles if sum(map(_cost, tiles)) < _cost(whole) else [whole]


def _cost(part: Part) -> int:
    return (part.right - part.left + 2 * LOOKS) * (part.bottom - part.top + 2 * LOOKS)
