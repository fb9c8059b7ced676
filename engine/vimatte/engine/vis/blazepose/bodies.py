"""Where a body stands in a picture, and the upright square the landmark network looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Body", "square_to_picture"]

_ROOM = 1.25
"""The square's side over the body's circle, as the network was trained (MediaPipe pose_landmark graph)."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body as a circle with an upright: the hip centre, and a point straight 'above' on the circle around it."""

    x: float
    """Hip centre, pixels, x to the right; pixel centres lie at halves."""
    y: float
    """Hip centre, pixels, y down."""
    top_x: float
    """The point that spans the whole body: its distance from the hip is half the body's square."""
    top_y: float

    @property
    def reach(self) -> float:
        """Radius of the body's circle, pixels."""
        return float(np.hypot(self.top_x - self.x, self.top_y - self.y))

    @property
    def side(self) -> float:
        """Side of the square the landmark network looks at, pixels."""
        return 2.0 * self.reach * _ROOM

    def moved(self, dx: float, dy: float) -> Body:
        """The same body elsewhere."""
        return Body(self.x + dx, self.y + dy, self.top_x + dx, self.top_y + dy)

    def blend(self, other: Body, share: float) -> Body:
        """Between two bodies: 0 gives this one, 1 the other; beyond that, extrapolated."""
        mine, theirs = np.array(self.numbers), np.array(other.numbers)
        x, y, top_x, top_y = (mine + share * (theirs - mine)).tolist()
        return Body(x, y, top_x, top_y)

    @property
    def numbers(self) -> tuple[float, float, float, float]:
        """x, y, top_x, top_y."""
        return self.x, self.y, self.top_x, self.top_y


def square_to_picture(body: Body, size: int) -> NDArray[np.float64]:
    """Affine map (2, 3) from continuous coordinates of the upright (size, size) square to those of the picture."""
    scale = body.side / size
    up = np.array([body.top_x - body.x, body.top_y - body.y]) / max(body.reach, 1e-6)
    right = np.array([-up[1], up[0]])
    matrix = np.stack([right * scale, -up * scale], axis=1)
    origin = np.array([body.x, body.y]) - matrix @ np.array([size / 2, size / 2])
    return np.concatenate([matrix, origin[:, None]], axis=1)
