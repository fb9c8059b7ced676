"""From a job to finished layers: two passes over the shot, and a third for the preview."""

from __future__ import annotations

from vimatte.engine.pipeline.run import (
    open_clip,
    open_for_mattes,
    plan_job,
    run_job,
    run_preview,
    run_tracking,
    shot_warnings,
)

__all__ = [
    "open_clip",
    "open_for_mattes",
    "plan_job",
    "run_job",
    "run_preview",
    "run_tracking",
    "shot_warnings",
]
