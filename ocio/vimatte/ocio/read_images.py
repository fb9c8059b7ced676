"""Image sequences and stills as clips."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

from vimatte.ocio.clip import ClipInfo, ClipKind
from vimatte.ocio.errors import MediaError
from vimatte.ocio.frame import Frame
from vimatte.ocio.frame_range import FrameRange
from vimatte.ocio.image_file import ImageHeader, read_header, read_image
from vimatte.ocio.prefetch import prefetched
from vimatte.ocio.timecode import Timecode

__all__ = ["ImageClip"]

_TRIES = 5
"""Leading frames whose header is tried before a sequence is given up as unreadable."""


class ImageClip:
    """Numbered pictures, or one picture, read as a clip. Safe to read from several threads."""

    def __init__(
        self, files: Mapping[int, Path], *, path: Path, kind: ClipKind = "sequence", space: str, threads: int
    ) -> None:
        """Open the frames `files` maps numbers to; `path` is the pattern or file that names them in messages."""
        if not files:
            raise MediaError(f"'{path}' has no frames.")
        self._files = dict(sorted(files.items()))
        self._space = space
        self._threads = max(1, threads)
        self._closed = False
        first, header = self._first_header()
        frames = FrameRange.of(self._files)
        rate = header.fps or Fraction(24)
        code = header.timecode.advance(frames.first - first, rate) if header.timecode else None
        self._info = ClipInfo(
            path=path,
            kind=kind,
            width=header.width,
            height=header.height,
            frames=frames,
            missing=frames.gaps(),
            fps=rate,
            pixel_aspect=header.pixel_aspect,
            timecode=code,
            alpha_state=header.alpha_state,
            codec=header.codec,
            tags=header.tags,
            metadata=header.metadata,
            warnings=(*header.warnings, *self._gap_warning(frames)),
        )

    @property
    def info(self) -> ClipInfo:
        """What was found when it was opened."""
        return self._info

    def read(self, number: int) -> Frame:
        """Read one frame. Raises MediaError when it is missing, damaged or of another size."""
        if self._closed:
            raise MediaError(f"'{self._info.path}' has been closed; open it again to read frame {number}.")
        info = self._info
        file = self._files.get(number)
        if file is None:
            raise MediaError(
                f"Frame {number} of '{info.path}' is missing; there are {info.frames}. "
                "Render it, or name the frames to do with --frames."
            )
        picture = read_image(file)
        header = picture.header
        if (header.width, header.height) != (info.width, info.height):
            raise MediaError(
                f"Frame {number} of '{info.path}' is {header.width}x{header.height}, "
                f"but the sequence is {info.width}x{info.height}."
            )
        code = header.timecode or self._counted_timecode(number)
        return Frame(
            number=number,
            rgb=picture.rgb,
            alpha=picture.alpha,
            alpha_state=header.alpha_state,
            space=self._space,
            timecode=code,
            metadata=header.metadata,
        )

    def frames(self, numbers: Iterable[int]) -> Generator[Frame]:
        """Read these frames in the order given, ahead on threads."""
        return prefetched(numbers, self.read, threads=self._threads, ahead=self._threads)

    def close(self) -> None:
        """Refuse further reads; files are open only while they are read."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _first_header(self) -> tuple[int, ImageHeader]:
        """Header of the first frame that has a readable one, and that frame's number."""
        broken: MediaError | None = None
        for number in list(self._files)[:_TRIES]:
            try:
                return number, read_header(self._files[number])
            except MediaError as error:
                broken = broken or error
        assert broken is not None
        raise broken

    def _counted_timecode(self, number: int) -> Timecode | None:
        start = self._info.timecode
        return start.advance(number - self._info.frames.first, self._info.fps) if start else None

    @staticmethod
    def _gap_warning(frames: FrameRange) -> tuple[str, ...]:
        gaps = frames.gaps()
        return (f"The sequence lacks frames {gaps}.",) if gaps.numbers else ()
