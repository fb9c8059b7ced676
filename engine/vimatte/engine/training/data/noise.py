"""What sensor and film add to a picture: noise that grows with the light, grain that is as coarse as crystals."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

__all__ = ["grain", "sensor_noise"]

Floats = NDArray[np.float32]


def sensor_noise(pictures: Floats, rng: Generator, *, strength: float) -> Floats:
    """Add Gaussian noise to (t, h, w, 3), new on every frame and channel; result in [0, 1].

    Its standard deviation is sqrt(read^2 + shot^2 x), read and shot drawn up to 0.015 and 0.03 at strength 1.
    """
    read, shot = strength * rng.random(2) * np.array([0.015, 0.03])
    if strength == 0:
        return pictures
    spread = cv2.sqrt(np.float32(read**2) + np.float32(shot**2) * pictures).reshape(pictures.shape)
    spread *= rng.standard_normal(pictures.shape, np.float32)
    spread += pictures
    return np.asarray(np.clip(spread, 0, 1, out=spread))


def grain(pictures: Floats, rng: Generator, *, strength: float) -> Floats:
    """Add film grain to (t, h, w, 3): grey, blurred to 1 or 2 pixels, strongest in middle tones; result in [0, 1].

    Its standard deviation in middle grey is drawn up to 0.04 at strength 1.
    """
    amount, coarse = strength * 0.04 * rng.random(), rng.uniform(0.5, 1.1)
    if strength == 0:
        return pictures
    out = np.empty_like(pictures)
    for into, picture in zip(out, pictures, strict=True):
        crystals = cv2.GaussianBlur(rng.standard_normal(picture.shape[:2], np.float32), (0, 0), coarse)
        crystals *= np.float32(amount) / crystals.std()
        luma = cv2.transform(picture, np.array([[0.2126, 0.7152, 0.0722]], np.float32))
        crystals *= 4 * luma * (1 - luma)
        np.clip(picture + crystals[..., None], 0, 1, out=into)
    return out
