"""How good a matte is: one metric a file, `evaluate` to put them together."""

from __future__ import annotations

from vimatte.engine.metrics.evaluate import LayersScore, TracksScore, evaluate_layers, evaluate_tracks
from vimatte.engine.metrics.mask_overlap import OverlapMeter, PersonOverlap
from vimatte.engine.metrics.matte_errors import MatteErrorMeter, MatteErrors

__all__ = [
    "LayersScore",
    "MatteErrorMeter",
    "MatteErrors",
    "OverlapMeter",
    "PersonOverlap",
    "TracksScore",
    "evaluate_layers",
    "evaluate_tracks",
]
