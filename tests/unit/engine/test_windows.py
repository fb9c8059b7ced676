from __future__ import annotations

import weakref
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vimatte.engine.errors import ConfigError
from vimatte.engine.windows import context_numbers, needed_numbers, stretches, windows


def test_neighbours_are_next_in_the_sequence_not_by_number() -> None:
    assert context_numbers((1, 3, 5, 9), 5, 1) == (3, 5, 9)


def test_windows_are_cut_at_the_ends() -> None:
    assert context_numbers((1, 2, 3), 1, 2) == (1, 2, 3)
    assert context_numbers((7,), 7, 2) == (7,)


def test_a_frame_the_shot_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Frame 4 .* 1-5"):
        context_numbers((1, 2, 3, 5), 4, 1)
    with pytest.raises(ConfigError, match="Frame 4"):
        context_numbers((), 4, 1)


@pytest.mark.parametrize("wanted", [(1,), (10,), (5, 6), (1, 10), (2, 3, 9), tuple(range(1, 11))])
@pytest.mark.parametrize("radius", [0, 1, 3])
def test_every_window_holds_its_neighbours_and_each_item_is_read_once(wanted: tuple[int, ...], radius: int) -> None:
    available = tuple(range(1, 11))
    read: list[int] = []

    def stream() -> Iterator[tuple[int, int]]:
        for n in needed_numbers(available, wanted, radius):
            read.append(n)
            yield n, n * n

    found = list(windows(stream(), available=available, wanted=wanted, radius=radius))
    assert [w.number for w in found] == list(wanted)
    for window in found:
        assert tuple(n for n, _ in window.items) == context_numbers(available, window.number, radius)
        assert window.centre == window.number**2
    assert read == sorted(set(read))


def test_few_items_are_held() -> None:
    class Item:
        pass

    alive: list[weakref.ref[Item]] = []
    most = 0

    def stream() -> Iterator[tuple[int, Item]]:
        for n in range(50):
            item = Item()
            alive.append(weakref.ref(item))
            yield n, item

    for _ in windows(stream(), available=range(50), wanted=range(50), radius=2):
        most = max(most, sum(r() is not None for r in alive))
    assert most <= 7


def test_stretches_begin_where_the_shot_says_not_where_the_request_does() -> None:
    shot = range(1001, 1012)
    assert [(s.warm_up, s.frames, s.wanted) for s in stretches(shot, [1005, 1006, 1011], length=4, warm_up=2)] == [
        ((1003, 1004), (1005, 1006, 1007, 1008), (1005, 1006)),
        ((1007, 1008), (1009, 1010, 1011), (1011,)),
    ]


@given(
    length=st.integers(1, 7),
    warm_up=st.integers(0, 4),
    wanted=st.sets(st.sampled_from(range(1001, 1061, 2))).map(sorted),
)
def test_every_wanted_frame_is_in_one_stretch_the_same_as_in_the_whole_shot(
    length: int, warm_up: int, wanted: list[int]
) -> None:
    shot = list(range(1001, 1061, 2))
    whole = {n: s for s in stretches(shot, shot, length=length, warm_up=warm_up) for n in s.wanted}
    some = list(stretches(shot, wanted, length=length, warm_up=warm_up))
    assert [n for s in some for n in s.wanted] == wanted
    for stretch in some:
        assert stretch.wanted
        for number in stretch.wanted:
            assert (stretch.warm_up, stretch.frames) == (whole[number].warm_up, whole[number].frames)


def test_stretches_refuse_a_frame_the_shot_lacks() -> None:
    with pytest.raises(ConfigError, match="2000"):
        list(stretches(range(1001, 1005), [1002, 2000], length=2))
