"""Robust Video Matting: the alpha of everybody by a recurrent network, divided among the tracked people."""

from __future__ import annotations

from vimatte.engine.matting.rvm.model import Rvm

__all__ = ["Rvm"]
