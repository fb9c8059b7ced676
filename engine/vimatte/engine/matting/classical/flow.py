"""Motion between two pictures, and how far it can be believed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.shot import Picture

__all__ = ["Motion", "believe", "mismatch", "motion", "warp"]

Motion = NDArray[np.float32]
"""(h, w, 2): x, y in pixels; the other picture at (x + dx, y + dy) looks like this one at (x, y)."""

_FLOW_LONG_SIDE = 512
_SMALLEST = 32
"""Dense inverse search needs a few pixels; smaller pictures are taken as still."""


def motion(this: Picture, other: Picture) -> Motion:
    """Dense motion from `this` to `other`, both (h, w, 3): dense inverse search (Kroeger et al., ECCV 2016)."""
    height, width = this.shape[:2]
    scale = min(1.0, _FLOW_LONG_SIDE / max(height, width))
    size = (round(width * scale), round(height * scale))
    if min(size) < _SMALLEST:
        return np.zeros((height, width, 2), np.float32)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    found = search.calc(_grey(this, size), _grey(other, size), None)
    back = np.array([width / size[0], height / size[1]], np.float32)
    return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR) * back, np.float32)


def warp(values: NDArray[np.float32], by: Motion) -> NDArray[np.float32]:
    """Fetch (h, w) or (h, w, c) values of the other picture to where they are in this one."""
    y, x = np.mgrid[: by.shape[0], : by.shape[1]].astype(np.float32)
    return np.asarray(
        cv2.remap(values, x + by[..., 0], y + by[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        np.float32,
    )


def mismatch(this: Picture, other: Picture, by: Motion) -> NDArray[np.float32]:
    """How much colours (1 is black to white) differ around each pixel after the motion: (h, w)."""
    apart = np.abs(warp(other, by) - this)
    largest = np.maximum(np.maximum(apart[..., 0], apart[..., 1]), apart[..., 2])
    return np.asarray(cv2.GaussianBlur(largest, (0, 0), 2.0), np.float32)


def believe(difference: NDArray[np.float32], *, tolerance: float) -> NDArray[np.float32]:
    """Turn a mismatch into a weight (h, w) in [0, 1]: 1 for none, 1/e where it is as large as `tolerance`."""
    return np.asarray(np.exp(-np.square(difference / tolerance)), np.float32)


def _grey(picture: Picture, size: tuple[int, int]) -> NDArray[np.uint8]:
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).clip(0.0, 1.0) * 255.0, np.uint8)
