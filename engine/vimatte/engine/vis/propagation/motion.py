"""How everything moved between two pictures: flow with its trust, and the camera."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.vis.appearance import Lab, colour_gap
from vimatte.engine.vis.flow import (
    Field,
    FlowPair,
    camera_field,
    camera_homography,
    consistency,
    sample_grid,
    warp,
)

__all__ = ["Motion", "measure_motion"]


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """From the picture before to the one now."""

    back: Field
    """(h, w, 2) now -> before."""
    forth: Field
    """(h, w, 2) before -> now."""
    agree: NDArray[np.float32]
    """(h, w) in [0, 1]: trust in `back`; low where something was uncovered, left, or changed its colour."""
    camera: Field
    """(h, w, 2) now -> before of the background, as far as a homography says it."""


def measure_motion(flow: FlowPair, *, lab: Lab, lab_before: Lab, background: NDArray[np.float32]) -> Motion:
    """Measure, by the flow between both; `background` (h, w) in [0, 1] is where nobody was on the picture before."""
    height, width = background.shape
    back, forth = flow
    # a pixel where nothing landed was hidden before; one whose colour changed on the way did not come from there
    x, y = sample_grid((slice(0, height), slice(0, width)))
    column = np.clip(np.rint(x + forth[..., 0]), 0, width - 1).astype(np.int64)
    row = np.clip(np.rint(y + forth[..., 1]), 0, height - 1).astype(np.int64)
    landed = np.bincount((row * width + column).ravel(), minlength=height * width)
    cover = cv2.GaussianBlur(landed.reshape(height, width).astype(np.float32), (0, 0), 1.5)
    gap = colour_gap(cv2.blur(lab, (3, 3)), cv2.blur(warp(lab_before, back), (3, 3)))
    agree = consistency((back, forth)) * np.clip(cover * 1.6 - 0.4, 0, 1) * np.exp(-gap / (2 * 8.0**2))
    homography = camera_homography(back, background)
    return Motion(back, forth, agree.astype(np.float32), camera_field(homography, height, width))
