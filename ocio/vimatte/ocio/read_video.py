"""Movies through PyAV: every frame found exactly, decoded to R'G'B' float without FFmpeg's own colour conversion."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from av.video.frame import VideoFrame

from vimatte.ocio.clip import ClipInfo, ColourTags
from vimatte.ocio.errors import MediaError
from vimatte.ocio.frame import AlphaState, Frame
from vimatte.ocio.frame_range import FrameRange
from vimatte.ocio.movie_decoder import MovieDecoder, MovieSource, UndecodableFrame
from vimatte.ocio.movie_extent import settle_extent
from vimatte.ocio.packet_index import index_packets, is_steady, measure_rate
from vimatte.ocio.prefetch import prefetched
from vimatte.ocio.timecode import Timecode
from vimatte.ocio.yuv import YuvCoding, frame_to_rgb, has_alpha, is_decodable_matrix, is_yuv

__all__ = ["MovieClip"]

_STRUCTURAL = frozenset(
    {
        "major_brand", "minor_version", "compatible_brands", "handler_name", "vendor_id", "language", "timecode",
        "rotate", "alpha_mode", "duration",
    }
)  # fmt: skip
_CENTRED = frozenset({"mjpeg", "mpeg1video"})
_STUDIO_GREY = frozenset({"h264", "hevc", "libdav1d", "av1", "vp9", "mpeg2video"})
"""Codecs whose grey pictures have studio range unless they say otherwise."""
_INTERLACED = ("TT", "BB", "TB", "BT")
_AHEAD = 2


class MovieClip:
    """A movie whose frames are numbered from `start_frame` in the order they are shown.

    Known limits: chroma is taken to lie where MPEG-2 puts it (left; in the middle for Motion JPEG and MPEG-1), whatever
    the stream says; edit lists are followed only as far as FFmpeg marks packets to be dropped; mirrored display
    matrices are not applied; the end of an MXF or transport stream cut short may be numbered a few frames off.
    """

    def __init__(self, path: Path, *, start_frame: int, space: str, threads: int) -> None:
        """Open a movie and count its frames. Raises MediaError."""
        self._path = path
        self._start = start_frame
        self._space = space
        self._threads = max(1, threads)
        self._lock = threading.Lock()
        self._closed = False
        self._unreadable: set[int] = set()
        source = MovieSource(path, threads=1)
        try:
            index = index_packets(source.container, source.stream)
            extent = settle_extent(path, source, index, start=start_frame, threads=self._threads)
            self._index, self._decoder = extent.index, extent.decoder
            try:
                self._info = self._describe(source, extent.first, extent.notes)
            except BaseException:
                self._decoder.close()
                raise
        finally:
            source.close()

    @property
    def info(self) -> ClipInfo:
        """What was found when it was opened."""
        return self._info

    def read(self, number: int) -> Frame:
        """Decode one frame. Raises MediaError when the movie lacks it or it is damaged."""
        with self._lock:
            self._check_open()
            picture = self._decode(self._decoder, number)
        return self._finish(number, picture)

    def frames(self, numbers: Iterable[int]) -> Generator[Frame]:
        """Decode these frames in the order given; one thread decodes ahead, others convert."""
        self._check_open()
        decoder = MovieDecoder(self._path, self._index, threads=self._threads)
        try:
            decoded = prefetched(
                numbers, lambda number: (number, self._decode(decoder, number)), threads=1, ahead=_AHEAD
            )
            finished = prefetched(
                decoded, lambda pair: self._finish(pair[0], pair[1]), threads=self._threads, ahead=self._threads
            )
            try:
                for frame in finished:
                    self._check_open()
                    yield frame
            finally:
                finished.close()
                decoded.close()
        finally:
            decoder.close()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._decoder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise MediaError(f"'{self._path}' has been closed; open it again to read on.")

    def _decode(self, decoder: MovieDecoder, number: int) -> VideoFrame:
        if number not in range(self._start, self._start + len(self._info.frames)):
            raise MediaError(
                f"'{self._path}' has no frame {number}; it has {self._info.frames}, the first of which is numbered "
                f"{self._start}."
            )
        rank = number - self._start
        if rank not in self._unreadable:
            try:
                return decoder.frame(rank)
            except UndecodableFrame as fault:
                end = fault.following
                if fault.broken and not self._index.intra:
                    end = max(end, self._index.next_key_rank(rank))
                self._unreadable.update(range(rank, min(end, len(self._info.frames))))
        raise self._damaged(number)

    def _damaged(self, number: int) -> MediaError:
        good = FrameRange.of(n for n in self._info.frames if n - self._start not in self._unreadable)
        advice = (
            f"{len(good)} frames are readable as far as is known, type --frames {good}"
            if good.numbers
            else "no frame is"
        )
        return MediaError(f"Frame {number} of '{self._path}' is damaged and cannot be decoded; {advice}.")

    def _describe(self, source: MovieSource, first: VideoFrame, notes: list[str]) -> ClipInfo:
        stream, name = source.stream, first.format.name
        tags = _colour_tags(first, stream.codec_context.name, notes)
        yuv = is_yuv(name)
        self._coding = YuvCoding(
            matrix=tags.matrix if tags.matrix is not None else 1,
            full_range=True if tags.full_range is None else tags.full_range,
            siting="centre" if stream.codec_context.name in _CENTRED else "left",
        )
        self._turns = _quarter_turns(first.rotation, notes)
        self._alpha_state = self._alpha_of(first)
        width, height = (first.height, first.width) if self._turns % 2 else (first.width, first.height)
        self._stored_size = (first.width, first.height)
        aspect = float(stream.sample_aspect_ratio or 1) or 1.0
        base = Fraction(stream.time_base)
        rate = measure_rate(self._index, base, hints=(stream.average_rate, stream.base_rate, stream.guessed_rate))
        if not is_steady(self._index):
            notes.append(
                f"'{self._path.name}' has a variable frame rate (about {float(rate):.3f} a second); its frames are "
                "numbered in the order they are shown."
            )
        if first.interlaced_frame or str(getattr(stream.codec_context, "field_order", "")) in _INTERLACED:
            notes.append(f"'{self._path.name}' is interlaced; its fields are not separated: deinterlace it first.")
        if self._index.counted:
            notes.append(
                f"'{self._path.name}' does not time every frame; they are counted from the start, so jumping is slow."
            )
        components = first.format.components
        codec = stream.codec_context
        return ClipInfo(
            path=self._path,
            kind="movie",
            width=width,
            height=height,
            frames=FrameRange.span(self._start, len(self._index.times)),
            missing=FrameRange(()),
            fps=rate,
            pixel_aspect=1 / aspect if self._turns % 2 else aspect,
            timecode=_timecode(source, notes),
            alpha_state=self._alpha_state,
            codec=" ".join(filter(None, [codec.codec.canonical_name, codec.profile, name])),
            tags=ColourTags(
                primaries=tags.primaries,
                transfer=tags.transfer,
                matrix=tags.matrix if yuv else None,
                full_range=tags.full_range if yuv else None,
                float_pixels="f32" in name or "f16" in name,
                bits=max(part.bits for part in components) if components else 8,
                guessed=tags.guessed,
            ),
            metadata={
                key: value
                for key, value in {**source.container.metadata, **stream.metadata}.items()
                if key.lower() not in _STRUCTURAL
            },
            warnings=tuple(notes),
        )

    def _alpha_of(self, first: VideoFrame) -> AlphaState:
        if not has_alpha(first.format.name):
            return "none"
        if self._path.suffix.lower() == ".gif":  # decoded with alpha always, which nearly never means anything
            _, alpha = frame_to_rgb(first, coding=self._coding)
            return "none" if alpha is None or bool((alpha == 1).all()) else "straight"
        return "straight"

    def _finish(self, number: int, picture: VideoFrame) -> Frame:
        """Turn a decoded frame into pixels, upright."""
        size = (picture.width, picture.height)
        if size != self._stored_size:
            raise MediaError(
                f"Frame {number} of '{self._path}' is {size[0]}x{size[1]}, but the movie begins at "
                f"{self._stored_size[0]}x{self._stored_size[1]}; write it again at one size."
            )
        rgb, alpha = frame_to_rgb(picture, coding=self._coding)
        if self._alpha_state == "none":
            alpha = None
        if self._turns:
            rgb = np.ascontiguousarray(np.rot90(rgb, self._turns))
            alpha = None if alpha is None else np.ascontiguousarray(np.rot90(alpha, self._turns))
        start = self._info.timecode
        return Frame(
            number=number,
            rgb=rgb,
            alpha=alpha,
            alpha_state=self._alpha_state,
            space=self._space,
            timecode=start.advance(number - self._start, self._info.fps) if start else None,
            metadata=self._info.metadata,
        )


def _colour_tags(first: VideoFrame, codec: str, notes: list[str]) -> ColourTags:
    """What the stream says of its colours; what it leaves out is guessed and said."""
    primaries = int(first.color_primaries)
    transfer = int(first.color_trc)
    matrix, spread = int(first.colorspace), int(first.color_range)
    name = first.format.name
    guessed: list[str] = []
    if codec in ("vp8", "libvpx"):
        matrix, spread = 6, max(spread, 1)  # VP8 knows no other (RFC 6386, 9.2)
    if is_yuv(name):
        if not is_decodable_matrix(matrix):
            said = "does not say" if matrix in (0, 2, 3) else f"says {matrix}, which is not supported,"
            matrix = _likely_matrix(primaries, first.width, first.height)
            guessed.append("matrix")
            title = {1: "Rec.709", 6: "Rec.601", 9: "Rec.2020"}[matrix]
            notes.append(
                f"The stream {said} which matrix made its colours; {title} is assumed for {first.width}x{first.height}."
            )
        if spread not in (1, 2):
            spread = 2 if name.startswith("yuvj") else 1
            if spread == 1:
                guessed.append("range")
                notes.append("The stream does not say whether it has studio or full range; studio range is assumed.")
    elif spread not in (1, 2):
        spread = 1 if name.startswith("gray") and codec in _STUDIO_GREY else 2
    return ColourTags(
        primaries=primaries if primaries not in (0, 2) else None,
        transfer=transfer if transfer not in (0, 2) else None,
        matrix=matrix,
        full_range=spread == 2,
        guessed=tuple(guessed),
    )


def _likely_matrix(primaries: int, width: int, height: int) -> int:
    by_primaries = {1: 1, 5: 6, 6: 6, 9: 9}
    if primaries in by_primaries:
        return by_primaries[primaries]
    return 1 if height >= 720 or width >= 1280 else 6


def _quarter_turns(rotation: float, notes: list[str]) -> int:
    """How often to turn the picture a quarter counter-clockwise."""
    turns = round(rotation / 90) % 4
    if abs(rotation - 90 * round(rotation / 90)) > 1:
        notes.append(f"The movie asks to be turned by {rotation:g} degrees, which is not done.")
        return 0
    if turns:
        notes.append(f"The movie asks to be turned by {rotation:g} degrees counter-clockwise; the frames are turned.")
    return turns


def _timecode(source: MovieSource, notes: list[str]) -> Timecode | None:
    places: list[dict[str, Any]] = [source.stream.metadata, source.container.metadata]
    places += [stream.metadata for stream in source.container.streams]
    for place in places:
        text = place.get("timecode")
        if text:
            try:
                return Timecode.parse(text)
            except MediaError as error:
                notes.append(str(error))
    return None
