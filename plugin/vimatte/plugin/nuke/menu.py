"""Nuke runs this when it has a window: Keyer > Video Instance Matte, beside Cryptomatte, in the Nodes menu."""

import sys

import nuke

if sys.version_info >= (3, 10):  # noqa: UP036 - Nuke's Python, not the engine's
    nuke.menu("Nodes").addMenu("Keyer").addCommand("Video Instance Matte", "import vimatte_nuke; vimatte_nuke.create()")
