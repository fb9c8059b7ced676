"""How many frames a movie really has: torn ends and leading frames without their references are left out, and said."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from vimatte.ocio.errors import MediaError
from vimatte.ocio.movie_decoder import MovieDecoder, MovieSource, UndecodableFrame
from vimatte.ocio.packet_index import PacketIndex, measure_rate

__all__ = ["MovieExtent", "settle_extent"]

_TAIL = 600
"""Frames at a torn end that are tried before a movie is given up."""
_REORDER = 16
"""How far apart decoding and presentation order can be (H.264, H.265: at most 16 pictures are kept for reordering)."""


class MovieExtent:
    """The frames that can be read, an open decoder for them, and the first of them."""

    def __init__(self, index: PacketIndex, decoder: MovieDecoder, first: VideoFrame, notes: list[str]) -> None:
        self.index = index
        self.decoder = decoder
        self.first = first
        self.notes = notes


def settle_extent(path: Path, source: MovieSource, index: PacketIndex, *, start: int, threads: int) -> MovieExtent:
    """Leave out of `index` what cannot be decoded at either end. Raises MediaError when nothing is left."""
    said = _promised(source, index)
    total = max(said, len(index.times))
    name = f" (it says {said})" if said else ""
    if not index.times:
        raise MediaError(f"'{path}' has no frames that can be read{name}.")
    torn = index.damaged or len(index.times) < said
    if torn:
        index = _before_hole(index)
    notes: list[str] = []
    decoder = MovieDecoder(path, index, threads=threads)
    try:
        count = _decodable(decoder, len(index.times)) if torn else len(index.times)
        skipped = _orphans(decoder, index)
        first = _first(decoder, range(skipped, count))
    except BaseException:
        decoder.close()
        raise
    if first is None:
        decoder.close()
        raise MediaError(f"No frame of '{path}' can be decoded{name}; write it again, or convert it to ProRes or EXR.")
    if (skipped, count) != (0, len(index.times)):
        index = replace(index, times=index.times[skipped:count])
        decoder.close()
        decoder = MovieDecoder(path, index, threads=threads)
    if skipped:
        notes.append(
            f"The first {skipped} frames of '{path.name}' need pictures cut off before them; they are left out."
        )
    if count < total:
        notes.append(
            f"'{path.name}' is cut short: it says {total} frames, {count} can be read; "
            f"type --frames {start}-{start + count - skipped - 1} to do these."
        )
    return MovieExtent(index, decoder, first, notes)


def _promised(source: MovieSource, index: PacketIndex) -> int:
    """How many frames the header speaks of; 0 when it does not."""
    count = int(source.stream.frames or 0)
    container = source.container
    if count or index.counted or "matroska" not in container.format.name or len(container.streams) > 1:
        return count
    rate = measure_rate(_before_hole(index), Fraction(source.stream.time_base), hints=(source.stream.average_rate,))
    lasting = round(Fraction(container.duration or 0, 1_000_000) * rate)
    short = lasting - len(index.times)
    return lasting if short > max(2, lasting // 50) else 0


def _before_hole(index: PacketIndex) -> PacketIndex:
    """Cut what follows a hole in a torn end: later frames were stored first, those between them were lost."""
    steps = np.diff(np.asarray(index.times, np.float64))
    if index.counted or index.intra or len(steps) < 3:
        return index
    usual = float(np.median(steps))
    start = max(1, len(steps) - _REORDER)
    holes = [k for k in range(start, len(steps)) if steps[k] > 1.5 * usual + 1]
    return replace(index, times=index.times[: holes[0] + 1]) if holes else index


def _decodable(decoder: MovieDecoder, count: int) -> int:
    """Number of frames up to the last one that decodes."""
    for rank in range(count - 1, max(-1, count - _TAIL), -1):
        try:
            decoder.frame(rank)
        except UndecodableFrame:
            continue
        return rank + 1
    return 0


def _orphans(decoder: MovieDecoder, index: PacketIndex) -> int:
    """Number of frames shown before the first keyframe that refer to what was cut off before it (open GOP)."""
    if index.counted or not index.keys or index.times[0] >= index.keys[0]:
        return 0
    for rank, time in enumerate(index.times):
        if time >= index.keys[0]:
            return rank
        try:
            decoder.frame(rank)
        except UndecodableFrame:
            continue
        return rank
    return 0


def _first(decoder: MovieDecoder, ranks: range) -> VideoFrame | None:
    for rank in ranks[:250]:
        try:
            return decoder.frame(rank)
        except UndecodableFrame:
            continue
    return None
