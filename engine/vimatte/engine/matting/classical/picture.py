"""The raw mattes of one picture: crops around people, a wide band solved first, a narrow one around what it found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.masks import BoolMask
from vimatte.engine.matting.classical.colours import colour_vote
from vimatte.engine.matting.classical.consensus import Agreed
from vimatte.engine.matting.classical.solve import solve
from vimatte.engine.refine.couple import couple
from vimatte.engine.refine.crops import groups
from vimatte.engine.refine.trimap import Trimap, trimap, trimap_within
from vimatte.engine.shot import Picture

__all__ = ["picture_mattes"]

_COLOUR_PULL = 0.03
_MARGIN = 32
_NARROWER = 0.6
_WIDEST = 14.0


def picture_mattes(picture: Picture, agreed: Agreed) -> NDArray[np.float32]:
    """Alphas (n, h, w) of one picture (h, w, 3); zeros for empty masks."""
    masks = agreed.masks
    out = np.zeros(masks.shape, np.float32)
    for rows, (x0, y0, x1, y1) in groups(masks, margin=_MARGIN):
        crop = np.ascontiguousarray(picture[y0:y1, x0:x1])
        hard = masks[rows, y0:y1, x0:x1]
        radii = [band_radius(m, float(s)) for m, s in zip(hard, agreed.spread[rows], strict=True)]
        wide = trimap(hard, radii=radii)
        first = _solve(crop, wide)
        narrow = trimap_within(wide, first > 0.5, radii=[_NARROWER * r for r in radii])
        out[rows, y0:y1, x0:x1] = couple(_solve(crop, narrow))
    return out


def band_radius(mask: BoolMask, spread: float) -> float:
    """Half the width of the open band in pixels: by the person's size, wider where the masks of neighbours disagree."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return 0.0
    size = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    by_size = min(max(2.0 + 0.012 * size, 3.0), 8.0)
    return float(min(max(by_size, 3.0 + 0.9 * spread), _WIDEST))


def _solve(crop: Picture, areas: Trimap) -> NDArray[np.float32]:
    vote = colour_vote(crop, areas)
    return couple(solve(crop, areas, prior=vote.alphas, pull=_COLOUR_PULL * vote.sure), snap=0.0)
