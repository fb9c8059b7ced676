"""What can go wrong between a host application and the engine, in one sentence for an artist."""

from __future__ import annotations

__all__ = ["EngineError"]


class EngineError(Exception):
    """The engine was not found, did not start, or went away."""
