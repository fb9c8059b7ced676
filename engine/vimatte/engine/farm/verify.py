"""The last step of a shot made in pieces: every frame whole and made alike, and a manifest that says so."""

from __future__ import annotations

import glob
import json
import shutil
import time
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vimatte.engine.errors import MediaError
from vimatte.engine.events import Event, PhaseStarted, Progress
from vimatte.engine.tracks import TrackSet
from vimatte.ocio.frame_range import FrameRange
from vimatte.ocio.inspect_layers import LayersFacts, inspect_layers
from vimatte.ocio.output_pattern import OutputPattern
from vimatte.ocio.whole_file import remove_stale, whole_file

__all__ = ["MANIFEST_VERSION", "verify_layers"]

MANIFEST_VERSION = 1

_STALE_AFTER = 3600.0
_SHOWN = 8
"""Frames whose faults are told one by one."""


def verify_layers(
    pattern: OutputPattern, *, tracks: TrackSet, frames: FrameRange, cryptomatte: bool = False
) -> Generator[Event, None, Path]:
    """Check the layers of `frames` and return the manifest, written as `layers.manifest.json`.

    Every file must be there, hold pixels that can all be read, have the same size, channels, version, models and people
    as most others, and the people of `tracks`. With `cryptomatte` the files beside them are asked the same. Raises
    MediaError that names every frame at fault; no manifest is left then.
    """
    manifest = pattern.beside(".manifest.json")
    kinds = {"layers": pattern, **({"cryptomatte": pattern.sibling("crypto")} if cryptomatte else {})}
    with suppress(OSError):
        manifest.unlink(missing_ok=True)
    yield PhaseStarted(phase="verify", total=len(frames))
    faults: dict[int, str] = {}
    facts: dict[str, dict[int, LayersFacts]] = {kind: {} for kind in kinds}
    for done, number in enumerate(frames, start=1):
        for kind, where in kinds.items():
            try:
                facts[kind][number] = inspect_layers(where.path(number))
            except MediaError as error:
                faults.setdefault(number, str(error))
        yield Progress(phase="verify", done=done, total=len(frames), detail=f"frame {number}")
    people = _people(tracks)
    for number, reason in _odd(facts["layers"], people=people, names=tracks.names):
        faults.setdefault(number, reason)
    for number, reason in _odd(facts.get("cryptomatte", {}), people=people, names=()):
        faults.setdefault(number, f"the Cryptomatte {reason}")
    if faults:
        raise MediaError(_sentence(faults, frames))
    for where in kinds.values():
        remove_stale(where)
    _remove_unfinished(pattern.beside(".tracks"))
    text = json.dumps(_manifest(tracks, frames, kinds=kinds, facts=facts), indent=1) + "\n"
    with whole_file(manifest, what="the manifest") as temp:
        temp.write_text(text, encoding="utf-8")
    return manifest


def _remove_unfinished(folder: Path) -> None:
    """Delete what runs that were killed while they saved tracks left beside `folder`; saving takes seconds."""
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*"):
        with suppress(OSError):
            if left.is_dir() and time.time() - left.stat().st_mtime > _STALE_AFTER:
                shutil.rmtree(left)


def _people(tracks: TrackSet) -> tuple[tuple[int, str, int | None, int | None], ...]:
    """The instance table as headers have it."""
    rows = []
    for one in tracks.instances:
        on = tracks.presence(one.id)
        rows.append((one.id, one.name, min(on, default=None), max(on, default=None)))
    return tuple(rows)


def _odd(
    facts: Mapping[int, LayersFacts],
    *,
    people: tuple[tuple[int, str, int | None, int | None], ...],
    names: Iterable[str],
) -> Generator[tuple[int, str]]:
    """(frame, how it differs) for every file that is not like most of them, or not of these tracks."""
    if not facts:
        return
    usual = {what: Counter(of(one) for one in facts.values()).most_common(1)[0][0] for what, of in _ALIKE.items()}
    layers = {f"{name}.A" for name in names}
    for number, one in facts.items():
        different = [what for what, of in _ALIKE.items() if of(one) != usual[what]]
        if different:
            yield number, f"has another {' and '.join(different)} than most frames"
        elif lacking := sorted(layers - set(one.channels)):
            yield number, f"lacks {', '.join(lacking)}"
        elif names and one.instances != people:
            yield number, "was made from other tracks"


_ALIKE: Mapping[str, Any] = {
    "size": lambda one: (one.width, one.height),
    "channel set": lambda one: one.channels,
    "version of the program": lambda one: one.version,
    "model or model setting": lambda one: one.models,
    "table of people": lambda one: one.instances,
}


def _sentence(faults: Mapping[int, str], frames: FrameRange) -> str:
    bad = FrameRange.of(faults)
    told = "; ".join(f"frame {number}: {faults[number]}" for number in bad.numbers[:_SHOWN])
    more = f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return (
        f"{len(bad)} of {len(frames)} frames are not as they should be: {told}{more}. Make them again with: "
        f"vimatte matte … --frames {bad} --resume"
    )


def _manifest(
    tracks: TrackSet,
    frames: FrameRange,
    *,
    kinds: Mapping[str, OutputPattern],
    facts: Mapping[str, Mapping[int, LayersFacts]],
) -> dict[str, object]:
    """Names without folders and nothing of time or machine: the same files give the same manifest everywhere."""
    first = facts["layers"][frames.first]
    files = [
        {
            "frame": number,
            "kind": kind,
            "file": where.path(number).name,
            "bytes": facts[kind][number].bytes,
            "sha256": facts[kind][number].sha256,
        }
        for number in frames
        for kind, where in kinds.items()
    ]
    return {
        "format": "vimatte.manifest",
        "version": MANIFEST_VERSION,
        "frames": str(frames),
        "size": [first.width, first.height],
        "channels": list(first.channels),
        "people": [{"id": i, "name": name, "first": low, "last": high} for i, name, low, high in _people(tracks)],
        "made_by": {"vimatte": first.version, "models": json.loads(first.models or "{}")},
        "tracks": {"folder": kinds["layers"].beside(".tracks").name, "digest": tracks.digest()},
        "files": files,
    }
