"""Shots made in memory, for tests of backends and models: pictures and exactly known alphas."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

from vimatte.engine.shot import Picture
from vimatte.ocio.clip import ClipInfo
from vimatte.ocio.errors import MediaError
from vimatte.ocio.frame import Frame
from vimatte.ocio.frame_range import FrameRange

__all__ = ["MemoryShot"]


class MemoryShot:
    """A `Shot` over pictures already in memory; plates and pictures are the same values."""

    def __init__(self, pictures: Sequence[Picture], *, first: int = 1001, fps: Fraction | int = 24) -> None:
        height, width = pictures[0].shape[:2]
        self._pictures = dict(enumerate(pictures, start=first))
        self._info = ClipInfo(
            path=Path("memory"),
            kind="sequence",
            width=width,
            height=height,
            frames=FrameRange.span(first, len(pictures)),
            missing=FrameRange(()),
            fps=Fraction(fps),
        )

    @property
    def info(self) -> ClipInfo:
        """What the clip is."""
        return self._info

    @property
    def frames(self) -> FrameRange:
        """All frames."""
        return self._info.frames

    def plate(self, number: int) -> Frame:
        """The picture as a frame in 'sRGB'."""
        return Frame(number=number, rgb=self.picture(number), space="sRGB")

    def picture(self, number: int) -> Picture:
        """The picture of one frame."""
        try:
            return self._pictures[number]
        except KeyError:
            raise MediaError(f"Frame {number} is not in this shot ({self.frames}).") from None

    def plates(self, numbers: Iterable[int]) -> Generator[Frame]:
        """Frames in this order."""
        return (self.plate(n) for n in numbers)

    def pictures(self, numbers: Iterable[int]) -> Generator[tuple[int, Picture]]:
        """(number, picture) in this order."""
        return ((n, self.picture(n)) for n in numbers)
