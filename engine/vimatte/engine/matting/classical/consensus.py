"""The mask that a few neighbouring frames agree on: edges that jitter from frame to frame settle in the middle."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.masks import BoolMask
from vimatte.engine.matting.classical.flow import Motion, warp

__all__ = ["Agreed", "agree", "signed_distance"]

_FAR = 48.0
"""Distances are cut here, so that a limb seen on one frame alone is outvoted and not averaged thin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """Edges of the masks of one picture and how sure they are."""

    distances: NDArray[np.float32]
    """(n, h, w) signed distances to the agreed edges, positive inside, -48 everywhere for the absent."""
    spread: NDArray[np.float64]
    """(n,) pixels: how far the neighbours' edges lie from the agreed one, one standard deviation."""


def signed_distance(mask: BoolMask) -> NDArray[np.float32]:
    """Pixels to the edge of (h, w), positive inside, cut at 48; what leaves the picture has no edge there."""
    if not mask.any():
        return np.full(mask.shape, -_FAR, np.float32)
    if mask.all():
        return np.full(mask.shape, _FAR, np.float32)
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(np.clip(inside - outside, -_FAR, _FAR), np.float32)


def agree(
    own: NDArray[np.float32],
    present: NDArray[np.bool_],
    neighbours: list[tuple[NDArray[np.float32], NDArray[np.bool_], Motion, NDArray[np.float32]]],
) -> Agreed:
    """Average the signed distances (n, h, w) of this frame and its neighbours, moved here, where they are believed.

    A neighbour is (distances, present (n,), motion to it, belief (h, w)). A person absent there has no say there,
    and a person absent from this one (`present` false) stays absent.
    """
    agreed = np.full(own.shape, -_FAR, np.float32)
    spread = np.zeros(own.shape[0])
    for row in np.flatnonzero(present):
        moved = [(own[row], np.ones(own.shape[1:], np.float32))]
        moved += [(warp(d[row], by), belief) for d, there, by, belief in neighbours if there[row]]
        weight = np.stack([w for _, w in moved])
        values = np.stack([v for v, _ in moved])
        total = weight.sum(axis=0)
        middle = (values * weight).sum(axis=0) / total
        agreed[row] = middle
        edge = np.abs(middle) < 1.5
        if len(moved) > 1 and edge.any():
            off = np.square(values[:, edge] - middle[edge]).clip(0.0, 144.0)
            part = weight[:, edge]
            spread[row] = float(np.sqrt((off * part).sum() / part.sum()))
    return Agreed(distances=agreed, spread=spread)
