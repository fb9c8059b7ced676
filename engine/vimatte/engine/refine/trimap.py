"""What is certain and what is open around each person's hard mask: the trimap of every person at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.masks import BoolMask

__all__ = ["Trimap", "disc", "trimap", "trimap_within"]

_THIN = 0.5
"""A core keeps this part of the local half thickness, so that an arm narrower than the band still has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trimap:
    """Certain and open pixels of n people on one picture."""

    core: BoolMask
    """(n, h, w): this person and nobody else."""
    reach: BoolMask
    """(n, h, w): where this person may be at all; includes the core."""
    open: BoolMask
    """(h, w): pixels whose mixture has to be found."""


def disc(radius: int) -> NDArray[np.uint8]:
    """Return the round structuring element of a radius in pixels, (2 radius + 1) square."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def trimap(masks: BoolMask, *, radii: Sequence[float]) -> Trimap:
    """Open a band of `radii` pixels (one for each person) on both sides of the edge of each (n, h, w) mask.

    A core belongs to one person: pixels that a neighbour may reach are open, so that two people who touch are told
    apart by the picture. The picture's border is no edge.
    """
    core, reach = np.zeros(masks.shape, bool), np.zeros(masks.shape, bool)
    for row, (mask, radius) in enumerate(zip(masks, radii, strict=True)):
        if not mask.any():
            continue
        depth = _distance(mask)
        thickness = cv2.dilate(depth, disc(max(1, round(1.5 * radius))))
        core[row] = depth > np.minimum(radius, _THIN * thickness)
        reach[row] = mask | (_distance(~mask) <= radius)
    core &= (reach.sum(axis=0) == 1)[None]
    return Trimap(core=core, reach=reach, open=np.asarray(reach.any(axis=0) & ~core.any(axis=0)))


def trimap_within(outer: Trimap, masks: BoolMask, *, radii: Sequence[float], also: BoolMask) -> Trimap:
    """Open a narrower band around better `masks`, and `also` (h, w), never leaving what `outer` had open."""
    inner = trimap(masks, radii=radii)
    more = also & outer.open
    core = np.where(outer.open, inner.core & outer.reach & ~more, outer.core)
    reach = ((inner.reach | more) & outer.reach) | core
    core = core & (reach.sum(axis=0) == 1)[None]
    return Trimap(core=core, reach=reach, open=np.asarray(reach.any(axis=0) & ~core.any(axis=0)))


def _distance(mask: BoolMask) -> NDArray[np.float32]:
    """Pixels to the nearest pixel outside the mask; the border does not count; large where there is none."""
    if mask.all():
        return np.full(mask.shape, 1e4, np.float32)
    return np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5), np.float32)
