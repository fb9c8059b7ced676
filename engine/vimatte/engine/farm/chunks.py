"""Frames cut into the pieces that farm tasks make."""

from __future__ import annotations

from vimatte.engine.errors import ConfigError
from vimatte.ocio.frame_range import FrameRange

__all__ = ["chunks_of", "openjd_range"]


def chunks_of(frames: FrameRange, size: int) -> tuple[FrameRange, ...]:
    """Cut `frames` into runs of `size` frames, the last may be shorter. Raises ConfigError for a size below 1."""
    if size < 1:
        raise ConfigError(f"--chunk is a number of frames, 1 or more, found {size}.")
    return tuple(FrameRange(frames.numbers[at : at + size]) for at in range(0, len(frames), size))


def openjd_range(frames: FrameRange) -> str:
    """Write frames as Open Job Description does: ``1001-1040:2`` where artists type ``1001-1040x2``."""
    return str(frames).replace("x", ":")
