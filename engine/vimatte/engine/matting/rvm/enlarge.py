"""Mattes of a large plate from those divided at working size, with the detail of the alpha found at full size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.refine.polish import polished
from vimatte.engine.shot import Picture

__all__ = ["enlarge"]

_SOFT = 0.02
_GROW = 2
_PULL = 0.02
_NOTHING = np.float32(1e-4)


def enlarge(picture: Picture, alpha: NDArray[np.float32], divided: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return alphas (n, H, W) for `picture` (H, W, 3) and everybody's `alpha` (H, W) from `divided` (n, h, w).

    What enlarging everybody's alpha from h w loses is added to the people's sum, as far as it is the alpha that was
    followed there; then the soft edge is solved once more at full size. Coupled.
    """
    return polished(picture, _detailed(alpha, divided), soft=_SOFT, grow=_GROW, pull=_PULL)


def _detailed(alpha: NDArray[np.float32], divided: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = alpha.shape
    small = cv2.resize(alpha, (divided.shape[2], divided.shape[1]), interpolation=cv2.INTER_AREA)
    smooth = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    rough = np.zeros((divided.shape[0], height, width), np.float32)
    for row, one in enumerate(divided):
        if one.any():
            cv2.resize(one, (width, height), dst=rough[row], interpolation=cv2.INTER_LINEAR)
    total = rough.sum(axis=0)
    followed = 1.0 - np.abs(total - smooth)
    wanted = np.clip(total + followed * (alpha - smooth), 0.0, 1.0)
    rough *= np.where(total > _NOTHING, wanted / np.maximum(total, _NOTHING), 0.0)
    return rough
