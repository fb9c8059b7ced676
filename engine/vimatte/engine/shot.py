"""A clip with its colour decided: what trackers and matting models look at."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vimatte.ocio.clip import ClipInfo
from vimatte.ocio.frame import Frame
from vimatte.ocio.frame_range import FrameRange

__all__ = ["Picture", "Shot"]

Picture = NDArray[np.float32]
"""(h, w, 3), float32, display-referred sRGB in [0, 1]: what networks learned on."""


class Shot(Protocol):
    """Random and sequential access to one shot's pictures. Pictures come at the plate's full size."""

    @property
    def info(self) -> ClipInfo:
        """What the clip is."""
        ...

    @property
    def frames(self) -> FrameRange:
        """The frames the job asked for, all of them readable."""
        ...

    def plate(self, number: int) -> Frame:
        """Read the untouched plate of one frame. Raises MediaError."""
        ...

    def picture(self, number: int) -> Picture:
        """Read the display-referred picture of one frame. Raises MediaError."""
        ...

    def plates(self, numbers: Iterable[int]) -> Generator[Frame]:
        """Plates in this order, decoded ahead on threads; close to stop."""
        ...

    def pictures(self, numbers: Iterable[int]) -> Generator[tuple[int, Picture]]:
        """(number, picture) in this order, decoded and transformed ahead on threads; close to stop."""
        ...
