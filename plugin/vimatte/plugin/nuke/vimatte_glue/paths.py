"""Paths as Nuke has them: forward slashes, from the root, nothing in them that it would take for an expression."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from .errors import UserError

__all__ = ["FRAME_TOKEN", "plain_path", "whole_path"]

FRAME_TOKEN = re.compile(r"#+|%0?\d*d")
"""Where the frame number stands in a file's name."""
_EXPRESSION = re.compile(r'[\[\]"]')


def plain_path(path: PurePath) -> str:
    """Write a path for a knob. Raises UserError where Nuke would take a part of it for something else."""
    text = path.as_posix()
    if _EXPRESSION.search(text) or FRAME_TOKEN.search(path.parent.as_posix()):
        raise UserError(
            f"Nuke would take a part of the path {text} for an expression or a frame number; choose another folder."
        )
    return text


def whole_path(text: str, *, project: str) -> str:
    """Take a path that does not begin at the root from the project's folder, as Nuke does."""
    return text if not text or not project or Path(text).is_absolute() else f"{project.rstrip('/')}/{text}"
