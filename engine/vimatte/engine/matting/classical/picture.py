"""The raw mattes of one picture: crops around people, a wide band solved first, a narrow one around what it found."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.masks import BoolMask
from vimatte.engine.matting.classical.colours import colour_vote
from vimatte.engine.matting.classical.consensus import Agreed
from vimatte.engine.matting.classical.leaks import attached
from vimatte.engine.matting.classical.solve import solve
from vimatte.engine.refine.couple import couple
from vimatte.engine.refine.crops import groups
from vimatte.engine.refine.trimap import Trimap, trimap, trimap_within
from vimatte.engine.shot import Picture

__all__ = ["picture_mattes"]

_COLOUR_PULL = 0.04
"""Weight of a unanimous colour vote against the picture's own structure."""
_MASK_PULL = 0.01
"""Weight of the mask where colours cannot tell."""
_MASK_SOFT = 2.0
"""Pixels over which a mask's edge fades as a guess."""
_MARGIN = 32
_NARROWER = 0.5
_WIDEST = 14.0
_MISTY = 0.2
"""Softer than this on both ends after the first solution means hair or blur, however far from the edge."""


def picture_mattes(picture: Picture, agreed: Agreed) -> NDArray[np.float32]:
    """Alphas (n, h, w) of one picture (h, w, 3); zeros for empty masks."""
    out = np.zeros(agreed.distances.shape, np.float32)
    for rows, (x0, y0, x1, y1) in groups(agreed.distances > 0, margin=_MARGIN):
        crop = np.ascontiguousarray(picture[y0:y1, x0:x1])
        distances = agreed.distances[rows, y0:y1, x0:x1]
        hard = distances > 0
        radii = [band_radius(m, float(s)) for m, s in zip(hard, agreed.spread[rows], strict=True)]
        guess = mask_guess(distances)
        wide = trimap(hard, radii=radii)
        first = _coarse(crop, wide, guess)
        misty = np.asarray(((first > _MISTY) & (first < 1.0 - _MISTY)).any(axis=0))
        narrow = trimap_within(wide, first > 0.5, radii=[_NARROWER * r for r in radii], also=misty)
        out[rows, y0:y1, x0:x1] = couple(attached(_solve(crop, narrow, first), hard))
    return out


def band_radius(mask: BoolMask, spread: float) -> float:
    """Half the width of the open band in pixels: by the person's size, wider where the masks of neighbours disagree."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return 0.0
    size = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    by_size = min(4.0 + 0.012 * size, 10.0)
    return float(min(max(by_size, 4.0 + 0.9 * spread), _WIDEST))


def mask_guess(distances: NDArray[np.float32]) -> NDArray[np.float32]:
    """Soft (n, h, w) guess from signed distances: fades over the edge, and over n sums to at most 1."""
    soft = 1.0 / (1.0 + np.exp(-distances / np.float32(_MASK_SOFT)))
    return couple(soft, snap=0.0)


def _coarse(crop: Picture, areas: Trimap, guess: NDArray[np.float32]) -> NDArray[np.float32]:
    """Solve at half size, which is enough to see where the edge runs."""
    height, width = areas.open.shape
    if min(height, width) < 8:
        return _solve(crop, areas, guess)
    size = ((width + 1) // 2, (height + 1) // 2)
    core = np.stack([_shrink(c, size) > 0.99 for c in areas.core])
    reach = np.stack([_shrink(r, size) > 0.01 for r in areas.reach])
    core &= (reach.sum(axis=0) == 1)[None]
    half = Trimap(core=core, reach=reach, open=np.asarray(reach.any(axis=0) & ~core.any(axis=0)))
    small = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.float32)
    alphas = _solve(small, half, np.stack([_shrink(g, size) for g in guess]))
    return np.stack([cv2.resize(a, (width, height), interpolation=cv2.INTER_LINEAR) for a in alphas])


def _shrink(values: NDArray[np.generic], size: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(values.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)


def _solve(crop: Picture, areas: Trimap, guess: NDArray[np.float32]) -> NDArray[np.float32]:
    """Follow the picture, the colours where they are sure, and the guess where they are not."""
    vote = colour_vote(crop, areas)
    colour = _COLOUR_PULL * vote.sure
    mask = _MASK_PULL * (1.0 - vote.sure)
    prior = (colour * vote.alphas + mask * guess) / (colour + mask)
    return couple(solve(crop, areas, prior=prior, pull=colour + mask), snap=0.0)
