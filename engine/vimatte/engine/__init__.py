"""Find and follow every person in a shot, and matte each: eight names are the public Python API.

from vimatte.engine import MatteJob, run_job
for event in run_job(MatteJob(shot=Path("shot.mov"), out="layers.exr")):
    ...
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vimatte.engine.api import backends, matte_instances, track_instances, write_mattes
    from vimatte.engine.errors import VimatteError
    from vimatte.engine.job import MatteJob
    from vimatte.engine.pipeline import open_clip, run_job

__all__ = [
    "MatteJob",
    "VimatteError",
    "backends",
    "matte_instances",
    "open_clip",
    "run_job",
    "track_instances",
    "write_mattes",
]

_HOMES = {
    "MatteJob": "job",
    "VimatteError": "errors",
    "backends": "api",
    "matte_instances": "api",
    "open_clip": "pipeline",
    "run_job": "pipeline",
    "track_instances": "api",
    "write_mattes": "api",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: torch takes seconds, and `vim-batch --help` must not wait for it.
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
