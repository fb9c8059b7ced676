from __future__ import annotations

from fractions import Fraction

import pytest

from vimatte.ocio.errors import MediaError
from vimatte.ocio.timecode import Timecode

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize("text", ["01:00:00:00", "23:59:59:24", "01:00:59;28", "00:00:00:119"])
def test_it_prints_as_it_was_read(text: str) -> None:
    assert str(Timecode.parse(text)) == text


def test_a_point_means_drop_frame_too() -> None:
    assert Timecode.parse("01:00:00.02") == Timecode.parse("01:00:00;02")


@pytest.mark.parametrize("text", ["", "1001", "01:00:00", "aa:00:00:00", "01:00:00:00 extra"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(MediaError, match=r"expected for instance 01:00:00:00"):
        Timecode.parse(text)


@pytest.mark.parametrize(
    ("start", "frames", "rate", "end"),
    [
        ("01:00:00:00", 24, Fraction(24), "01:00:01:00"),
        ("01:00:00:00", 24, Fraction(24000, 1001), "01:00:01:00"),
        ("01:00:59;29", 1, NTSC, "01:01:00;02"),
        ("01:09:59;29", 1, NTSC, "01:10:00;00"),
        ("00:00:59;59", 1, Fraction(60000, 1001), "00:01:00;04"),
        ("01:00:59:29", 1, NTSC, "01:01:00:00"),
        ("23:59:59:24", 1, Fraction(25), "00:00:00:00"),
        ("00:00:00:00", -1, Fraction(25), "23:59:59:24"),
        ("00:00:00;00", -1, NTSC, "23:59:59;29"),
    ],
)
def test_it_advances(start: str, frames: int, rate: Fraction, end: str) -> None:
    assert str(Timecode.parse(start).advance(frames, rate)) == end


def test_drop_frame_keeps_up_with_the_clock() -> None:
    # SMPTE ST 12-1: an hour of 29.97 drop-frame counts 107892 frames, which last an hour within four milliseconds.
    assert Timecode.parse("01:00:00;00").to_count(NTSC) == 107892
    assert float(107892 / NTSC) == pytest.approx(3600, abs=0.004)
