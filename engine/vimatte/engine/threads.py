"""Work of one stage done on its own thread while the next stage works on what came before."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

import cv2
import numpy
import scipy
import torch

__all__ = ["ahead", "shared_cores", "side_by_side"]

_Item = TypeVar("_Item")


class _End:
    """What a thread says last: why it ended."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterator[_Item], *, most: int = 1) -> Generator[_Item]:
    """Yield what `items` yields, in order, made on a thread of its own: up to `most` wait, or are being made.

    An exception of `items` is raised when its turn comes; everything before it is yielded first. Closing the generator
    closes `items`, on its thread, once the item it is at is made; no thread outlives it. Nothing begins before the
    first item is asked for.
    """
    made: SimpleQueue[_Item | _End] = SimpleQueue()
    room = threading.Semaphore(most)
    stop = threading.Event()

    def work() -> None:
        try:
            try:
                while room.acquire() and not stop.is_set():
                    made.put(next(items))
            finally:
                if isinstance(items, Generator):
                    items.close()
        except StopIteration:
            made.put(_End())
        except BaseException as error:
            made.put(_End(error))

    thread = threading.Thread(target=work, name="vimatte-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := made.get(), _End):
            room.release()
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        room.release()
        thread.join()


def side_by_side(streams: Sequence[Iterator[_Item]], *, most: int = 4) -> Generator[tuple[int, _Item]]:
    """Yield (which stream, item) by turns until all have ended, each stream on a thread of its own.

    The order hangs on what the streams yield, never on how fast they are. As with `ahead`, an exception is raised when
    its turn comes, `most` items of each wait, and none outlives the generator.
    """
    with ExitStack() as stack:
        running = {at: stack.enter_context(closing(ahead(stream, most=most))) for at, stream in enumerate(streams)}
        while running:
            for at, stream in list(running.items()):
                try:
                    item = next(stream)
                except StopIteration:
                    del running[at]
                else:
                    yield at, item


@contextmanager
def shared_cores(ways: int = 2) -> Iterator[None]:
    """Let torch, OpenCV and numpy use their part of the cores each time they are called: `ways` threads call at once.

    Their own threads wait for one another at every step: two callers with one core each are far ahead of one with two.
    The numbers are the whole process's: whoever enters first keeps what was, and it comes back when the last has left.
    """
    pools = _pools()
    with _CHANGING:
        _WHOLE.append(_WHOLE[0] if _WHOLE else [pool.many() for pool in pools])
        for pool, many in zip(pools, _WHOLE[0], strict=True):
            pool.allow(max(1, many // ways))
    try:
        yield
    finally:
        with _CHANGING:
            whole = _WHOLE.pop()
            if not _WHOLE:
                for pool, many in zip(pools, whole, strict=True):
                    pool.allow(many)


_CHANGING = threading.Lock()
_WHOLE: list[list[int]] = []
"""Threads of each pool before anybody shared them, once for everybody who does."""


@dataclass(frozen=True, slots=True)
class _Pool:
    """Threads of a library's own."""

    many: Callable[[], int]
    allow: Callable[[int], object]


@cache
def _pools() -> tuple[_Pool, ...]:
    """Those of torch, of OpenCV, and of the OpenBLAS in the wheels of numpy and scipy, where they have one.

    OpenBLAS has no other way to be told once it is there; its threads wait for the next product in a busy loop.
    """
    found = [_Pool(torch.get_num_threads, torch.set_num_threads), _Pool(cv2.getNumThreads, cv2.setNumThreads)]
    for package in (numpy, scipy):
        folder = Path(str(package.__file__)).parents[1] / f"{package.__name__}.libs"
        for file in sorted(folder.glob("libscipy_openblas*")):
            library = ctypes.CDLL(str(file))
            for ending in ("64_", ""):
                many = getattr(library, f"scipy_openblas_get_num_threads{ending}", None)
                allow = getattr(library, f"scipy_openblas_set_num_threads{ending}", None)
                if many is not None and allow is not None:
                    found.append(_Pool(many, allow))
                    break
    return tuple(found)
