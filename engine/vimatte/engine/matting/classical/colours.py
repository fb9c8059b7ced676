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

_NEIGHBOURS = 16
_RING = 12
"""Certain pixels this near an open one are asked."""
_SAMPLES = 8000
_PLACE = 0.001
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
    label = np.where(areas.core.any(axis=0), areas.core.argmax(axis=0), count)
    near = cv2.dilate(areas.open.astype(np.uint8), disc(_RING)).astype(bool) & ~areas.open
    known = np.flatnonzero(near)
    known = known[:: max(1, -(-known.size // _SAMPLES))]
    asked = np.flatnonzero(areas.open)
    if known.size < _NEIGHBOURS or asked.size == 0:
        return ColourVote(alphas=alphas, sure=sure)
    calm = cv2.GaussianBlur(picture, (0, 0), 0.6).reshape(-1, 3)
    near_by = cKDTree(_features(calm, known, width)).query(_features(calm, asked, width), k=_NEIGHBOURS)
    distance, index = np.asarray(near_by[0]), np.asarray(near_by[1])
    kernel = np.maximum(distance[:, :4].mean(axis=1, keepdims=True), _KERNEL_FLOOR)
    weight = np.exp(-0.5 * np.square(distance / kernel)) + 1e-6
    votes = label.reshape(-1)[known][index]
    share = np.stack([(weight * (votes == who)).sum(axis=1) for who in range(count + 1)])
    share[:count] *= areas.reach.reshape(count, -1)[:, asked]
    share += 1e-6
    share /= share.sum(axis=0)
    alphas.reshape(count, -1)[:, asked] = share[:count]
    sure.reshape(-1)[asked] = np.clip(2.0 * share.max(axis=0) - 1.0, 0.0, 1.0)
    return ColourVote(alphas=alphas, sure=sure)


def _features(calm: NDArray[np.float32], pixels: NDArray[np.int64], width: int) -> NDArray[np.float64]:
    place = np.stack([pixels // width, pixels % width], axis=1) * _PLACE
    return np.concatenate([calm[pixels], place], axis=1).astype(np.float64)
