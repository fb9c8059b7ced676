"""What the installed commands call: a command run to its end, and out at once.

Taking torch's modules apart again costs Python most of a second, after every file is whole and every word is said.
Looking for garbage among them while they are loaded costs a quarter of one.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["vim_batch", "vimatte"]

_SELDOM = 20_000
"""Objects more than there were, from which the youngest are looked through."""


def vim_batch() -> None:
    """Run `vim-batch`."""
    with _out_at_once():
        from vimatte.cli.run import main

        main()


def vimatte() -> None:
    """Run `vimatte`."""
    with _out_at_once():
        from vimatte.cli.main import main

        main()


@contextmanager
def _out_at_once() -> Iterator[None]:
    """Leave with the exit code of what is done in it, once threads have ended and all others have tidied up."""
    code = 1

    def leave() -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)

    # The first to be registered is the last to be called.
    atexit.register(leave)
    gc.set_threshold(_SELDOM)
    try:
        yield
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
