"""What an artist can put right, in one sentence."""

from __future__ import annotations

__all__ = ["UserError"]


class UserError(Exception):
    """Shown in the status line and reported by the operator; never a traceback."""
