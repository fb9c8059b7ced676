"""What is not matte: faint islands in the background's texture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.masks import BoolMask

__all__ = ["attached"]

_FAINT = 0.04
"""A bridge thinner in alpha than this holds nothing."""


def attached(alphas: NDArray[np.float32], masks: BoolMask) -> NDArray[np.float32]:
    """Zero the parts of (n, h, w) that hang together with no pixel of the person's mask (n, h, w)."""
    out = alphas.copy()
    for row, (alpha, mask) in enumerate(zip(alphas, masks, strict=True)):
        count, label = cv2.connectedComponents((alpha > _FAINT).astype(np.uint8), connectivity=8)
        if count <= 2:
            continue
        held = np.zeros(count, bool)
        held[label[mask]] = True
        held[0] = True
        out[row][~held[label]] = 0.0
    return out
