"""Which people must be solved together, and the part of the picture that takes."""

from __future__ import annotations

import numpy as np

from vimatte.engine.masks import BoolMask

__all__ = ["Box", "groups"]

Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1), half open."""


def groups(masks: BoolMask, *, margin: int) -> list[tuple[list[int], Box]]:
    """Return (rows, box) of people whose boxes, grown by `margin` pixels, touch; empty masks are in no group.

    Boxes are clipped to the picture, disjoint, and ordered by their lowest row.
    """
    height, width = masks.shape[1:]
    found: list[tuple[list[int], Box]] = []
    for row, mask in enumerate(masks):
        ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if ys.size == 0:
            continue
        rows = [row]
        box = (
            max(0, int(xs[0]) - margin),
            max(0, int(ys[0]) - margin),
            min(width, int(xs[-1]) + 1 + margin),
            min(height, int(ys[-1]) + 1 + margin),
        )
        while touching := [g for g in found if _meet(g[1], box)]:
            for other in touching:
                found.remove(other)
                rows += other[0]
                box = _join(box, other[1])
        found.append((sorted(rows), box))
    return sorted(found)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _join(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
