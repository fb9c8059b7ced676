"""Work fetched ahead on threads and handed out in the order asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["prefetched"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def prefetched(
    items: Iterable[_Item], fetch: Callable[[_Item], _Result], *, threads: int, ahead: int
) -> Generator[_Result]:
    """Yield `fetch(item)` for each item, in order, with up to `ahead` items under way beyond the one handed out.

    `items` is pulled in the caller's thread, never more than `ahead` past what was handed out. An exception, of `fetch`
    or of `items`, is raised when its item's turn comes; everything before it is yielded first. Closing the generator
    drops what has not begun and waits for what has, so no thread outlives it. With no threads everything happens in
    the caller's thread.
    """
    if threads < 1 or ahead < 1:
        for item in items:
            yield fetch(item)
        return
    waiting: deque[Future[_Result]] = deque()
    source = iter(items)
    broken: Exception | None = None
    more = True
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="vimatte-prefetch")
    try:
        while True:
            while more and len(waiting) <= ahead:
                try:
                    item = next(source)
                except StopIteration:
                    more = False
                except Exception as error:  # raised again below, once what came before it has been handed out
                    more, broken = False, error
                else:
                    waiting.append(pool.submit(fetch, item))
            if not waiting:
                break
            yield waiting.popleft().result()
        if broken is not None:
            raise broken
    finally:
        for future in waiting:
            future.cancel()
        pool.shutdown(wait=True)
