"""What turns tracked masks into soft alphas: the protocol every matting model keeps."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Protocol

from vimatte.engine.matte import MatteFrame
from vimatte.engine.shot import Shot
from vimatte.engine.tracks import TrackSet

__all__ = ["MattingModel"]


class MattingModel(Protocol):
    """A matting model. Constructors take `device` (a torch device string), raise BackendError when weights are missing.

    The contract that makes resume and farm chunks exact: a frame's mattes depend on the shot and the tracks alone,
    never on which other frames were asked for. A model that needs neighbours reads them from `shot` itself (warm-up),
    within `shot.frames`.
    """

    name: str

    reach: int
    """How many frames of `shot.frames` on each side a frame's mattes depend on; 0: none but its own.

    What `--resume` goes by after tracks were corrected: a frame is made anew when a mask within reach of it has
    changed, so a number too small leaves stale mattes. A model that depends on every frame says `sys.maxsize`.
    """

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Everything that changes a pixel: versions, weight hashes, parameters. Goes into the file's header."""
        ...

    def mattes(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[MatteFrame]:
        """Yield the mattes of `frames` (ascending), one row for every id of `tracks.ids`, zeros where absent.

        Rows sum to at most 1 at every pixel. Memory must not grow with the number of frames.
        """
        ...
