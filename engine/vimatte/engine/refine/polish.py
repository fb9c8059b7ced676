"""Soft edges solved once more by the picture's own colours, close to what they were: closed form after a network."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.matting.classical.solve import solve
from vimatte.engine.refine.couple import couple
from vimatte.engine.refine.crops import groups
from vimatte.engine.refine.trimap import Trimap, disc
from vimatte.engine.shot import Picture

__all__ = ["polished"]


def polished(
    picture: Picture, alphas: NDArray[np.float32], *, soft: float, grow: int, pull: float
) -> NDArray[np.float32]:
    """Return alphas (n, h, w) with those between `soft` and 1 - `soft`, and `grow` pixels around, solved anew.

    Closed form (Levin et al., PAMI 2008) with the alphas as prior of weight `pull`: edges come to lie where colours
    change. Cost goes with the soft pixels. Coupled.
    """
    out = alphas.copy()
    for rows, (x0, y0, x1, y1) in groups(alphas > 0, margin=2 * grow):
        part = alphas[rows, y0:y1, x0:x1]
        unsure = ((part > soft) & (part < 1.0 - soft)).any(axis=0)
        open_ = cv2.dilate(unsure.astype(np.uint8), disc(grow)).astype(bool)
        solid = part > 0.5
        areas = Trimap(core=solid & ~open_, reach=solid | open_, open=open_)
        crop = np.ascontiguousarray(picture[y0:y1, x0:x1])
        out[rows, y0:y1, x0:x1] = solve(crop, areas, prior=part, pull=pull)
    return couple(out)
