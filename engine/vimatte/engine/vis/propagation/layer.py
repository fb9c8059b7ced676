"""One person as a layer: their shape with the hidden parts, and what it looks like, moved by their own motion."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.vis.appearance import Lab, Looks, colour_gap
from vimatte.engine.vis.flow import Field, warp
from vimatte.engine.vis.propagation.soft import Probability

__all__ = ["Layer", "Moved", "Window"]

Window = tuple[slice, slice]


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """A layer as its own motion predicts it on the next picture, within a window."""

    shape: Probability
    """(h, w): the whole person, seen or hidden."""
    seen: Probability
    """(h, w): the part that was seen."""
    texture: Lab
    """(h, w, 3): what it looked like."""
    mismatch: NDArray[np.float32]
    """(h, w): squared colour distance to the picture, over 5x5."""
    stride: Field
    """(h, w, 2): the motion of the body around each pixel, now -> before."""


@dataclass(slots=True, eq=False)
class Layer:
    """What a sweep remembers of one person."""

    seen: Probability
    """(h, w): probability of being seen there."""
    shape: Probability
    """(h, w): `seen` and what is remembered of the parts that somebody hides."""
    texture: Lab
    """(h, w, 3): the colours of `shape`, those last seen where it is hidden."""
    looks: Looks | None = None
    """How the person looked where the mask was known."""
    area: float = 0.0
    """Pixels of the mask where it was known."""
    trust: float = 1.0
    """0 to 1; 1 where the mask is known."""
    speed: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))
    """Pixels a frame, before -> now."""

    def window(self, pad: int = 24) -> Window | None:
        """Where the shape may be next, with a margin; None when there is none."""
        solid = self.shape > 0.05
        rows, cols = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
        if rows.size == 0:
            return None
        height, width = solid.shape
        pad += int(np.abs(self.speed).max())
        top, bottom = max(0, int(rows[0]) - pad), min(height, int(rows[-1]) + 1 + pad)
        left, right = max(0, int(cols[0]) - pad), min(width, int(cols[-1]) + 1 + pad)
        return slice(top, bottom), slice(left, right)

    def move(self, *, window: Window, back: Field, weight: Probability, lab: Lab) -> Moved:
        """Predict the next picture within a window; hidden parts follow the parts that are seen.

        `back` (h, w, 2; now -> before) is trusted by `weight` (h, w; how surely a pixel came from this person), `lab`
        is the next picture; all three are of the window. The less of the person is seen, the more counts the speed of
        before.
        """
        amount = float(weight.sum())
        share = 0.0
        if amount > 30:
            inner = cv2.erode(weight, np.ones((3, 3), np.uint8))
            sure = inner > 0.5 if np.count_nonzero(inner > 0.5) > 30 else weight > 0.3 * float(weight.max())
            shift = -np.median(back[sure], axis=0)
            part = 1.2 * amount / max(1.0, float(self.shape[window].sum())) - 0.1
            share = float(np.clip(part, 0.0, 1.0)) ** 2
            self.speed = (share * shift + (1 - share) * self.speed).astype(np.float32)
        else:
            self.speed = (0.97 * self.speed).astype(np.float32)
        own = np.broadcast_to(-self.speed, back.shape)
        weighted = back * weight[..., None]
        strides = []
        for sigma, base in ((16.0, 0.02 + 0.3 * (1 - share)), (3.0, 0.1 + 0.2 * (1 - share))):
            mass = _wide_blur(weight, sigma)[..., None]
            own = ((_wide_blur(weighted, sigma) + base * own) / (mass + base)).astype(np.float32)
            strides.append(own)
        texture = warp(self.texture, own, window=window, border=None)
        return Moved(
            shape=warp(self.shape, own, window=window),
            seen=warp(self.seen, own, window=window),
            texture=texture,
            mismatch=cv2.blur(colour_gap(texture, lab), (5, 5)),
            stride=strides[0],
        )

    def anchor(self, seen: Probability, *, lab: Lab, others: Probability | None) -> None:
        """Take a known mask (h, w); what is remembered stays only where other known people, `others`, may hide it."""
        hidden = np.where(others > 0.5, self.shape, 0.0) if others is not None and seen.any() else 0.0
        covered = seen < 0.5
        self.texture = np.where(covered[..., None], self.texture, lab)
        self.seen, self.shape, self.trust = seen, np.maximum(seen, hidden).astype(np.float32), 1.0

    def come_back(self, seen: Probability, *, lab: Lab) -> None:
        """Be seen again (h, w) after having been lost; nothing is known of hidden parts and speed."""
        self.seen, self.shape, self.texture = seen, seen, lab.copy()
        self.speed = np.zeros(2, np.float32)

    def settle(self, *, window: Window, seen: Probability, others: Probability, moved: Moved, lab: Lab) -> None:
        """Take in what was decided in the window: `seen` of this person, `others` the likeliest of all other people."""
        shape = np.maximum(seen, np.where(others > 0.5, 0.985 * moved.shape, 0.0)).astype(np.float32)
        texture = np.where((seen < 0.5)[..., None], moved.texture, lab[window])
        self.seen, self.shape, self.texture = np.zeros_like(self.seen), np.zeros_like(self.shape), lab.copy()
        self.seen[window], self.shape[window], self.texture[window] = seen, shape, texture


def _wide_blur(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    if sigma < 8:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma))
    height, width = values.shape[:2]
    small = cv2.resize(values, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / 4)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))
