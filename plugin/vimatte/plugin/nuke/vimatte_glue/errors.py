"""What an artist can put right, in one sentence."""

from __future__ import annotations

__all__ = ["UserError"]


class UserError(Exception):
    """Shown in a message; never a traceback."""
