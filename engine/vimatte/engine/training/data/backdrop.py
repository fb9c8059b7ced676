"""What is behind everybody: a filmed or made-up background, cropped, graded, now and then out of focus."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vimatte.engine.training.data.cast import moved
from vimatte.engine.training.data.footage import Footage
from vimatte.engine.training.data.grading import grade
from vimatte.engine.training.data.leaves import dead_leaves
from vimatte.engine.training.data.motion import Way
from vimatte.engine.training.data.settings import Settings

__all__ = ["draw_backdrop"]

Floats = NDArray[np.float32]


def draw_backdrop(backgrounds: Footage | None, rng: Generator, *, settings: Settings, camera: Way) -> Floats:
    """Give (t, h, w, 3) in [0, 1]; with no footage, dead leaves.

    A part of the picture is drawn that is at least two thirds of what fits; half of them are blurred, by up to 2 % of
    the shorter side, as behind somebody in focus. It follows a share of the camera's way, as far things do.
    """
    height, width = settings.height, settings.width
    made_up = rng.random() < settings.leaves
    if backgrounds is None or made_up:
        picture = dead_leaves(rng, height=height, width=width)[None]
    else:
        source = backgrounds.pick(rng)
        read = source.read(rng, frames=1 if source.is_still else settings.frames, at_most=settings.largest)
        picture = cv2.cvtColor(read.reshape(-1, *read.shape[2:]), cv2.COLOR_RGBA2RGB).reshape(*read.shape[:3], 3)
    if rng.random() < 0.5:
        picture = np.ascontiguousarray(picture[:, :, ::-1])
    tall, wide = picture.shape[1:3]
    scale = max(height / tall, width / wide) * rng.uniform(1.0, 1.5)
    spare = np.array([scale * wide - width, scale * tall - height])
    corner = -rng.random(2) * spare
    put = np.array([[scale, 0, corner[0]], [0, scale, corner[1]], [0, 0, 1]])
    maps = camera.maps((width / 2, height / 2), share=rng.uniform(0.4, 1.0)) @ put
    graded = grade(picture, rng, strength=settings.grade)
    out = moved(graded, maps, height=height, width=width, border=cv2.BORDER_REFLECT_101)
    blurred, amount = rng.random() < 0.5, rng.random()
    sigma = settings.blur * 0.02 * amount * min(height, width)
    if blurred and sigma > 0.3:
        for frame in out:
            _soften(frame, sigma)
    return out


def _soften(frame: Floats, sigma: float) -> None:
    """Blur in place; a wide blur is made on a smaller copy, where it costs a fraction and looks the same."""
    height, width = frame.shape[:2]
    less = max(1, int(sigma / 2))
    size = (-(-width // less), -(-height // less))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA) if less > 1 else frame
    soft = cv2.GaussianBlur(small, (0, 0), sigma / less)
    frame[:] = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR) if less > 1 else soft
