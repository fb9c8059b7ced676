"""The folder for Nuke's plug-in path: `init.py`, `menu.py`, and `vimatte_nuke`, which buttons call; see docs/nuke.md.

Nuke puts this folder on its `sys.path`, so nothing lies here whose name could be taken for another module; the rest is
in `vimatte_glue`.
"""
