"""Errors that a user can act on.

VimatteError            the command line prints str(error) and exits with error.exit_code
├── ConfigError    2    unknown key, bad frame range, bad option
├── MediaError     3    clip not found, missing frames, unreadable frame, write failed, unsupported format
└── ColourError    3    unknown colour space, no or broken OCIO config

`vimatte.engine.errors` adds BackendError (4), DeviceError (5), ShotsError (6) and Cancelled (130).
"""

from __future__ import annotations

from typing import ClassVar

__all__ = ["ColourError", "ConfigError", "MediaError", "VimatteError"]


class VimatteError(Exception):
    """What was asked, what was found, what is possible, what to type next: one sentence, no traceback."""

    exit_code: ClassVar[int] = 1


class ConfigError(VimatteError):
    """An option, a key or a frame range does not make sense."""

    exit_code = 2


class MediaError(VimatteError):
    """A picture or a movie cannot be found, read or written."""

    exit_code = 3


class ColourError(VimatteError):
    """A colour space or an OCIO config is unknown or broken."""

    exit_code = 3
