"""A movie's frames in the order they are shown, found by reading its packets once without decoding."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np

__all__ = ["PacketIndex", "index_packets", "is_steady", "measure_rate"]

_log = logging.getLogger(__name__)

_INTRA_CODECS = frozenset({"prores", "dnxhd", "mjpeg", "png", "v210", "cfhd"})
"""Codecs whose frames are stored in the order they are shown."""
_RATES = tuple(Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)) + tuple(
    Fraction(n) for n in (24, 25, 30, 48, 50, 60, 12, 15, 16, 10, 8, 20, 100, 120)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketIndex:
    """Presentation times and places to start decoding."""

    times: tuple[int, ...]
    """Presentation times in stream ticks, ascending: the frame of rank i is shown at times[i]."""
    keys: tuple[int, ...]
    """Presentation times of keyframes, ascending."""
    key_seeks: tuple[int, ...]
    """Time to seek to for each key: its decoding time."""
    counted: bool
    """True when packets carry no presentation times, so that frames can only be counted from the start."""
    intra: bool
    """True when every frame is a keyframe, so that a damaged one spoils no other."""
    damaged: bool
    """True when reading the packets stopped at an error, or a packet was cut short."""

    def rank(self, time: int) -> int | None:
        """Which frame is shown at exactly this time; None when none is."""
        place = bisect_right(self.times, time) - 1
        return place if place >= 0 and self.times[place] == time else None

    def key_before(self, rank: int) -> int:
        """Place in `keys` of the keyframe to decode from for a frame; -1 for the movie's start."""
        # A frame shown before a keyframe but stored after it (open GOP) needs the keyframe before that one.
        return bisect_right(self.keys, self.times[rank]) - 1

    def next_key_rank(self, rank: int) -> int:
        """Rank of the first keyframe shown after this frame; the number of frames when there is none."""
        place = bisect_right(self.keys, self.times[rank])
        found = self.rank(self.keys[place]) if place < len(self.keys) else None
        return len(self.times) if found is None else found


def index_packets(container: Any, stream: Any) -> PacketIndex:
    """Find every packet of a video stream: in the header's own table where that is enough, else by reading them all.

    Leaves the container anywhere.
    """
    return _from_table(container, stream) or _from_packets(container, stream)


def _from_table(container: Any, stream: Any) -> PacketIndex | None:
    """Read a QuickTime sample table, so that a shot of many gigabytes is not read to be counted.

    The table holds decoding times, which are presentation times only in codecs that never reorder; it is not used where
    samples lie beyond the file's end.
    """
    if "mov" not in container.format.name.split(",") or stream.codec_context.name not in _INTRA_CODECS:
        return None
    entries = list(stream.index_entries)
    times = [entry.timestamp for entry in entries]
    if not entries or len(entries) != stream.frames or container.size <= 0:
        return None
    if any(entry.is_discard or not entry.is_keyframe or entry.pos + entry.size > container.size for entry in entries):
        return None
    if any(later <= sooner for sooner, later in pairwise(times)) or stream.start_time != times[0]:
        return None
    row = tuple(times)
    return PacketIndex(times=row, keys=row, key_seeks=row, counted=False, intra=True, damaged=False)


def _from_packets(container: Any, stream: Any) -> PacketIndex:
    packets: list[tuple[int | None, int | None, bool]] = []
    damaged = False
    codec = stream.codec_context.name
    try:
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard or _invisible(codec, packet):
                continue
            if packet.is_corrupt:
                damaged = True
            packets.append((packet.pts, packet.dts, packet.is_keyframe))
    except av.FFmpegError as error:
        _log.debug("reading packets stopped: %s", error)
        damaged = True
    # MPEG program streams time only some of their pictures; FFmpeg fills in the others, not always rightly.
    counted = container.format.name == "mpeg" or any(pts is None for pts, _, _ in packets)
    if counted:
        times: list[int] = list(range(len(packets)))
        return PacketIndex(times=tuple(times), keys=(), key_seeks=(), counted=True, intra=False, damaged=damaged)
    shown = sorted({pts for pts, _, _ in packets if pts is not None})
    keys = sorted((pts, pts if dts is None else dts) for pts, dts, key in packets if key and pts is not None)
    return PacketIndex(
        times=tuple(shown),
        keys=tuple(pts for pts, _ in keys),
        key_seeks=tuple(seek for _, seek in keys),
        counted=False,
        intra=len(keys) == len(shown),
        damaged=damaged,
    )


def measure_rate(index: PacketIndex, base: Fraction, *, hints: Sequence[Fraction | None]) -> Fraction:
    """Frames a second: a usual rate, else one of `hints`, that lands on every time; else the mean."""
    known = [hint for hint in hints if hint]
    if index.counted or len(index.times) < 2:
        return known[0] if known else Fraction(24)
    times = np.asarray(index.times, np.float64) - index.times[0]
    ranks = np.arange(len(times))
    usual: Sequence[Fraction] = sorted(_RATES, key=lambda rate: abs(rate - known[0])) if known else _RATES
    for rate in (*(hint for hint in known if hint in _RATES), *usual, *known):
        if np.abs(times - ranks * float(1 / rate / base)).max() <= 1.0:
            return rate
    span: Fraction = (index.times[-1] - index.times[0]) * base
    return (Fraction(len(index.times) - 1) / span).limit_denominator(1001)


def is_steady(index: PacketIndex) -> bool:
    """Whether frames follow each other at one rate, but for the rounding of times to ticks."""
    if index.counted or len(index.times) < 3:
        return True
    steps = np.diff(np.asarray(index.times, np.float64))
    mean = steps.mean()
    return bool(np.abs(steps - mean).max() <= max(1.0, 0.1 * mean))


def _invisible(codec: str, packet: Any) -> bool:
    """Whether a VP8 packet only updates references (RFC 6386, 9.1: show_frame, bit 4 of the frame tag)."""
    return codec in ("vp8", "libvpx") and packet.size > 0 and not (bytes(packet)[0] >> 4) & 1
