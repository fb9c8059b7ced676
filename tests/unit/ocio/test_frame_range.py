from __future__ import annotations

import pytest

from vimatte.ocio.errors import ConfigError
from vimatte.ocio.frame_range import FrameRange


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1001", (1001,)),
        ("1001-1004", (1001, 1002, 1003, 1004)),
        ("1001-1007x3", (1001, 1004, 1007)),
        ("1005,1001-1002", (1001, 1002, 1005)),
        ("1001-1003,1002-1004", (1001, 1002, 1003, 1004)),
        ("-3--1,2", (-3, -2, -1, 2)),
        ("-1-1", (-1, 0, 1)),
    ],
)
def test_what_artists_type(text: str, numbers: tuple[int, ...]) -> None:
    assert FrameRange.parse(text).numbers == numbers


@pytest.mark.parametrize("text", ["abc", "1001-", "1001..1005", "10 to 20", "1-5z", "1.5", "", " "])
def test_anything_else_is_refused_with_what_to_type(text: str) -> None:
    with pytest.raises(ConfigError, match="type for instance 1001-1040"):
        FrameRange.parse(text)


@pytest.mark.parametrize("numbers", [(2, 1), (1, 1)])
def test_numbers_must_ascend_without_repeats(numbers: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="ascend"):
        FrameRange(numbers)


def test_gaps_and_what_is_missing() -> None:
    there = FrameRange.of([1009, 1001, 1002, 1005])
    assert there.gaps().numbers == (1003, 1004, 1006, 1007, 1008)
    assert FrameRange.parse("1001-1004").missing_from(there).numbers == (1003, 1004)
    assert FrameRange(()).gaps().numbers == ()
    assert FrameRange.span(5, 3).gaps().numbers == ()


def test_it_prints_as_artists_type() -> None:
    assert str(FrameRange.of([1001, 1002, 1004])) == "1001-1002,1004"
    assert str(FrameRange(())) == "(none)"


def test_it_behaves_as_a_set_of_numbers() -> None:
    frames = FrameRange.span(1001, 3)
    assert list(frames) == [1001, 1002, 1003]
    assert (len(frames), frames.first, frames.last) == (3, 1001, 1003)
    assert 1002 in frames
    assert 1004 not in frames
    assert "1002" not in frames
