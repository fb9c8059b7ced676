"""How the C library keeps memory that was given back: what a frame needed, the next one needs again."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_freed_memory"]

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
"""Options of glibc's mallopt(3)."""
_KEPT = 2**31 - 1
_MOST = 4_000_000
_STEP = 64 << 20


def keep_freed_memory(*, pixels: int) -> None:
    """Let glibc keep what is freed for what is asked for next, of any size and on any thread; elsewhere do nothing.

    Features of a frame are tens of megabytes. By default each is mapped anew and every page of it is cleared when it
    is first touched, which costs more than the work done on it: a depthwise convolution of 50 MB takes 35 ms, and 13
    in memory that was there. Plates of more than 4 million `pixels` are left to the default: of their few large
    pictures gaps would stay, 350 MB at 4K.
    """
    if sys.platform != "linux" or pixels > _MOST:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for option, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _KEPT), (_TOP_PAD, _STEP), (_ARENA_MAX, 1)):
        mallopt(option, value)
