"""A shot in many hands: chunks that equal one run byte for byte, and the check that all of them arrived."""

from __future__ import annotations

from vimatte.engine.farm.chunks import chunks_of, openjd_range
from vimatte.engine.farm.open_models import OpenModels
from vimatte.engine.farm.run_chunk import run_chunk
from vimatte.engine.farm.shot_list import ListedShot, read_shots
from vimatte.engine.farm.verify import verify_layers

__all__ = [
    "ListedShot",
    "OpenModels",
    "chunks_of",
    "openjd_range",
    "read_shots",
    "run_chunk",
    "verify_layers",
]
