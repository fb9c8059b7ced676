"""Which frames a result and its truth share, and what is said about the others."""

from __future__ import annotations

from vimatte.engine.errors import ConfigError
from vimatte.engine.metrics.truth_files import TruthFolder
from vimatte.ocio.frame_range import FrameRange

__all__ = ["common_frames", "frame_notes"]


def common_frames(frames: FrameRange, truth: TruthFolder) -> FrameRange:
    """Give the frames both have. Raises ConfigError when there is none."""
    common = FrameRange.of(set(frames) & set(truth.frames))
    if not common:
        raise ConfigError(
            f"There is no common frame: the truth {truth.folder} is on {truth.frames}, what is held against it on "
            f"{frames}; number both alike."
        )
    return common


def frame_notes(frames: FrameRange, truth: TruthFolder) -> tuple[str, ...]:
    """One sentence for the frames that the result lacks, one for those without truth."""
    lacking, extra = truth.frames.missing_from(frames), frames.missing_from(truth.frames)
    return (
        *([f"The result lacks frames {lacking}, of which there is truth: they are not scored."] if lacking else []),
        *([f"There is no truth of frames {extra}: they are not scored."] if extra else []),
    )
