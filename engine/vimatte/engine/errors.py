"""The whole error tree, with the engine's own branches.

VimatteError            the command line prints str(error) and exits with error.exit_code
├── ConfigError    2    unknown key, bad frame range, bad option
├── MediaError     3    clip not found, missing frames, unreadable frame, write failed, unsupported format
├── ColourError    3    unknown colour space, no or broken OCIO config
├── BackendError   4    unknown backend, not installed, weights missing, weights mismatch
├── DeviceError    5    no such device, out of device memory
├── ShotsError     6    some shots of a list could not be done, the others are
└── Cancelled    130
"""

from __future__ import annotations

from vimatte.ocio.errors import ColourError, ConfigError, MediaError, VimatteError

__all__ = [
    "BackendError",
    "Cancelled",
    "ColourError",
    "ConfigError",
    "DeviceError",
    "MediaError",
    "ShotsError",
    "VimatteError",
]


class BackendError(VimatteError):
    """A backend or a model is unknown, not installed, or lacks its weights."""

    exit_code = 4


class DeviceError(VimatteError):
    """The device asked for is not there, or ran out of memory."""

    exit_code = 5


class ShotsError(VimatteError):
    """Some shots of a list could not be done; the others are."""

    exit_code = 6


class Cancelled(VimatteError):  # noqa: N818 - named after what happened
    """The user stopped the job; what was written is whole."""

    exit_code = 130
