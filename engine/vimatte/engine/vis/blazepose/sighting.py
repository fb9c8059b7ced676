"""What the finder saw on one frame, and everything it saw of one person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.masks import BoolMask, Rle

__all__ = ["Carry", "Sighting", "Tracklet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Somebody on one frame."""

    at: int
    """Place of the frame in the shot's list of frames."""
    index: int
    """Place among the sightings of that frame, for the caller to find it again."""
    mask: Rle
    """At the small size that `Carry` works in."""
    quality: float
    """0 to 1."""
    x: float
    """Hip centre in pixels of the small size."""
    y: float
    reach: float
    """Radius of the body's circle, same pixels."""
    colour: NDArray[np.float32]
    """Colour histogram whose squares sum to 1 (square roots of shares)."""


@dataclass(frozen=True, slots=True)
class Tracklet:
    """Sightings that are one person, by frame."""

    sightings: tuple[Sighting, ...]

    @property
    def first(self) -> Sighting:
        """Its beginning."""
        return self.sightings[0]

    @property
    def last(self) -> Sighting:
        """Its end."""
        return self.sightings[-1]


class Carry(Protocol):
    """Moves a mask along the picture's motion."""

    def __call__(self, mask: BoolMask, start: int, end: int) -> BoolMask:
        """The mask of the frame at place `start` as it would lie on the frame at place `end`, either way in time."""
        ...
