"""The raw mattes of one picture: crops around people, one solution each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.masks import BoolMask
from vimatte.engine.matting.classical.solve import solve
from vimatte.engine.refine.couple import couple
from vimatte.engine.refine.crops import groups
from vimatte.engine.refine.trimap import trimap
from vimatte.engine.shot import Picture

__all__ = ["picture_mattes"]


def picture_mattes(picture: Picture, masks: BoolMask) -> NDArray[np.float32]:
    """Alphas (n, h, w) of one picture (h, w, 3) from hard (n, h, w) masks; zeros for empty masks."""
    out = np.zeros(masks.shape, np.float32)
    for rows, (x0, y0, x1, y1) in groups(masks, margin=32):
        crop = np.ascontiguousarray(picture[y0:y1, x0:x1])
        hard = masks[rows, y0:y1, x0:x1]
        areas = trimap(hard, inside=6, outside=6)
        out[rows, y0:y1, x0:x1] = couple(solve(crop, areas, prior=hard.astype(np.float32)))
    return out
