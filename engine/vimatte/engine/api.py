"""The main job in Python, one stage a function. `run_job` is the same thing said as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vimatte.engine.clip_shot import ClipShot
from vimatte.engine.device import choose_device
from vimatte.engine.job import MatteJob
from vimatte.engine.matte import MatteFrame
from vimatte.engine.pipeline.matte_pass import open_output
from vimatte.engine.registry import MATTING, VIS
from vimatte.engine.tracks import TrackSet
from vimatte.engine.vis.backend import VisOptions
from vimatte.engine.vis.choose import choose_finder
from vimatte.engine.vis.mask_files import load_masks

__all__ = ["backends", "matte_instances", "track_instances", "write_mattes"]


def backends() -> dict[str, tuple[str, ...]]:
    """Names that can be asked for: {'vis': people finders, 'matting': matting models}."""
    return {"vis": VIS.names(), "matting": MATTING.names()}


def track_instances(
    shot: ClipShot, *, masks: Path | None = None, vis: str = "auto", device: str = "auto", **options: Any
) -> TrackSet:
    """Find and follow everybody in a shot opened by `open_clip`.

    `masks` are an artist's, in any layout of docs/masks.md; `options` are fields of `VisOptions` (max_instances,
    min_area, min_duration, detect_every, weights, prompt). Raises BackendError when weights are missing, ConfigError
    for bad masks.
    """
    keys = load_masks(masks, info=shot.info, frames=shot.frames).keys if masks is not None else None
    weights, prompt = options.get("weights"), options.get("prompt")
    name = choose_finder(vis, masks=keys is not None, weights=Path(weights) if weights else None, prompt=prompt)
    run = VIS.load(name)().track(shot, keys=keys, options=VisOptions(device=choose_device(device), **options))
    while True:
        try:
            next(run)
        except StopIteration as end:
            tracks: TrackSet = end.value
            return tracks


def matte_instances(
    shot: ClipShot,
    tracks: TrackSet,
    *,
    model: str = "lite",
    frames: Sequence[int] | None = None,
    device: str = "auto",
) -> Iterator[MatteFrame]:
    """Stream the mattes of `frames` (all of the shot's when None), ascending; (n, h, w) alphas that sum to <= 1."""
    opened = MATTING.load(model)(device=choose_device(device))
    stream: Iterator[MatteFrame] = opened.mattes(shot, tracks, list(shot.frames if frames is None else frames))
    return stream


def write_mattes(
    mattes: Iterator[MatteFrame], out: str, *, shot: ClipShot, tracks: TrackSet, **options: Any
) -> Iterator[Path]:
    """Write each frame's layers as it comes and yield its path.

    `options` are the output fields of `MatteJob`: layers, plate, depth, compression, cryptomatte.
    """
    job = MatteJob(shot=shot.info.path, out=out, overwrite=True, **options)
    output = open_output(shot, job, tracks)
    for frame in mattes:
        yield output.write(shot.plate(frame.number), frame)
