"""Mattes without learned weights: closed-form matting of all people of a frame at once."""

from __future__ import annotations

from vimatte.engine.matting.classical.model import Classical

__all__ = ["Classical"]
