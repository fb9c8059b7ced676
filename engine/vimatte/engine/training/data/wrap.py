"""Light wrap: bright surroundings spill over a person's rim, in the lens and on the skin."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vimatte.engine.training.data.extent import extent
from vimatte.engine.training.data.planes import alpha_of, weighed

__all__ = ["light_wrap"]

Floats = NDArray[np.float32]

_SMALLER = 4


def light_wrap(layer: Floats, background: Floats, rng: Generator, *, strength: float) -> Floats:
    """Lighten the rims of (t, h, w, 4) premultiplied by what is behind, (t, h, w, 3); alpha is kept.

    With P the premultiplied colour, a the alpha, B the background and both blurred, P' = P + w max(a B - P, 0) where
    w = k (1 - a), k drawn up to 0.7 x strength: nothing gets darker, nothing inside changes. The blur is 1.5 % of the
    picture's shorter side.
    """
    amount = np.float32(0.7 * strength * rng.random())
    if strength == 0:
        return layer
    out = layer.copy()
    height, width = layer.shape[1:3]
    # Spilled light is soft: a quarter of the size says as much.
    size = (-(-width // _SMALLER), -(-height // _SMALLER))
    sigma = max(0.5, 0.015 * min(height, width) / _SMALLER)
    for into, frame, behind, alpha in zip(out, layer, background, alpha_of(layer), strict=True):
        rows, columns = extent(alpha[None])
        if rows.stop == 0:
            continue
        less = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
        both = np.dstack([cv2.resize(behind, size, interpolation=cv2.INTER_AREA), 1 - less])
        soft = cv2.resize(cv2.GaussianBlur(both, (0, 0), sigma), (width, height), interpolation=cv2.INTER_LINEAR)
        soft = soft[rows, columns]
        spill = weighed(soft[..., :3], alpha[rows, columns])
        spill -= frame[rows, columns, :3]
        np.maximum(spill, 0, out=spill)
        into[rows, columns, :3] += weighed(spill, amount * soft[..., 3])
    return out
