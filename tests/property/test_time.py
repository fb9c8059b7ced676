"""Laws of frame ranges and timecodes that hold for every number."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from vimatte.ocio.frame_range import FrameRange
from vimatte.ocio.timecode import Timecode

NUMBERS = st.sets(st.integers(-2000, 5000), max_size=60)
RATES = st.sampled_from([Fraction(24000, 1001), *map(Fraction, (24, 25, 30, 48, 50, 60)), Fraction(30000, 1001)])
DROP_RATES = st.sampled_from([Fraction(30000, 1001), Fraction(60000, 1001)])


@given(NUMBERS.filter(bool))
def test_a_range_prints_and_parses_back(numbers: set[int]) -> None:
    frames = FrameRange.of(numbers)
    assert FrameRange.parse(str(frames)) == frames
    assert set(frames) == numbers


@given(NUMBERS)
def test_a_range_and_its_gaps_fill_the_span(numbers: set[int]) -> None:
    frames = FrameRange.of(numbers)
    gaps = set(frames.gaps())
    assert not gaps & numbers
    if numbers:
        assert gaps | numbers == set(range(min(numbers), max(numbers) + 1))


@given(NUMBERS, NUMBERS)
def test_missing_from_is_the_difference_of_sets(asked: set[int], there: set[int]) -> None:
    assert set(FrameRange.of(asked).missing_from(FrameRange.of(there))) == asked - there


@given(st.integers(-3000, 3000), st.integers(0, 400), st.integers(1, 30))
def test_stepped_ranges_count_as_python_does(first: int, length: int, step: int) -> None:
    text = f"{first}-{first + length}x{step}"
    assert FrameRange.parse(text).numbers == tuple(range(first, first + length + 1, step))


@given(st.integers(0, 24 * 3600 * 60 - 1), RATES)
def test_counts_become_timecodes_and_back(count: int, rate: Fraction) -> None:
    count %= 24 * 3600 * round(rate)
    assert Timecode.from_count(count, rate).to_count(rate) == count


@given(st.integers(0), DROP_RATES)
def test_drop_frame_counts_become_timecodes_and_back(count: int, rate: Fraction) -> None:
    per_day = 2589408 * (round(rate) // 30)
    code = Timecode.from_count(count, rate, drop=True)
    assert code.to_count(rate) == count % per_day
    assert Timecode.parse(str(code)) == code


@given(st.integers(0, 2589407), DROP_RATES)
def test_drop_frame_never_uses_the_dropped_labels(count: int, rate: Fraction) -> None:
    code = Timecode.from_count(count, rate, drop=True)
    dropped = 2 * (round(rate) // 30)
    assert not (code.seconds == 0 and code.minutes % 10 != 0 and code.frames < dropped)
    assert code.frames < round(rate)


@given(st.integers(0, 2_000_000), st.integers(-5000, 5000), st.booleans())
def test_advancing_there_and_back_changes_nothing(count: int, frames: int, drop: bool) -> None:
    rate = Fraction(30000, 1001)
    code = Timecode.from_count(count, rate, drop=drop)
    assert code.advance(frames, rate).advance(-frames, rate) == code
