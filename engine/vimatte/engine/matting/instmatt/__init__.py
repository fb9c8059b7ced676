"""InstMatt: mattes of several people out of each other's masks, made to agree (Sun et al., CVPR 2022)."""

from __future__ import annotations

from vimatte.engine.matting.instmatt.model import InstMattMatting

__all__ = ["InstMattMatting"]
