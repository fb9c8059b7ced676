"""Random access to a movie's frames by rank: seeks to a keyframe, then decodes until the frame's own time comes out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import av
from av.video.frame import VideoFrame

from vimatte.ocio.errors import MediaError
from vimatte.ocio.packet_index import PacketIndex

__all__ = ["MovieDecoder", "MovieSource", "UndecodableFrame"]

_log = logging.getLogger(__name__)

_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}

_NO_MOVIES = frozenset({"tty", "bin", "xbin", "adf", "idf", "image2", "concat", "lavfi"})
"""Formats in which FFmpeg paints text or pictures as video."""

_NEAR = 8
"""Frames that are decoded through rather than jumped over."""
_INTRA_PICTURES = frozenset({1, 5})
"""FFmpeg's picture types I and SI."""


class UndecodableFrame(Exception):  # noqa: N818 (a signal between decoder and clip, never shown)
    """The decoder does not give a frame."""

    def __init__(self, *, following: int, broken: bool) -> None:
        super().__init__()
        self.following = following
        """Rank of the next frame that it does give."""
        self.broken = broken
        """True when it complained, so that frames built on this one are not to be trusted either."""


class MovieSource:
    """An opened file: its first video stream and the decoder for it."""

    def __init__(self, path: Path, *, threads: int) -> None:
        try:
            self.container: Any = av.open(str(path), metadata_errors="replace")
        except (ValueError, OSError) as error:
            raise MediaError(
                f"'{path}' cannot be opened as a movie ({said(error)}); if it was cut short while being written "
                "or copied, do that again."
            ) from error
        try:
            form = self.container.format.name
            if form in _NO_MOVIES or form.endswith("_pipe"):
                raise MediaError(f"'{path}' is not a movie (FFmpeg takes it for '{form}').")
            if not self.container.streams.video:
                raise MediaError(f"'{path}' holds no pictures.")
            self.stream: Any = self.container.streams.best("video") or self.container.streams.video[0]
            self.decoder: Any = self.stream.codec_context
            if self.decoder is None or not self.decoder.is_decoder:
                raise MediaError(f"'{path}' uses a codec that cannot be decoded here.")
            named = {key.lower(): value for key, value in self.stream.metadata.items()}
            with_alpha = _ALPHA_DECODERS.get(self.decoder.name)
            if with_alpha and named.get("alpha_mode") == "1":
                # FFmpeg's own VP8 and VP9 decoders leave out the alpha that Matroska keeps beside each packet.
                self.decoder = av.CodecContext.create(with_alpha, "r")
            self.decoder.thread_type = "AUTO"
            self.decoder.thread_count = max(1, threads)
        except MediaError:
            self.container.close()
            raise

    def seek(self, time: int) -> None:
        """Go to the keyframe at or before a time in stream ticks."""
        self.container.seek(time, stream=self.stream, backward=True, any_frame=False)
        self.decoder.flush_buffers()

    def packets(self) -> Iterator[Any]:
        """Every packet from here on; a damaged end ends it."""
        try:
            for packet in self.container.demux(self.stream):
                if packet.size:
                    yield packet
        except av.FFmpegError as error:
            _log.debug("reading packets stopped: %s", error)

    def close(self) -> None:
        """Let go of the file."""
        self.container.close()


class MovieDecoder:
    """Decodes frames by rank, going on from where it is when no keyframe lies nearer. One caller at a time."""

    def __init__(self, path: Path, index: PacketIndex, *, threads: int) -> None:
        self._path = path
        self._index = index
        self._threads = threads
        self._source = MovieSource(path, threads=threads)
        self._output: Iterator[tuple[int, VideoFrame]] | None = None
        self._last = -1
        self._held: tuple[int, VideoFrame] | None = None
        self._broken = False
        self._distrusted: set[int] = set()

    def frame(self, rank: int) -> VideoFrame:
        """Decode the frame of this rank. Raises UndecodableFrame."""
        if self._held is not None and self._held[0] == rank:
            return self._held[1]
        if self._output is None or rank <= self._last or self._is_far(rank):
            self._start_for(rank)
        assert self._output is not None
        for found, frame in self._output:
            self._last = found
            if frame.key_frame:
                self._broken = False
            if found < rank:
                continue
            self._held = (found, frame)
            if found > rank or (self._broken and not self._index.intra):
                raise UndecodableFrame(following=max(found, rank + 1), broken=self._broken)
            return frame
        self._output = self._held = None
        raise UndecodableFrame(following=len(self._index.times), broken=True)

    def close(self) -> None:
        """Let go of the file."""
        self._output = self._held = None
        self._source.close()

    def _is_far(self, rank: int) -> bool:
        """Whether a keyframe lies far enough ahead that seeking is quicker than decoding on."""
        key = self._trusted_key(rank)
        near = self._last + _NEAR
        return key >= 0 and near < len(self._index.times) and self._index.keys[key] > self._index.times[near]

    def _trusted_key(self, rank: int) -> int:
        key = self._index.key_before(rank)
        while key in self._distrusted:
            key -= 1
        return key

    def _start_for(self, rank: int) -> None:
        """Begin to decode at the last keyframe from which this frame comes out right."""
        while True:
            key = self._trusted_key(rank)
            self._last, self._held, self._broken = -1, None, False
            self._output = self._outputs(self._packets_from(key))
            if key < 0 or self._proves(key):
                return
            # Some containers (MXF) call any frame a keyframe; refreshed row by row, H.264 has none that is whole.
            self._distrusted.add(key)

    def _proves(self, key: int) -> bool:
        """Decode what was called a keyframe: whether it comes out, and as a picture that needs no other."""
        wanted = self._index.rank(self._index.keys[key])
        assert self._output is not None
        if wanted is None:
            return True
        for found, frame in self._output:
            if found < wanted:
                continue
            self._output = chain([(found, frame)], self._output)
            return found == wanted and (frame.key_frame or int(frame.pict_type) in _INTRA_PICTURES)
        return False

    def _packets_from(self, key: int) -> Iterator[Any]:
        """Packets from a keyframe, or from the movie's start, on."""
        if key < 0:
            self._reopen()
            return self._source.packets()
        time, seek = self._index.keys[key], self._index.key_seeks[key]
        for attempt in range(2):
            try:
                if attempt == 0:
                    self._source.seek(seek)
                else:
                    self._reopen()
            except av.FFmpegError:
                continue
            packets = self._source.packets()
            for packet in packets:
                if packet.is_keyframe and packet.pts == time:
                    return chain([packet], packets)
                if attempt == 0 and packet.dts is not None and packet.dts > seek:
                    break  # the container's own index led past the keyframe: read from the start instead
        return iter(())

    def _reopen(self) -> None:
        self._source.close()
        self._source = MovieSource(self._path, threads=self._threads)

    def _outputs(self, packets: Iterator[Any]) -> Iterator[tuple[int, VideoFrame]]:
        """Decoded frames with their ranks, in the order shown; errors are noted and passed over."""
        decoder = self._source.decoder
        count = 0
        for packet in chain(packets, [None]):
            try:
                frames = decoder.decode(packet)
            except (av.FFmpegError, EOFError) as error:
                if packet is not None:
                    _log.debug("a packet of %s does not decode: %s", self._path, error)
                    self._broken = True
                continue
            for frame in frames:
                if self._index.counted:
                    rank: int | None = count if count < len(self._index.times) else None
                    count += 1
                else:
                    rank = None if frame.pts is None else self._index.rank(frame.pts)
                if frame.is_corrupt:
                    self._broken = True
                elif rank is not None:
                    yield rank, frame


def said(error: BaseException) -> str:
    """What FFmpeg says of an error, without its number and path."""
    text = getattr(error, "strerror", None) or str(error)
    return str(text).strip().rstrip(".") or type(error).__name__
