"""Mattes that do not boil: the middle of three frames' raw mattes, where motion and colours agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.matting.classical.flow import Motion, believe, warp
from vimatte.engine.refine.couple import couple

__all__ = ["steady"]

_TOLERANCE = 0.08


def steady(
    alphas: NDArray[np.float32],
    neighbours: Sequence[tuple[NDArray[np.float32], Motion, NDArray[np.float32]]],
) -> NDArray[np.float32]:
    """Take (n, h, w) towards the median of itself and its two neighbours' (alphas, motion to it, mismatch); coupled.

    A median takes out what only one frame has (a leak, a hole) and blurs no edge that moves. It counts as far as both
    neighbours are believed; without two neighbours (the ends of a shot) the mattes stay as they are.
    """
    if alphas.shape[0] == 0 or len(neighbours) != 2:
        return couple(alphas)
    weight = np.ones(alphas.shape[1:], np.float32)
    for _, _, difference in neighbours:
        weight *= believe(difference, tolerance=_TOLERANCE)
    out = alphas.copy()
    for row, own in enumerate(alphas):
        one, other = (warp(around[row], by) for around, by, _ in neighbours)
        middle = np.maximum(np.minimum(one, other), np.minimum(np.maximum(one, other), own))
        out[row] += weight * (middle - own)
    return couple(out)
