"""What one frame carries from stage to stage of `Classical`."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.matting.classical.consensus import signed_distance
from vimatte.engine.shot import Picture
from vimatte.engine.tracks import TrackSet

__all__ = ["WorkFrame", "shrink_factor", "work_frame"]

_WORK_LONG_SIDE = 1100
"""Pictures are solved at a whole fraction of their size that is no longer than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFrame:
    """A frame as read, and at the size it is solved at."""

    number: int
    full: NDArray[np.float16] | None
    """(H, W, 3) for pictures larger than the working size (half floats: several are held), else None."""
    size: tuple[int, int]
    """(H, W) of the shot."""
    picture: Picture
    """(h, w, 3) at working size."""
    distances: NDArray[np.float32]
    """(n, h, w) signed distances of the masks at working size."""
    present: NDArray[np.bool_]
    """(n,) who has a mask on this frame."""


def shrink_factor(height: int, width: int) -> int:
    """Whole number by which both sides are divided for the working size."""
    return max(1, -(-max(height, width) // _WORK_LONG_SIDE))


def work_frame(number: int, picture: Picture, tracks: TrackSet) -> WorkFrame:
    """Bring one picture and everybody's mask to working size."""
    height, width = picture.shape[:2]
    factor = shrink_factor(height, width)
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    picture = np.clip(np.nan_to_num(picture), 0.0, 1.0)
    small = picture if factor == 1 else np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
    distances = np.empty((len(tracks.ids), size[1], size[0]), np.float32)
    present = np.zeros(len(tracks.ids), bool)
    for row, one in enumerate(tracks.ids):
        rle = tracks.masks.get(one, {}).get(number)
        mask = np.zeros((height, width), np.uint8) if rle is None else rle.decode().astype(np.uint8)
        if factor > 1:
            mask = cv2.resize(mask * 255, size, interpolation=cv2.INTER_AREA) > 127
        present[row] = mask.any()
        distances[row] = signed_distance(mask.astype(bool))
    return WorkFrame(
        number=number,
        full=picture.astype(np.float16) if factor > 1 else None,
        size=(height, width),
        picture=small,
        distances=distances,
        present=present,
    )
