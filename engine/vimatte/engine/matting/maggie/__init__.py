"""MaGGIe: all people of a frame matted together, each refined only where uncertain (Huynh et al., CVPR 2024)."""

from __future__ import annotations

from vimatte.engine.matting.maggie.model import MaggieMatting

__all__ = ["MaggieMatting"]
