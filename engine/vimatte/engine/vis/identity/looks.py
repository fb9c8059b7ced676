"""What somebody looks like: colours of the upper and the lower half of a mask, and how far two looks are apart."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.masks import BoolMask
from vimatte.engine.vis.flow import WorkingImage

__all__ = ["appearance", "colour_distance"]

_BINS = 8


def appearance(image: WorkingImage, mask: BoolMask) -> NDArray[np.float32]:
    """Square roots of a histogram over CIE Lab of two halves, so that the squares sum to 1.

    8 x 8 x 8 bins, blurred over the neighbouring ones, so that a small change of light is a small distance.
    """
    rows, columns = np.nonzero(mask)
    if rows.size == 0:
        return np.full(2 * _BINS**3, (2 * _BINS**3) ** -0.5, np.float32)
    y0, y1, x0, x1 = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    lab = np.asarray(cv2.cvtColor(np.ascontiguousarray(image[y0:y1, x0:x1]), cv2.COLOR_RGB2LAB), np.float32)
    colours = lab[rows - y0, columns - x0]
    # People's a and b stay near grey: spread the middle of their range over the bins.
    colours[:, 1:] = (colours[:, 1:] - 128.0) * 2.0 + 128.0
    places = np.clip((colours / 256.0 * _BINS).astype(int), 0, _BINS - 1)
    middle = (rows[(rows.size - 1) // 2] + rows[rows.size // 2]) / 2  # their median: rows ascend
    halves = []
    for half in (rows <= middle, rows > middle):
        index = places[half] @ np.array([_BINS**2, _BINS, 1])
        counts = np.bincount(index, minlength=_BINS**3).reshape(_BINS, _BINS, _BINS).astype(np.float32)
        for axis in range(3):
            padded = np.pad(counts, [(1, 1) if k == axis else (0, 0) for k in range(3)], mode="edge")
            take = [np.take(padded, np.arange(k, k + _BINS), axis=axis) for k in range(3)]
            counts = 0.25 * take[0] + 0.5 * take[1] + 0.25 * take[2]
        halves.append(counts.reshape(-1) / max(float(counts.sum()), 1e-6))
    return np.asarray(np.sqrt(np.concatenate(halves) / 2.0), np.float32)


def colour_distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Hellinger distance of two histograms given as square roots: 0 same, 1 nothing in common."""
    return float(np.sqrt(max(0.0, 1.0 - float(one @ other))))
