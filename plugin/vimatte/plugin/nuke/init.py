"""Nuke runs this at start, with and without a window: say it where the Python inside is too old."""
# No `from __future__ import annotations`: Nuke 12 and before (Python 2.7) must be able to read this file and menu.py.

import sys

import nuke

if sys.version_info < (3, 10):  # noqa: UP036 - Nuke's Python, not the engine's
    nuke.tprint(
        "vimatte needs Nuke 15 or later: it needs Python 3.10, and this one has {}.{}".format(*sys.version_info)
    )
