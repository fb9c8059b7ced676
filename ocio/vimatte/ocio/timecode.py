"""SMPTE timecode: parse, advance by frames, print; drop-frame included."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from vimatte.ocio.errors import MediaError

__all__ = ["Timecode"]

_PATTERN = re.compile(r"^(\d{1,2}):(\d{2}):(\d{2})([:;.])(\d{2,3})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timecode:
    """One moment on the SMPTE clock."""

    hours: int
    minutes: int
    seconds: int
    frames: int
    drop: bool = False
    """True for 29.97/59.94 drop-frame counting (written with a semicolon)."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``01:00:00:00`` or drop-frame ``01:00:00;02``. Raises MediaError."""
        match = _PATTERN.match(text.strip())
        if match is None:
            raise MediaError(f"'{text}' is not a timecode; expected for instance 01:00:00:00.")
        h, m, s, mark, f = match.groups()
        return cls(hours=int(h), minutes=int(m), seconds=int(s), frames=int(f), drop=mark in ";.")

    def __str__(self) -> str:
        mark = ";" if self.drop else ":"
        return f"{self.hours:02d}:{self.minutes:02d}:{self.seconds:02d}{mark}{self.frames:02d}"

    def to_count(self, fps: Fraction) -> int:
        """Frames since midnight at `fps` (rounded up to the counting rate: 23.976 counts 24)."""
        rate = _counting_rate(fps)
        total_minutes = self.hours * 60 + self.minutes
        count = (total_minutes * 60 + self.seconds) * rate + self.frames
        if self.drop:
            count -= _dropped_a_minute(rate) * (total_minutes - total_minutes // 10)
        return count

    @classmethod
    def from_count(cls, count: int, fps: Fraction, *, drop: bool = False) -> Self:
        """Turn frames since midnight into a timecode; wraps at 24 hours."""
        rate = _counting_rate(fps)
        if drop:
            dropped = _dropped_a_minute(rate)
            ten = rate * 600 - 9 * dropped
            count %= ten * 144
            tens, rest = divmod(count, ten)
            count += 9 * dropped * tens
            if rest >= rate * 60:
                count += dropped * ((rest - rate * 60) // (rate * 60 - dropped) + 1)
        count %= rate * 86400
        seconds, frames = divmod(count, rate)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        return cls(hours=hours, minutes=minutes, seconds=seconds, frames=frames, drop=drop)

    def advance(self, frames: int, fps: Fraction) -> Self:
        """Return the timecode `frames` later (or earlier, when negative)."""
        return self.from_count(self.to_count(fps) + frames, fps, drop=self.drop)


def _counting_rate(fps: Fraction) -> int:
    return max(1, round(fps))


def _dropped_a_minute(rate: int) -> int:
    return 2 * (rate // 30) if rate >= 30 else 0
