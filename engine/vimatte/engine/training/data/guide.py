"""Guidance for training: true alphas made into the kind of masks that trackers and hurried artists give."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vimatte.engine.training import guidance as break_by

__all__ = ["broken_masks", "coarse"]

Floats = NDArray[np.float32]
Clip = NDArray[np.bool_]
"""(t, n, h, w)."""

_CHANGES: tuple[tuple[float, float, Callable[..., Clip]], ...] = (
    (0.35, 0.5, break_by.each_frame(break_by.erode_or_dilate)),
    (0.30, 0.3, break_by.each_frame(break_by.shift)),
    (0.12, 0.5, break_by.each_frame(break_by.polygons)),
    (0.12, 0.15, break_by.each_frame(break_by.erase)),
    (0.08, 0.10, break_by.each_frame(break_by.paste)),
    (0.15, 0.5, break_by.lag),
    (0.10, 0.4, break_by.temporal_guidance),
    (0.06, 0.3, break_by.merge),
    (0.08, 0.3, break_by.drop_out),
    (0.03, 0.3, break_by.swap),
)
"""Odds, most strength and change, in the order made. Kinds: MSG-VIM, section 4.2, and our trackers; odds ours."""
_COARSE = 0.40


def broken_masks(alphas: Floats, rng: Generator, *, strength: float) -> Clip:
    """Give bool masks of (t, n, h, w) visible alphas: above a half, then broken in ways drawn anew for every clip.

    `strength` scales the odds and the amounts; 0 gives the true masks.
    """
    masks = np.asarray(alphas > 0.5)
    if strength == 0:
        return masks
    if rng.random() < _COARSE * strength:
        masks = coarse(alphas, rng, strength=strength)
    for odds, most, change in _CHANGES:
        asked, amount = rng.random() < odds * strength, float(most * strength * rng.uniform(0.2, 1))
        if asked:
            masks = change(masks, rng, strength=amount)
    return masks


def coarse(alphas: Floats, rng: Generator, *, strength: float) -> Clip:
    """Make masks as a small network does: shrunk, blotched by smooth noise, cut at a threshold that is off.

    The shorter side becomes 110 pixels, or as few as 24 at strength 1; noise of up to 0.3 and a threshold between 0.3
    and 0.65 likewise; each person of a clip has their own threshold, each frame its own noise.
    """
    frames, people, height, width = alphas.shape
    side = min(110.0, 110 * (24 / 110) ** (strength * rng.random()))
    scale = min(1.0, side / min(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    amount = 0.3 * strength * rng.random()
    out = np.empty(alphas.shape, np.bool_)
    for n in range(people):
        threshold = 0.5 + strength * rng.uniform(-0.2, 0.15)
        for t in range(frames):
            small = cv2.resize(alphas[t, n], size, interpolation=cv2.INTER_AREA)
            blots = cv2.GaussianBlur(rng.standard_normal(small.shape, np.float32), (0, 0), 2.0)
            # Blots belong where the network is unsure, not in the middle of a wall: alphas of 0 stay 0.
            near = cv2.GaussianBlur(small, (0, 0), 1.5)
            small = small + np.float32(amount) * blots * (near > 0.02) / max(float(blots.std()), 1e-6)
            out[t, n] = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR) > threshold
    return out
