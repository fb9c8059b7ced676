from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from vimatte.ocio.prefetch import prefetched


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_results_come_in_the_order_asked(threads: int, ahead: int) -> None:
    def slow_when_even(n: int) -> int:
        time.sleep(0.004 if n % 2 == 0 else 0)
        return n * n

    got = list(prefetched(range(20), slow_when_even, threads=threads, ahead=ahead))
    assert got == [n * n for n in range(20)]


def test_no_more_than_asked_is_fetched_ahead() -> None:
    begun: list[int] = []
    stream = prefetched(range(100), lambda n: begun.append(n) or n, threads=2, ahead=3)
    for n in range(10):
        assert next(stream) == n
        time.sleep(0.002)
        assert max(begun) <= n + 3
    stream.close()
    assert max(begun) <= 13


def test_an_exception_comes_at_its_own_turn() -> None:
    def fetch(n: int) -> int:
        if n == 4:
            raise ValueError("four")
        return n

    stream = prefetched(range(10), fetch, threads=3, ahead=6)
    assert [next(stream) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="four"):
        next(stream)


def test_an_exception_of_the_items_comes_after_what_was_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise KeyError("gone")

    stream = prefetched(items(), lambda n: n, threads=1, ahead=8)
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError):
        next(stream)


def test_closing_early_leaves_no_thread() -> None:
    before = threading.active_count()
    stream = prefetched(range(1000), lambda n: time.sleep(0.001), threads=4, ahead=8)
    next(stream)
    assert threading.active_count() > before
    stream.close()
    assert threading.active_count() == before


def test_items_are_pulled_lazily() -> None:
    pulled: list[int] = []

    def endless() -> Iterator[int]:
        n = 0
        while True:
            pulled.append(n)
            yield n
            n += 1

    stream = prefetched(endless(), lambda n: n, threads=2, ahead=2)
    assert pulled == []
    assert [next(stream) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert len(pulled) <= 7
    stream.close()
