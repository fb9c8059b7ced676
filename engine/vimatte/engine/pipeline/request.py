"""Fingerprints: what a track set and a layers file were made from, so that `--resume` keeps only what still fits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version

from vimatte.engine.clip_shot import ClipShot
from vimatte.engine.job import MatteJob
from vimatte.engine.tracks import TrackSet
from vimatte.engine.vis.backend import KeyMasks, UsesCheckpoint, VisBackend

__all__ = ["layers_digest", "shot_facts", "tracks_digest"]


def shot_facts(shot: ClipShot) -> dict[str, object]:
    """What a shot is, without its path: a job may be resumed after the folder moved."""
    info = shot.info
    return {
        "name": info.path.name,
        "bytes": info.path.stat().st_size if info.kind != "sequence" else 0,
        "size": [info.width, info.height],
        "frames": str(shot.frames),
        "space": shot.decision.space,
        "config": shot.config.name,
    }


def tracks_digest(shot: ClipShot, job: MatteJob, backend: VisBackend, keys: KeyMasks | None) -> str:
    """Sha256 of everything that decides the tracks."""
    facts: dict[str, object] = {
        "shot": shot_facts(shot),
        "backend": backend.name,
        "settings": dict(backend.settings),
        "options": [job.max_instances, job.min_area, job.min_duration, job.detect_every],
    }
    if isinstance(backend, UsesCheckpoint):
        facts["weights"] = backend.checkpoint(job.vis_options("cpu")).digest
        facts["prompt"] = job.prompt
    hasher = hashlib.sha256(_canonical(facts))
    if keys is not None:
        hasher.update(_canonical([list(keys.names), {f: sorted(n) for f, n in keys.unsaid.items()}]))
        for frame in keys.frames:
            for name in sorted(keys.masks[frame]):
                hasher.update(f"{frame}/{name}/".encode() + keys.masks[frame][name].counts.tobytes())
    return hasher.hexdigest()


def layers_digest(shot: ClipShot, job: MatteJob, tracks: TrackSet, matting: Mapping[str, object]) -> str:
    """Sha256 of everything that decides a pixel or a header value of a layers file."""
    facts = {
        "version": version("vimatte"),
        "shot": shot_facts(shot),
        "working": shot.working.space,
        "tracks": tracks.digest(),
        "matting": dict(matting),
        "layers": [job.layers, job.plate, job.depth, job.compression],
    }
    return hashlib.sha256(_canonical(facts)).hexdigest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, default=str).encode()
