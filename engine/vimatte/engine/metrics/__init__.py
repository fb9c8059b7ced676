"""How good a matte is: one metric a file, `layers_score` and `tracks_score` to put them together.

Every metric takes numpy arrays or torch tensors on any device, and adds up frame by frame. Where a paper and its
authors' released code differ there are two: `Definition` names them, and every score says which it follows.
"""

from __future__ import annotations

from vimatte.engine.metrics.alphas import Definition
from vimatte.engine.metrics.idf1 import Idf1Meter
from vimatte.engine.metrics.instance_quality import ImqMeter, ImqScore
from vimatte.engine.metrics.layers_score import LayersScore, evaluate_layers
from vimatte.engine.metrics.mask_overlap import OverlapMeter, PersonOverlap
from vimatte.engine.metrics.matte_errors import MatteErrorMeter, MatteErrors
from vimatte.engine.metrics.released_errors import ReleasedErrorMeter
from vimatte.engine.metrics.single_matte import SingleMatteMeter
from vimatte.engine.metrics.tracks_score import TracksScore, evaluate_tracks
from vimatte.engine.metrics.video_quality import VimqMeter, VimqScore

__all__ = [
    "Definition",
    "Idf1Meter",
    "ImqMeter",
    "ImqScore",
    "LayersScore",
    "MatteErrorMeter",
    "MatteErrors",
    "OverlapMeter",
    "PersonOverlap",
    "ReleasedErrorMeter",
    "SingleMatteMeter",
    "TracksScore",
    "VimqMeter",
    "VimqScore",
    "evaluate_layers",
    "evaluate_tracks",
]
