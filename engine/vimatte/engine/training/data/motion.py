"""Smooth ways of people and cameras: affine maps a frame, through keys drawn at random."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

__all__ = ["Way", "camera_move", "person_move", "smooth"]

Values = NDArray[np.float64]
Maps = NDArray[np.float64]
"""(t, 3, 3): places (x, y, 1) to places, in pixels."""

_APART = 6
"""Frames between two keys."""


class Way:
    """A shift in pixels, a zoom and a turn about a pivot, for each frame."""

    def __init__(self, shift: Values, *, zoom: Values, turn: Values, squash: float = 1.0) -> None:
        """`shift` (t, 2) right and down; `zoom` (t,) as a factor; `turn` (t,) in radians; `squash` of the width."""
        self._shift, self._zoom, self._turn, self._squash = shift, zoom, turn, squash

    def maps(self, pivot: tuple[float, float], *, share: float = 1.0) -> Maps:
        """Give the maps about `pivot`; `share` takes only so much of the way, as what is far off does."""
        turn, zoom = share * self._turn, self._zoom**share
        cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
        out = np.zeros((len(zoom), 3, 3))
        out[:, 0, 0], out[:, 0, 1] = cos * self._squash, -sin
        out[:, 1, 0], out[:, 1, 1] = sin * self._squash, cos
        out[:, 2, 2] = 1
        centre = np.array(pivot)
        out[:, :2, 2] = centre + share * self._shift - np.einsum("tij,j->ti", out[:, :2, :2], centre)
        return out


def smooth(rng: Generator, *, frames: int, columns: int) -> Values:
    """Draw (t, columns) curves through normal keys six frames apart, starting anywhere on the way."""
    keys = rng.standard_normal((2 + -(-frames // _APART), columns))
    start = rng.random()
    times = np.arange(len(keys)) - start
    return np.asarray(CubicSpline(times, keys, axis=0, bc_type="natural")(np.arange(frames) / _APART))


def person_move(rng: Generator, *, frames: int, size: int, strength: float) -> Way:
    """Let somebody drift: at strength 1 keys lie 5 % of `size` apart sideways, 2 % up and down, 5 % in size, 3 degrees.

    The first three are standard deviations. Strength 0 stands still.
    """
    curves = smooth(rng, frames=frames, columns=4) * strength
    squash = 1 + 0.06 * strength * rng.uniform(-1, 1)
    shift = curves[:, :2] * (0.05 * size, 0.02 * size)
    return Way(shift, zoom=np.exp(0.05 * curves[:, 2]), turn=np.radians(3) * curves[:, 3], squash=squash)


def camera_move(rng: Generator, *, frames: int, size: int, strength: float) -> Way:
    """Hold a camera still, on sticks or in the hand, each a third; strength 1 pans by up to 1.5 % of `size` a frame."""
    kind = int(rng.integers(3))
    pan, dolly = rng.uniform(-1, 1, 2) * (0.015, 0.008) * size * strength, 0.01 * strength * rng.uniform(-1, 1)
    shake = smooth(rng, frames=frames, columns=4) * strength
    time = np.arange(frames) - (frames - 1) / 2
    if kind == 0:
        return Way(np.zeros((frames, 2)), zoom=np.ones(frames), turn=np.zeros(frames))
    if kind == 1:
        return Way(time[:, None] * pan, zoom=np.exp(dolly * time), turn=np.zeros(frames))
    return Way(
        shake[:, :2] * 0.008 * size + time[:, None] * pan / 3,
        zoom=np.exp(0.01 * shake[:, 2]),
        turn=np.radians(0.6) * shake[:, 3],
    )
