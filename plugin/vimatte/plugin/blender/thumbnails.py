"""Small pictures of people for the panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews

_shown: Any = None


def icon(filepath: str) -> int:
    """Icon number of a picture, or 0 while there is none."""
    if _shown is None or not filepath:
        return 0
    path = Path(bpy.path.abspath(filepath))
    if str(path) not in _shown:
        if not path.is_file():
            return 0
        _shown.load(str(path), str(path), "IMAGE")
    return int(_shown[str(path)].icon_id)


def forget() -> None:
    """Load pictures anew: they were written again."""
    if _shown is not None:
        _shown.clear()


def register() -> None:
    """Make the collection."""
    global _shown
    _shown = bpy.utils.previews.new()


def unregister() -> None:
    """Free the collection."""
    global _shown
    if _shown is not None:
        bpy.utils.previews.remove(_shown)
        _shown = None
