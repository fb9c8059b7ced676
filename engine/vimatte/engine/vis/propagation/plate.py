"""The clean plate as far as it was seen: what the background looks like where a person stands now."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.vis.appearance import Lab, colour_gap
from vimatte.engine.vis.flow import Field

__all__ = ["Plate"]

Plane = NDArray[np.float32]


class Plate:
    """Mean and spread of the background's colour at each pixel of the frame we are on, moved along with the camera."""

    def __init__(self, height: int, width: int) -> None:
        self.mean = np.zeros((height, width, 3), np.float32)
        self.spread = np.full((height, width), 16.0, np.float32)
        self.seen = np.zeros((height, width), np.float32)

    def move(self, camera: Field) -> None:
        """Follow the camera by a field (now -> before)."""
        if float(np.abs(camera).max()) < 0.04:
            return
        height, width = self.seen.shape
        grid_x, grid_y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        at = (grid_x + camera[..., 0], grid_y + camera[..., 1])
        self.mean = cv2.remap(self.mean, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        self.spread = cv2.remap(self.spread, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        self.seen = cv2.remap(self.seen, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        self.seen[self.seen < 0.98] = 0.0

    def learn(self, lab: Lab, sure: NDArray[np.bool_]) -> None:
        """Take in the pixels (h, w) that are surely background."""
        known = self.seen > 0
        rate = np.where(sure, np.where(known, np.float32(0.3), np.float32(1.0)), np.float32(0.0))
        gap = np.minimum(colour_gap(lab, self.mean), 900.0)
        self.spread += (0.5 * rate) * np.where(known, gap - self.spread, 0.0)
        self.mean += rate[..., None] * (lab - self.mean)
        self.spread[sure & ~known] = 16.0
        self.seen[sure] = 1.0

    def evidence(self, lab: Lab, *, limit: float = 4.0) -> Plane:
        """(h, w) log odds for background: positive where the picture matches the plate, 0 where it was never seen.

        Misalignment is forgiven at edges, and darkening without a change of hue (a shadow) is no sign of a person.
        """
        smooth = cv2.blur(lab, (3, 3))
        mean = cv2.blur(self.mean, (3, 3))
        slope = np.zeros(self.seen.shape, np.float32)
        for axis in ((1, 0), (0, 1)):
            edge = cv2.Sobel(mean, cv2.CV_32F, *axis) / 8.0
            slope += np.einsum("yxc,yxc->yx", edge, edge)
        spread = np.maximum(self.spread, 6.0) + 0.5 * slope
        away = smooth - mean
        dark = away[..., 0]
        hue = away[..., 1] ** 2 + away[..., 2] ** 2
        gap = (dark**2 + hue) / spread
        odds = 0.5 * np.log(900.0 / spread) - 0.5 * gap
        shadow = (dark < 0) & (dark > -0.5 * mean[..., 0]) & (hue < 100.0 + spread)
        odds = np.where(shadow, np.maximum(odds, 0.5), odds)
        return np.asarray(np.clip(odds, -limit, limit) * (self.seen > 0), np.float32)
