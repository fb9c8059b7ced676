"""What a clip is, before and while its frames are read."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from vimatte.ocio.frame import AlphaState, Frame
from vimatte.ocio.frame_range import FrameRange
from vimatte.ocio.timecode import Timecode

__all__ = ["Clip", "ClipInfo", "ClipKind", "ColourTags"]

ClipKind = Literal["movie", "sequence", "still"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourTags:
    """What the file itself says about its colours; nothing guessed here but what `guessed` names."""

    interop_id: str | None = None
    """EXR colorInteropID, e.g. 'lin_ap1_scene'."""
    chromaticities: tuple[float, ...] | None = None
    """EXR chromaticities: red x, y, green x, y, blue x, y, white x, y."""
    primaries: int | None = None
    """ITU-T H.273 colour_primaries of a stream (1 = BT.709, 9 = BT.2020); None when it does not say."""
    transfer: int | None = None
    """ITU-T H.273 transfer_characteristics (1 = BT.709, 16 = PQ, 18 = HLG); None when it does not say."""
    matrix: int | None = None
    """ITU-T H.273 matrix_coefficients used to decode; None for RGB files."""
    full_range: bool | None = None
    """Whether YUV codes span the full range; None for RGB files."""
    float_pixels: bool = False
    """True for half and float files."""
    bits: int = 8
    """Bits a channel in the file."""
    guessed: tuple[str, ...] = ()
    """Which of the fields above were guessed because the file does not say ('matrix', 'range')."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipInfo:
    """Everything known of a clip without decoding all of it."""

    path: Path
    """The file, or the sequence's pattern."""
    kind: ClipKind
    width: int
    """Display window width in pixels, after rotation."""
    height: int
    """Display window height in pixels, after rotation."""
    frames: FrameRange
    """Frame numbers that can be read."""
    missing: FrameRange
    """Frame numbers between first and last that the sequence lacks."""
    fps: Fraction
    """Frames a second; 24 where nothing says."""
    pixel_aspect: float = 1.0
    timecode: Timecode | None = None
    """Timecode of the first frame."""
    alpha_state: AlphaState = "none"
    codec: str = ""
    """What wrote it, for people: 'prores 422', 'openexr half zip'."""
    tags: ColourTags = field(default_factory=ColourTags)
    metadata: Mapping[str, object] = field(default_factory=dict)
    """The first frame's own header values, to be carried over."""
    warnings: tuple[str, ...] = ()
    """One sentence each: guessed matrix, variable frame rate, rotation, data window unlike the display window…"""


class Clip(Protocol):
    """An opened clip. Whoever opens closes, in `with`."""

    @property
    def info(self) -> ClipInfo:
        """What was found when it was opened."""
        ...

    def read(self, number: int) -> Frame:
        """Decode one frame. Raises MediaError when it is missing or broken."""
        ...

    def frames(self, numbers: Iterable[int]) -> Generator[Frame]:
        """Decode these frames in the order given, decoding ahead on threads; close the generator to stop."""
        ...

    def close(self) -> None:
        """Let go of files and threads."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
