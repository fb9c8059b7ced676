"""EXR compressions that can be asked for: apart from the writer, so that a command line need not load OpenImageIO."""

from __future__ import annotations

__all__ = ["COMPRESSIONS"]

COMPRESSIONS = ("zip", "zips", "piz", "rle", "none", "dwaa", "dwab", "pxr24", "b44", "b44a", "htj2k32", "htj2k256")
"""The writer also takes dwaa and dwab with a level, ``dwaa:45``."""
