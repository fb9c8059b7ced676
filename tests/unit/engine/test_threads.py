"""Stages on threads of their own."""

from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vimatte.engine.threads import _pools, ahead, shared_cores, side_by_side


def _threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "vimatte-ahead"]


def test_order_is_kept_and_no_thread_stays() -> None:
    assert list(ahead((n * n for n in range(50)), most=3)) == [n * n for n in range(50)]
    assert not _threads()


def test_an_exception_comes_when_its_turn_does() -> None:
    def two() -> Generator[int]:
        yield 1
        yield 2
        raise KeyError("third")

    stream = ahead(two(), most=5)
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(KeyError, match="third"):
        next(stream)
    assert not _threads()


def test_no_more_are_made_than_may_wait() -> None:
    made: list[int] = []
    asked: list[int] = []

    def count() -> Generator[int]:
        for n in range(20):
            assert len(made) - len(asked) < 2, "one waits or is being made, one was just taken"
            made.append(n)
            yield n

    for n in ahead(count(), most=1):
        asked.append(n)
    assert made == asked == list(range(20))


def test_closing_early_closes_what_was_begun_on_its_own_thread() -> None:
    where: list[str] = []

    def endless() -> Generator[int]:
        try:
            n = 0
            while True:
                yield (n := n + 1)
        finally:
            where.append(threading.current_thread().name)

    stream = ahead(endless())
    assert next(stream) == 1
    stream.close()
    assert where == ["vimatte-ahead"]
    assert not _threads()


def test_nothing_begins_before_it_is_asked_for() -> None:
    begun: list[int] = []

    def one() -> Generator[int]:
        begun.append(1)
        yield 1

    stream = ahead(one())
    assert not begun
    stream.close()
    assert not begun


def test_streams_take_turns_whichever_is_faster() -> None:
    def slow() -> Generator[str]:
        for letter in "abc":
            threading.Event().wait(0.01)
            yield letter

    assert list(side_by_side([slow(), iter("x"), iter("")])) == [(0, "a"), (1, "x"), (0, "b"), (0, "c")]
    assert not _threads()


def test_one_stream_that_fails_ends_the_others() -> None:
    ended: list[bool] = []

    def endless() -> Generator[int]:
        try:
            while True:
                yield 0
        finally:
            ended.append(True)

    def broken() -> Generator[int]:
        yield 1
        raise KeyError("broken")

    stream = side_by_side([endless(), broken()])
    assert [next(stream) for _ in range(3)] == [(0, 0), (1, 1), (0, 0)]
    with pytest.raises(KeyError, match="broken"):
        next(stream)
    assert ended == [True]
    assert not _threads()


def test_cores_are_shared_once_and_given_back_by_the_last() -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    try:
        torch.set_num_threads(4)
        cv2.setNumThreads(4)
        first, second = shared_cores(), shared_cores()
        first.__enter__()
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (2, 2)
        second.__enter__()
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (2, 2)
        first.__exit__(None, None, None)
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (2, 2)
        second.__exit__(None, None, None)
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (4, 4)
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def test_every_librarys_threads_are_told() -> None:
    pools = _pools()
    before = [pool.many() for pool in pools]
    try:
        for pool in pools:
            pool.allow(4)
        with shared_cores():
            assert [pool.many() for pool in pools] == [2] * len(pools)
        assert [pool.many() for pool in pools] == [4] * len(pools)
    finally:
        for pool, many in zip(pools, before, strict=True):
            pool.allow(many)


@pytest.mark.skipif(not any(Path(np.__file__).parents[1].glob("numpy.libs/*openblas*")), reason="another BLAS")
def test_numpys_threads_are_found() -> None:
    assert len(_pools()) >= 3
