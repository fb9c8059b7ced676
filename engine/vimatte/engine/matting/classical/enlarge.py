"""Mattes of a large picture from those of a small one: only the soft edge is solved again, at full size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.matting.classical.solve import solve
from vimatte.engine.refine.couple import couple
from vimatte.engine.refine.crops import groups
from vimatte.engine.refine.trimap import Trimap, disc
from vimatte.engine.shot import Picture

__all__ = ["enlarge"]

_SOFT = 0.02
_GROW = 2
_PULL = 0.002


def enlarge(full: NDArray[np.float16], alphas: NDArray[np.float32]) -> NDArray[np.float32]:
    """Alphas (n, H, W) for the picture (H, W, 3) from (n, h, w), by steps of at most two; coupled."""
    height, width = full.shape[:2]
    steps = [(height, width)]
    while steps[-1][1] > 2 * alphas.shape[2]:
        steps.append((-(-steps[-1][0] // 2), -(-steps[-1][1] // 2)))
    for size in reversed(steps):
        alphas = _step(full, size, alphas)
    return alphas


def _step(full: NDArray[np.float16], size: tuple[int, int], alphas: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = size
    guess = np.zeros((alphas.shape[0], height, width), np.float32)
    for row, alpha in enumerate(alphas):
        if alpha.any():
            guess[row] = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR)
    out = guess.copy()
    for rows, (x0, y0, x1, y1) in groups(guess > 0, margin=2 * _GROW):
        crop = _crop(full, size, (x0, y0, x1, y1))
        part = guess[rows, y0:y1, x0:x1]
        soft = ((part > _SOFT) & (part < 1.0 - _SOFT)).any(axis=0)
        open_ = cv2.dilate(soft.astype(np.uint8), disc(_GROW)).astype(bool)
        solid = part > 0.5
        areas = Trimap(core=solid & ~open_, reach=solid | open_, open=open_)
        out[rows, y0:y1, x0:x1] = solve(crop, areas, prior=part, pull=_PULL)
    return couple(out)


def _crop(full: NDArray[np.float16], size: tuple[int, int], box: tuple[int, int, int, int]) -> Picture:
    """Cut `box` out of the picture shrunk to `size`."""
    if size == full.shape[:2]:
        x0, y0, x1, y1 = box
        return np.ascontiguousarray(full[y0:y1, x0:x1], np.float32)
    small = cv2.resize(full.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    x0, y0, x1, y1 = box
    return np.ascontiguousarray(small[y0:y1, x0:x1], np.float32)
