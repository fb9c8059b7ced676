"""Whose colours an open pixel has: nearest neighbours among certain pixels in colour and, a little, in place."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from vimatte.engine.refine.trimap import Trimap, disc
from vimatte.engine.shot import Picture

__all__ = ["ColourVote", "colour_vote"]

_NEIGHBOURS = 4
_RING = 12
"""Certain pixels this near an open one are asked."""
_SAMPLES = 4000
_PLACE = 0.0003
"""What one pixel of distance weighs against colour (1 is black to white)."""
_KERNEL_FLOOR = 0.02
"""Colours closer than this are the same: grain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourVote:
    """What colour alone says of open pixels."""

    alphas: NDArray[np.float32]
    """(n, h, w), 0 where not open; over n at most 1."""
    sure: NDArray[np.float32]
    """(h, w), 0 where the vote is split or the pixel is not open, 1 where it is unanimous."""


def colour_vote(picture: Picture, areas: Trimap) -> ColourVote:
    """Let the certain pixels around the band vote on every open pixel, for everyone who can reach it or background."""
    count, height, width = areas.core.shape
    alphas = np.zeros((count, height, width), np.float32)
    sure = np.zeros((height, width), np.float32)
    near = cv2.dilate(areas.open.astype(np.uint8), disc(_RING)).astype(bool) & ~areas.open
    asked = np.flatnonzero(areas.open)
    if asked.size == 0:
        return ColourVote(alphas=alphas, sure=sure)
    calm = cv2.GaussianBlur(picture, (0, 0), 0.6).reshape(-1, 3)
    background = near & ~areas.core.any(axis=0)
    distance = np.full((count + 1, asked.size), np.inf)
    for who in range(count + 1):
        known = np.flatnonzero(near & areas.core[who] if who < count else background)
        known = known[:: max(1, -(-known.size // _SAMPLES))]
        mine = areas.reach[who].reshape(-1)[asked] if who < count else np.ones(asked.size, bool)
        if known.size < _NEIGHBOURS or not mine.any():
            continue
        tree = cKDTree(_features(calm, known, width))
        found = tree.query(_features(calm, asked[mine], width), k=_NEIGHBOURS)
        distance[who, mine] = np.asarray(found[0]).mean(axis=1)
    nearest = distance.min(axis=0)
    nearest[~np.isfinite(nearest)] = 1.0
    share = np.exp(-0.5 * np.square(distance / np.maximum(nearest, _KERNEL_FLOOR))) + 1e-6
    share /= share.sum(axis=0)
    alphas.reshape(count, -1)[:, asked] = share[:count]
    sure.reshape(-1)[asked] = np.clip(2.0 * share.max(axis=0) - 1.0, 0.0, 1.0)
    return ColourVote(alphas=alphas, sure=sure)


def _features(calm: NDArray[np.float32], pixels: NDArray[np.int64], width: int) -> NDArray[np.float64]:
    place = np.stack([pixels // width, pixels % width], axis=1) * _PLACE
    return np.concatenate([calm[pixels], place], axis=1).astype(np.float64)
