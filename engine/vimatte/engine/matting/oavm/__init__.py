"""Object-Aware Video Matting: each person from their first mask on, with a memory that crosses frames."""

from __future__ import annotations

from vimatte.engine.matting.oavm.config import OavmConfig
from vimatte.engine.matting.oavm.model import Oavm

__all__ = ["Oavm", "OavmConfig"]
