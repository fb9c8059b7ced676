"""Finding people with BlazePose: two small networks with permissive weights, run in torch."""

from __future__ import annotations

from vimatte.engine.vis.blazepose.backend import BlazePose

__all__ = ["BlazePose"]
