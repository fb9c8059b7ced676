"""What is lost when pictures are stored small."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

__all__ = ["jpeg"]

Floats = NDArray[np.float32]


def jpeg(pictures: Floats, rng: Generator, *, strength: float) -> Floats:
    """Store (t, h, w, 3) in [0, 1] as JPEG and read it back, all frames at one quality.

    The quality is drawn between 95 and 95 - 55 x strength.
    """
    quality = round(95 - 55 * strength * rng.random())
    if strength == 0:
        return pictures
    out = np.empty_like(pictures)
    for into, picture in zip(out, pictures, strict=True):
        bgr = cv2.cvtColor(cv2.convertScaleAbs(picture, alpha=255), cv2.COLOR_RGB2BGR)
        _, packed = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        rgb = cv2.cvtColor(cv2.imdecode(packed, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        np.multiply(rgb, np.float32(1 / 255), out=into)
    return out
