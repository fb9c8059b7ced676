"""What is certain and what is open around each person's hard mask: the trimap of every person at once."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.masks import BoolMask

__all__ = ["Trimap", "disc", "trimap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trimap:
    """Certain and open pixels of n people on one picture."""

    core: BoolMask
    """(n, h, w): this person and nobody else."""
    reach: BoolMask
    """(n, h, w): where this person may be at all; includes the core."""
    open: BoolMask
    """(h, w): pixels whose mixture has to be found."""


def disc(radius: int) -> NDArray[np.uint8]:
    """Return the round structuring element of a radius in pixels, (2 radius + 1) square."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def trimap(masks: BoolMask, *, inside: int, outside: int) -> Trimap:
    """Open a band of `inside` pixels within and `outside` pixels beyond the edge of each (n, h, w) mask.

    A core belongs to one person: pixels that a neighbour may reach are open, so that two people who touch are told
    apart by the picture.
    """
    bytes_ = np.ascontiguousarray(masks, np.uint8)
    reach = np.stack([cv2.dilate(m, disc(outside)) for m in bytes_]).astype(bool)
    eroded = np.stack([cv2.erode(m, disc(inside)) for m in bytes_]).astype(bool)
    core = eroded & (reach.sum(axis=0) == 1)
    return Trimap(core=core, reach=reach, open=reach.any(axis=0) & ~core.any(axis=0))
