"""Fingerprints: what a track set and a layers file were made from, so that `--resume` keeps only what still fits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version

from vimatte.engine.clip_shot import ClipShot
from vimatte.engine.job import MatteJob
from vimatte.engine.tracks import Instance, TrackSet
from vimatte.engine.vis import refine_keys
from vimatte.engine.vis.backend import KeyMasks, UsesCheckpoint, VisBackend
from vimatte.engine.vis.carriers import CARRIED, CARRIER
from vimatte.engine.vis.propagate import settings
from vimatte.engine.weights import weight_set

__all__ = ["frame_digests", "shot_facts", "tracks_digest"]


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
    if job.clean_edges:
        facts["clean_edges"] = {**refine_keys.SETTINGS, "weights": weight_set("mobile_sam").files[0].sha256}
    if backend.name in CARRIED:
        facts["propagate"] = settings(job.propagate or CARRIER)
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


def frame_digests(
    shot: ClipShot, job: MatteJob, tracks: TrackSet, *, matting: Mapping[str, object], reach: int
) -> dict[int, str]:
    """Frame number -> sha256 of everything that decides a pixel or a header value of that frame's files.

    Of the tracks that is what every header says (who there is, their first and last frames, how they were found) and
    everybody's masks on the frames that the model looks at: `reach` on each side. Frames whose digests are equal in two
    runs are equal byte for byte, so after a correction only the others are made anew.
    """
    facts = {
        "version": version("vimatte"),
        "shot": shot_facts(shot),
        "working": shot.working.space,
        "people": [_header_row(tracks, one) for one in tracks.instances],
        "tracks": dict(tracks.source),
        "matting": dict(matting),
        "layers": [job.layers, job.plate, job.depth, job.compression],
    }
    common = hashlib.sha256(_canonical(facts))
    numbers = shot.frames.numbers
    masks = [_masks_digest(tracks, number) for number in numbers]
    digests = {}
    for at, number in enumerate(numbers):
        own = common.copy()
        for other in range(max(0, at - reach), min(len(numbers), at + reach + 1)):
            own.update(f"/{other - at}/".encode() + masks[other])
        digests[number] = own.hexdigest()
    return digests


def _header_row(tracks: TrackSet, one: Instance) -> list[object]:
    on = tracks.presence(one.id)
    return [one.id, one.name, one.label, one.score, min(on, default=None), max(on, default=None)]


def _masks_digest(tracks: TrackSet, number: int) -> bytes:
    hasher = hashlib.sha256()
    for one in tracks.ids:
        rle = tracks.masks[one].get(number)
        if rle is not None:
            hasher.update(f"{one}/{rle.counts.size}/".encode() + rle.counts.tobytes())
    return hasher.digest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, default=str).encode()
