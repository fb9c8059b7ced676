"""First pass: find and follow everybody over the whole shot, and save it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path

from vimatte.engine.clip_shot import ClipShot
from vimatte.engine.errors import BackendError, ConfigError, MediaError
from vimatte.engine.events import Event, PhaseStarted, Planned, Progress, TracksReady, Warned
from vimatte.engine.job import MatteJob
from vimatte.engine.pipeline.request import tracks_digest
from vimatte.engine.registry import VIS
from vimatte.engine.tracks import TrackSet
from vimatte.engine.vis.backend import KeyMasks, UsesCheckpoint, VisBackend
from vimatte.engine.vis.carriers import CARRIED, CARRIER
from vimatte.engine.vis.choose import MODEL_TYPES
from vimatte.engine.vis.mask_files import load_masks
from vimatte.engine.vis.propagate import settings
from vimatte.engine.weights import locate

__all__ = ["open_backend", "ready_tracks"]


def open_backend(job: MatteJob) -> VisBackend:
    """Open the people finder a job names. Raises BackendError when it cannot run, ConfigError for idle options."""
    backend: VisBackend = VIS.load(job.vis_name)()
    if job.clean_edges:
        if backend.name != "blazepose":
            raise ConfigError(
                f"--clean-edges is for people that 'blazepose' finds, here it is '{backend.name}'; leave it out."
            )
        locate("mobile_sam")
    if backend.name in CARRIED:
        settings(job.propagate or CARRIER)
    elif job.propagate is not None:
        raise ConfigError(
            f"--propagate {job.propagate} is for masks that are given or that 'blazepose' finds, here the people "
            f"finder is '{backend.name}'; leave it out."
        )
    if isinstance(backend, UsesCheckpoint):
        backend.checkpoint(job.vis_options("cpu"))
        return backend
    for option in ("weights", "prompt"):
        if getattr(job, option) is not None:
            raise ConfigError(
                f"The people finder '{backend.name}' takes no --{option}; leave it out, "
                f"or choose with --vis one that does: {', '.join(sorted(MODEL_TYPES))}."
            )
    return backend


def ready_tracks(shot: ClipShot, job: MatteJob, folder: Path, *, device: str) -> Generator[Event, None, TrackSet]:
    """Return the tracks of a job: those it names, those saved by an earlier run of the same job, or new ones."""
    if job.tracks is not None:
        tracks = _named(TrackSet.load(job.tracks), job.names)
        _check_fit(tracks, shot, job.tracks)
        if job.tracks.resolve() != folder.resolve():
            _save(tracks, folder)
    else:
        tracks = yield from _tracked(shot, job, folder, device=device)
    if not tracks.instances:
        raise BackendError(
            f"Nobody was found in {shot.info.path.name} on frames {shot.frames}, so there is nothing to matte; "
            "give a mask of each person on one frame with --masks, or look more often with --detect-every 1."
        )
    yield TracksReady(path=str(folder), names=tracks.names)
    return tracks


def _tracked(shot: ClipShot, job: MatteJob, folder: Path, *, device: str) -> Generator[Event, None, TrackSet]:
    backend = open_backend(job)
    keys: KeyMasks | None = None
    if job.masks is not None:
        loaded = load_masks(job.masks, info=shot.info, frames=shot.frames)
        keys = loaded.keys
        yield Planned(lines=(("masks", loaded.interpretation),))
        for warning in loaded.warnings:
            yield Warned(message=warning)
    request = tracks_digest(shot, job, backend, keys)
    if job.resume and folder.is_dir():
        saved = TrackSet.load(folder)
        if saved.source.get("request") == request:
            named = _named(saved, job.names)
            if named.names != saved.names:
                named.save(folder)
            return named
    last = ""
    run = backend.track(shot, keys=keys, options=job.vis_options(device))
    while True:
        try:
            event = next(run)
        except StopIteration as end:
            tracks: TrackSet = end.value
            break
        if isinstance(event, Progress) and event.phase != last:
            last = event.phase
            yield PhaseStarted(phase=event.phase, total=event.total)
        yield event
    tracks = replace(tracks, source={**tracks.source, "request": request})
    try:
        named = _named(tracks, job.names)
    except ConfigError:
        # Who was found is kept for the next try with other names.
        _save(tracks, folder)
        raise
    _save(named, folder)
    return named


def _named(tracks: TrackSet, names: Mapping[str, str]) -> TrackSet:
    todo = {old: new for old, new in names.items() if new not in tracks.names}
    return tracks.rename(todo) if todo else tracks


def _save(tracks: TrackSet, folder: Path) -> None:
    """Save tracks unless they are there: a farm may run a task twice, and replacing has a gap for whoever reads."""
    if _holds(folder, tracks):
        return
    try:
        tracks.save(folder)
    except MediaError:
        # Another machine with the same task may have been faster by a moment.
        if not _holds(folder, tracks):
            raise


def _holds(folder: Path, tracks: TrackSet) -> bool:
    """Whether these very tracks are saved there."""
    try:
        return TrackSet.load(folder).digest() == tracks.digest()
    except MediaError:
        return False


def _check_fit(tracks: TrackSet, shot: ClipShot, folder: Path) -> None:
    info = shot.info
    if (tracks.width, tracks.height) != (info.width, info.height):
        raise MediaError(
            f"The tracks {folder} are {tracks.width}x{tracks.height}, {info.path.name} is {info.width}x{info.height}; "
            "track this shot anew with: vimatte track"
        )
