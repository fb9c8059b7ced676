"""Working copies of a shot's pictures: small, 8 bit, bounded in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import cv2
import numpy as np

from vimatte.engine.shot import Picture, Shot
from vimatte.engine.vis.flow import WorkingImage, working_size

__all__ = ["WorkingFrames", "working_copy"]


def working_copy(picture: Picture, width: int, height: int) -> WorkingImage:
    """Shrink a float picture to 8-bit codes of (height, width, 3)."""
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(np.rint(small * 255.0), 0, 255), np.uint8)


class WorkingFrames:
    """Working copies by frame number, each read once; beyond the bound the least recently used are read again.

    At 960x540 a copy is 1.5 MB; 512 MB hold 345 of them. Full-size pictures are never kept.
    """

    def __init__(self, shot: Shot, *, long_side: int = 960, bound: int = 512 << 20, chunk: int = 48) -> None:
        self._shot = shot
        self.width, self.height = working_size(shot.info.width, shot.info.height, long_side=long_side)
        self._room = max(2 * chunk, bound // (self.width * self.height * 3))
        self._chunk = chunk
        self._copies: OrderedDict[int, WorkingImage] = OrderedDict()

    def get(self, number: int, *, ahead: Sequence[int] = ()) -> WorkingImage:
        """The copy of one frame; when it must be read, the frames of `ahead` are read in the same go, in order."""
        if number not in self._copies:
            wanted = sorted({number, *list(ahead)[: self._chunk]} - set(self._copies))
            for at, picture in self._shot.pictures(wanted):
                self._copies[at] = working_copy(picture, self.width, self.height)
            while len(self._copies) > self._room:
                self._copies.popitem(last=False)
        self._copies.move_to_end(number)
        return self._copies[number]
