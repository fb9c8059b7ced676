"""One thing to learn from: a short clip, who is seen in it, and guidance that is wrong in places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sample"]

Floats = NDArray[np.float32]
Masks = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A composited clip of t frames and n people; a pure function of footage, settings, seed and index."""

    pictures: Floats
    """(t, h, w, 3), sRGB-coded, 0 to 1."""
    alphas: Floats
    """(t, n, h, w), 0 to 1: what is seen of each person. Over n they sum to at most 1, exactly."""
    guidance: Masks
    """(t, n, h, w): masks to give to a network."""
    names: tuple[str, ...]
    """Which footage the people are, row by row."""
    front_to_back: tuple[int, ...]
    """Rows in the order in which people stand before each other, where nothing is known of it as they come."""
    protocol: str
    """Of the protocol and its level: 'vim50 partial'."""
    occlusion: float
    """What the level measures, the largest of the frames tried."""
    seed: tuple[int, int]
    """Seed and index; with the same footage and settings they make this sample again."""
    foregrounds: Floats | None = None
    """(t, n, h, w, 3), straight, 0 where the person is not: colours before the camera's noise. Where asked for."""
    background: Floats | None = None
    """(t, h, w, 3): what is behind everybody; with `foregrounds` it composes to the pictures without noise."""
    objects: Masks | None = None
    """(t, m, h, w): masks for object queries, whole people in front or not; of merged clips only (OAVM, eq. 10)."""

    def __post_init__(self) -> None:
        t, n, h, w = self.alphas.shape
        wanted = {
            "pictures": (t, h, w, 3),
            "guidance": (t, n, h, w),
            "foregrounds": (t, n, h, w, 3),
            "background": (t, h, w, 3),
        }
        for field, shape in wanted.items():
            value = getattr(self, field)
            if value is not None and value.shape != shape:
                raise ValueError(f"{field} must be {shape}, found {value.shape}")
        if len(self.names) != n or sorted(self.front_to_back) != list(range(n)):
            raise ValueError(f"{n} people need {n} names and places, found {self.names} and {self.front_to_back}")

    def __repr__(self) -> str:
        t, _, h, w = self.alphas.shape
        return f"Sample({self.protocol}, {t} frames of {w}x{h}, people: {', '.join(self.names)}, seed={self.seed})"
