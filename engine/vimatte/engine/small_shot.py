"""A shot at a smaller size than its plates."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import replace

import cv2
import numpy as np

from vimatte.engine.shot import Picture, Shot
from vimatte.ocio.clip import ClipInfo
from vimatte.ocio.frame import Frame
from vimatte.ocio.frame_range import FrameRange

__all__ = ["SmallShot"]


class SmallShot:
    """The same shot, its plates and pictures shrunk by area averages."""

    def __init__(self, shot: Shot, *, width: int, height: int) -> None:
        self._shot = shot
        self._info = replace(shot.info, width=width, height=height)

    @property
    def info(self) -> ClipInfo:
        """What the clip is, at this size."""
        return self._info

    @property
    def frames(self) -> FrameRange:
        """All frames of the shot."""
        return self._shot.frames

    def plate(self, number: int) -> Frame:
        """The plate of one frame, shrunk. Raises MediaError."""
        plate = self._shot.plate(number)
        return Frame(number=number, rgb=self._small(plate.rgb), space=plate.space)

    def picture(self, number: int) -> Picture:
        """The picture of one frame, shrunk. Raises MediaError."""
        return self._small(self._shot.picture(number))

    def plates(self, numbers: Iterable[int]) -> Generator[Frame]:
        """Plates in this order."""
        return (self.plate(n) for n in numbers)

    def pictures(self, numbers: Iterable[int]) -> Generator[tuple[int, Picture]]:
        """(number, picture) in this order, read ahead as the shot does; close it to end that."""
        with closing(self._shot.pictures(numbers)) as pictures:
            for number, picture in pictures:
                yield number, self._small(picture)

    def _small(self, picture: Picture) -> Picture:
        size = (self._info.width, self._info.height)
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
