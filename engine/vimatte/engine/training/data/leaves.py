"""Backgrounds made of nothing: dead leaves, overlapping shapes of every size, with the statistics of photographs.

Lee, Mumford, Huang, 'Occlusion models for natural images', IJCV 2001: radii with a density proportional to r^-3.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

__all__ = ["dead_leaves"]

Floats = NDArray[np.float32]


def dead_leaves(rng: Generator, *, height: int, width: int, leaves: int = 500) -> Floats:
    """Draw (h, w, 3) in [0, 1]: ellipses and quadrangles in a palette of their own, lit from one side."""
    side = min(height, width)
    smallest, largest = 0.01 * side, 0.4 * side
    # Colours of the world are duller than random ones.
    palette = rng.uniform(0, 255, (6, 3))
    palette += rng.uniform(0.2, 0.9) * (palette.mean(axis=1, keepdims=True) - palette)
    canvas = np.full((height, width, 3), palette[0], np.float32)
    share = rng.random(leaves)
    # The inverse of the distribution function of a density r^-3 between the two ends.
    radii = (smallest**-2 + share * (largest**-2 - smallest**-2)) ** -0.5
    places = rng.uniform(-0.1, 1.1, (leaves, 2)) * (width, height)
    # Big ones first, or a big one would bury most of the others.
    for radius, (x, y) in zip(np.sort(radii)[::-1], places, strict=True):
        colour = np.clip(palette[rng.integers(len(palette))] + rng.normal(0, 25, 3), 0, 255).tolist()
        angle, squash = rng.uniform(0, 360), rng.uniform(0.3, 1)
        box = ((float(x), float(y)), (float(2 * radius), float(2 * radius * squash)), float(angle))
        if rng.random() < 0.5:
            cv2.ellipse(canvas, box, colour, -1, cv2.LINE_8)
        else:
            cv2.fillPoly(canvas, [np.rint(cv2.boxPoints(box)).astype(np.int32)], colour)
    slope = rng.normal(0, 0.25, 2)
    y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j].astype(np.float32)
    canvas *= (np.float32(1 / 255) * (1 + np.float32(slope[0]) * y + np.float32(slope[1]) * x))[..., None]
    canvas += rng.normal(0, 0.015, canvas.shape).astype(np.float32)
    return np.asarray(np.clip(cv2.GaussianBlur(canvas, (0, 0), 0.7), 0, 1), np.float32)
