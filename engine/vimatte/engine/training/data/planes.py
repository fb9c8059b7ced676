"""A plane of a picture, and pictures times planes, by OpenCV: numpy takes several times as long over three channels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["alpha_of", "weighed"]

Floats = NDArray[np.float32]


def alpha_of(layer: Floats) -> Floats:
    """Give the last channel of (t, h, w, 4) as (t, h, w)."""
    return np.asarray(cv2.extractChannel(_tall(layer), 3), np.float32).reshape(layer.shape[:-1])


def weighed(colour: Floats, weight: Floats) -> Floats:
    """Multiply (t, h, w, 3) by (t, h, w), or (h, w, 3) by (h, w)."""
    tall = _tall(weight[..., None])[..., 0]
    return np.asarray(cv2.multiply(_tall(colour), cv2.merge([tall, tall, tall])), np.float32).reshape(colour.shape)


def _tall(values: Floats) -> Floats:
    """All frames one under the other, as one picture."""
    return np.ascontiguousarray(values).reshape(-1, *values.shape[-2:])
