"""Blur by motion and by the lens, of layers premultiplied by their alpha: colour and alpha together, light kept."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vimatte.engine.training.data.extent import extent
from vimatte.engine.training.data.planes import alpha_of

__all__ = ["defocus", "disc", "line", "motion_blur"]

Floats = NDArray[np.float32]


def motion_blur(layer: Floats, rng: Generator, *, strength: float, travel: NDArray[np.float64] | None = None) -> Floats:
    """Blur (t, h, w, 4) premultiplied as an open shutter does, each frame along its own way; the total is kept.

    `travel` (t, 2) is how far the layer moves from frame to frame, in pixels right and down; none: a direction and a
    speed of up to 3 % of the picture's shorter side are drawn. The shutter is open for a share of the frame's time that
    is drawn up to `strength`. What the picture's edge cuts is continued beyond it.
    """
    angle, speed, shutter = rng.uniform(0, 2 * np.pi), rng.random(), strength * rng.random()
    if travel is None:
        reach = 0.03 * min(layer.shape[1:3]) * speed
        travel = np.tile(reach * np.array([np.cos(angle), np.sin(angle)]), (len(layer), 1))
    ways = travel * shutter
    return _filtered(layer, [line(dx, dy) for dx, dy in ways])


def defocus(layer: Floats, rng: Generator, *, strength: float) -> Floats:
    """Blur (t, h, w, 4) premultiplied by one disc, as a lens out of focus does; the total is kept.

    Its radius is drawn up to `strength` times 0.8 % of the picture's shorter side, 4 pixels of 512.
    """
    kernel = disc(0.008 * strength * rng.random() * min(layer.shape[1:3]))
    return _filtered(layer, [kernel] * len(layer))


def line(dx: float, dy: float) -> Floats:
    """Give the kernel of a straight way of (dx, dy) pixels around the middle; its sum is 1."""
    reach = int(np.ceil(max(abs(dx), abs(dy)) / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    places = max(2, 2 * reach + 1)
    for along in np.linspace(-0.5, 0.5, places):
        x, y = reach + along * dx, reach + along * dy
        left, top = int(np.floor(x)), int(np.floor(y))
        for column, wide in ((left, 1 - (x - left)), (left + 1, x - left)):
            for row, tall in ((top, 1 - (y - top)), (top + 1, y - top)):
                if wide * tall > 0:
                    kernel[row, column] += wide * tall
    return np.asarray(kernel / kernel.sum(), np.float32)


def disc(radius: float) -> Floats:
    """Give the kernel of a round aperture with a soft rim; its sum is 1."""
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _filtered(layer: Floats, kernels: Sequence[Floats]) -> Floats:
    """Filter where something is; the picture's own edge is mirrored, so that a person cut by it stays solid there."""
    out = layer.copy()
    for into, frame, alpha, kernel in zip(out, layer, alpha_of(layer), kernels, strict=True):
        rows, columns = extent(alpha[None], margin=kernel.shape[0] // 2)
        if rows.stop > 0 and kernel.size > 1:
            part = np.ascontiguousarray(frame[rows, columns])
            into[rows, columns] = cv2.filter2D(part, -1, kernel, borderType=cv2.BORDER_REFLECT)
    return out
