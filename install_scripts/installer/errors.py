"""What goes wrong in an installation: one sentence that says what was asked, found, and what to type next."""

from __future__ import annotations

__all__ = ["InstallError", "UsageError"]


class InstallError(Exception):
    """Something could not be installed or removed."""

    exit_code = 3


class UsageError(InstallError):
    """An option that cannot be meant."""

    exit_code = 2
