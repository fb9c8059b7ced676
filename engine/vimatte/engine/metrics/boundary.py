"""Boundary measure F of a mask (Perazzi et al., "A Benchmark Dataset and Evaluation Methodology", CVPR 2016)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.masks import BoolMask
from vimatte.engine.metrics.alphas import Mask, as_mask

__all__ = ["boundary_f"]


def boundary_f(mask: Mask, *, truth: Mask, tolerance: float = 0.008) -> float:
    """F measure, 0 to 1, of the contour of a (h, w) mask against the true one: 2 P R / (P + R).

    P is the share of the mask's contour that lies near the true contour, R the share of the true contour near the
    mask's; near is `tolerance` of the picture's diagonal, at least 1 pixel, as in section 3.2. Both empty: 1.
    """
    mask, truth = as_mask(mask), as_mask(truth)
    one, two = _contour(mask), _contour(truth)
    if not one.any() or not two.any():
        return 1.0 if not mask.any() and not truth.any() else 0.0
    radius = max(1, int(np.ceil(tolerance * float(np.hypot(*mask.shape)))))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    precision = float(np.count_nonzero(one & (cv2.dilate(two.astype(np.uint8), disc) > 0)) / np.count_nonzero(one))
    recall = float(np.count_nonzero(two & (cv2.dilate(one.astype(np.uint8), disc) > 0)) / np.count_nonzero(two))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _contour(mask: BoolMask) -> NDArray[np.bool_]:
    """Pixels of the mask beside pixels that are not; beyond the picture's edge it goes on."""
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(mask & (inner == 0))
