"""What the installed commands call: a command run to its end, and out at once.

Taking torch's modules apart again costs Python most of a second, after every file is whole and every word is said.
Looking for garbage among them while they are loaded costs a quarter of one.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Callable
from contextlib import suppress

__all__ = ["vim_batch", "vimatte"]

_SELDOM = 20_000
"""Objects more than there were, from which the youngest are looked through."""


def vim_batch() -> None:
    """Run `vim-batch`."""
    _to_its_end(_load_vim_batch)


def vimatte() -> None:
    """Run `vimatte`."""
    _to_its_end(_load_vimatte)


def _load_vim_batch() -> Callable[[], object]:
    from vimatte.cli.run import main

    return main


def _load_vimatte() -> Callable[[], object]:
    from vimatte.cli.main import main

    return main


def _to_its_end(load: Callable[[], Callable[[], object]]) -> None:
    code = 1

    def leave() -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)

    # The first to be registered is the last to be called: after threads have ended and all others have tidied up.
    atexit.register(leave)
    gc.set_threshold(_SELDOM)
    try:
        load()()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
