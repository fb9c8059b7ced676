"""Snap a soft, blobby mask to the edges of the picture, before it becomes an anchor.

Guided filter with a colour guide (He, Sun and Tang, TPAMI 2013, equations 19 to 21), then the half threshold.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.vis.flow import WorkingImage

__all__ = ["guided_filter", "snap"]


def snap(
    soft: NDArray[np.float32], image: WorkingImage, *, radius: int, smoothness: float = 1e-4
) -> NDArray[np.float32]:
    """Refine a probability (h, w) by the picture (h, w, 3) it belongs to; the answer is again in [0, 1].

    `radius` is how far, in pixels, the mask's border may be wrong. Only the mask's surroundings are worked on.
    """
    rows, columns = np.flatnonzero(soft.max(axis=1) > 0.02), np.flatnonzero(soft.max(axis=0) > 0.02)
    if rows.size == 0:
        return soft
    margin = 2 * radius + 2
    y0, y1 = max(int(rows[0]) - margin, 0), min(int(rows[-1]) + 1 + margin, soft.shape[0])
    x0, x1 = max(int(columns[0]) - margin, 0), min(int(columns[-1]) + 1 + margin, soft.shape[1])
    guide = image[y0:y1, x0:x1].astype(np.float32) / 255.0
    result = np.zeros_like(soft)
    result[y0:y1, x0:x1] = np.clip(guided_filter(soft[y0:y1, x0:x1], guide, radius=radius, smoothness=smoothness), 0, 1)
    return result


def guided_filter(
    plane: NDArray[np.float32], guide: NDArray[np.float32], *, radius: int, smoothness: float
) -> NDArray[np.float32]:
    """Filter `plane` (h, w) so that locally it is an affine function of the colours of `guide` (h, w, 3)."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.blur(values, size, borderType=cv2.BORDER_REFLECT_101), np.float32)

    centre = mean(guide)
    level = mean(plane)
    products = np.stack([guide[..., i] * guide[..., j] for i, j in _PAIRS], axis=-1)
    spread = np.concatenate([mean(products[..., :3]), mean(products[..., 3:])], axis=-1)
    spread -= np.stack([centre[..., i] * centre[..., j] for i, j in _PAIRS], axis=-1)
    together = mean(guide * plane[..., None]) - centre * level[..., None]
    a, b, c, d, e, f = (spread[..., k] for k in range(6))
    a, d, f = a + smoothness, d + smoothness, f + smoothness
    # Inverse of the symmetric matrix [[a b c], [b d e], [c e f]] by cofactors.
    inverse = (d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b)
    scale = a * inverse[0] + b * inverse[1] + c * inverse[2]
    t0, t1, t2 = (together[..., k] for k in range(3))
    slope = (
        np.stack(
            [
                inverse[0] * t0 + inverse[1] * t1 + inverse[2] * t2,
                inverse[1] * t0 + inverse[3] * t1 + inverse[4] * t2,
                inverse[2] * t0 + inverse[4] * t1 + inverse[5] * t2,
            ],
            axis=-1,
        )
        / np.maximum(scale, 1e-12)[..., None]
    )
    offset = level - (slope * centre).sum(axis=-1)
    return np.asarray((mean(slope) * guide).sum(axis=-1) + mean(offset), np.float32)


_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
