"""One person as a layer: their shape with the hidden parts, and what it looks like, moved by their own motion."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.vis.appearance import Lab, Looks
from vimatte.engine.vis.flow import Field
from vimatte.engine.vis.propagation.soft import Probability

__all__ = ["Layer", "Moved", "Window"]

Window = tuple[slice, slice]


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """A layer as its own motion predicts it on the next picture, within a window."""

    window: Window
    shape: Probability
    """(h, w) of the window: the whole person, seen or hidden."""
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
    area: float = 0.0
    """Pixels of the mask where it was known."""
    speed: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))
    """Pixels a frame, before -> now."""

    def window(self, pad: int) -> Window | None:
        """Where the shape is, with a margin; None when there is none."""
        solid = self.shape > 0.05
        rows, cols = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
        if rows.size == 0:
            return None
        pad += int(np.abs(self.speed).max())
        return (
            slice(max(0, int(rows[0]) - pad), int(rows[-1]) + 1 + pad),
            slice(max(0, int(cols[0]) - pad), int(cols[-1]) + 1 + pad),
        )

    def move(self, back: Field, agree: Probability, moved: Probability, lab: Lab) -> Moved | None:
        """Predict the next picture `lab`: hidden parts follow the parts that are seen.

        `back` (now -> before) is trusted by `agree` on the pixels that came from this person, `moved`.
        """
        window = self.window(24)
        if window is None:
            return None
        weight = (moved * agree)[window]
        inner = cv2.erode(weight, np.ones((3, 3), np.uint8))
        flow = back[window]
        amount = float(weight.sum())
        share = 0.0
        if amount > 30:
            sure = inner > 0.5 if (inner > 0.5).sum() > 30 else weight > 0.3 * float(weight.max())
            shift = -np.median(flow[sure], axis=0)
            share = float(np.clip(amount / max(1.0, float(self.shape[window].sum())) * 1.2 - 0.1, 0.0, 1.0)) ** 2
            self.speed = (share * shift + (1 - share) * self.speed).astype(np.float32)
        else:
            self.speed = (0.97 * self.speed).astype(np.float32)
        own = stride = np.broadcast_to(-self.speed, flow.shape)
        for sigma, base in ((16.0, 0.02 + 0.3 * (1 - share)), (3.0, 0.1 + 0.2 * (1 - share))):
            mass = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]
            mean = cv2.GaussianBlur(flow * weight[..., None], (0, 0), sigma)
            own = (mean + base * own) / (mass + base)
            stride = own if sigma > 10 else stride
        height, width = flow.shape[:2]
        grid_y, grid_x = np.mgrid[0:height, 0:width].astype(np.float32)
        at = (grid_x + own[..., 0].astype(np.float32), grid_y + own[..., 1].astype(np.float32))
        shape, seen = (cv2.remap(p[window], *at, cv2.INTER_LINEAR) for p in (self.shape, self.seen))
        texture = cv2.remap(self.texture[window], *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mismatch = cv2.blur(((texture - lab[window]) ** 2).sum(axis=2), (5, 5))
        return Moved(window, shape, seen, texture, mismatch, stride.astype(np.float32))

    def settle(self, seen: Probability, others: Probability, moved: Moved | None, lab: Lab) -> None:
        """Take in what was decided: `seen` of this person, `others` the most likely of all other people."""
        hidden = np.zeros_like(seen)
        texture = lab.copy()
        if moved is not None:
            hidden[moved.window] = moved.shape * 0.985
            keep = seen[moved.window] < 0.5
            texture[moved.window][keep] = moved.texture[keep]
        self.seen = seen
        self.shape = np.maximum(seen, np.where(others > 0.5, hidden, 0.0)).astype(np.float32)
        self.texture = texture
