"""Mattes that do not boil: neighbours' raw mattes, moved here, where motion and colours say it is the same thing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.matting.classical.flow import Motion, believe, warp
from vimatte.engine.refine.couple import couple
from vimatte.engine.shot import Picture

__all__ = ["steady"]

_TOLERANCE = 0.04
_NEAR = 0.25
"""A neighbour whose moved alpha differs by about this much is not the same edge and has little say."""


def steady(
    picture: Picture,
    alphas: NDArray[np.float32],
    neighbours: Sequence[tuple[Picture, NDArray[np.float32], Motion]],
) -> NDArray[np.float32]:
    """Average (n, h, w) with the neighbours' (picture, alphas, motion to it) in soft pixels; coupled.

    A neighbour's weight falls with the difference of the moved picture and of the moved alpha from this frame's, so
    sharp edges that moved wrongly are not blurred. Every pixel has one weight for all people: sums stay sums.
    """
    if alphas.shape[0] == 0 or not neighbours:
        return couple(alphas)
    total = np.ones(alphas.shape[1:], np.float32)
    mixed = alphas.copy()
    for other, other_alphas, by in neighbours:
        moved = np.stack([warp(a, by) for a in other_alphas])
        apart = np.abs(moved - alphas).max(axis=0)
        weight = believe(picture, other, by, tolerance=_TOLERANCE) * np.exp(-np.square(apart / _NEAR))
        mixed += weight * moved
        total += weight
    mixed /= total
    soft = ((alphas > 0) & (alphas < 1)).any(axis=0)
    return couple(np.where(soft, mixed, alphas))
