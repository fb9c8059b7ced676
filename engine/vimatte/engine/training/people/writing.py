"""Many clips into a folder: each appears whole, by renaming, and those that are there are passed over."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vimatte.engine.errors import ConfigError, MediaError
from vimatte.engine.training.people.actor import Studio
from vimatte.engine.training.people.clip import Filters, drawn, stage
from vimatte.engine.training.people.film import encoded
from vimatte.engine.training.people.scene import Rasteriser

__all__ = ["ClipWritten", "Order", "clip_name", "write_people"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which clips to make, and how."""

    clips: int = 4
    start: int = 0
    """Number of the first: several machines may each make some."""
    frames: int = 8
    """Of each clip; another number makes other clips."""
    seed: int = 0
    size: int = 512
    """Longer side, pixels."""
    passes: int = 24
    """Jittered drawings a frame, four coverage samples each; up to 1.75 times as many where things are smeared."""
    threads: int = 1
    """Frames drawn side by side; the same bytes with any number."""
    filters: Filters = field(default_factory=Filters)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipWritten:
    """A clip is there."""

    folder: Path
    number: int
    """1 for the first of the order."""
    seconds: float
    """It took; 0 where it was there before."""
    meta: dict[str, Any]
    """Nothing where it was there before."""


def clip_name(seed: int, clip: int) -> str:
    """The folder of a clip."""
    return f"clip_{seed:04d}_{clip:05d}"


def write_people(studio: Studio, folder: Path, order: Order, rasterise: Rasteriser) -> Iterator[ClipWritten]:
    """Make the clips of an order: `clip_SSSS_CCCCC/` with `000.webp` … (straight colour, alpha) and `meta.json`.

    A clip is a pure function of seed, number, frames, size, passes and filters. Raises MediaError where the folder
    cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, clip in enumerate(range(order.start, order.start + order.clips), 1):
            target = folder / clip_name(order.seed, clip)
            if target.exists():
                _require_same(target, order)
                yield ClipWritten(folder=target, number=number, seconds=0.0, meta={})
                continue
            started = time.monotonic()
            meta = _write(studio, target, order, clip, rasterise)
            seconds = time.monotonic() - started
            _log.info("%s in %.1f s", target.name, seconds)
            yield ClipWritten(folder=target, number=number, seconds=seconds, meta=meta)
    except OSError as error:
        raise MediaError(
            f"People cannot be written to '{folder}' ({error}); make room there or give another --out."
        ) from None


def _asked(order: Order) -> dict[str, Any]:
    """What a clip follows from besides seed and number, as meta.json has it."""
    return {
        "frames": order.frames,
        "size": order.size,
        "passes": order.passes,
        "filters": {name: value for name, value in asdict(order.filters).items() if value is not None},
    }


def _require_same(target: Path, order: Order) -> None:
    """Refuse to pass over a clip that was made from other settings; clips of the older tool do not say."""
    try:
        made = json.loads((target / "meta.json").read_text(encoding="utf-8")).get("asked", _asked(order))
    except (FileNotFoundError, ValueError):
        raise ConfigError(f"'{target}' is there and is no clip; move it away or give another --out.") from None
    if made != _asked(order):
        raise ConfigError(
            f"'{target}' was made with {made}, asked for is {_asked(order)}; give another --out or the same settings."
        )


def _write(studio: Studio, target: Path, order: Order, clip: int, rasterise: Rasteriser) -> dict[str, Any]:
    # Named after the process: two that make the same clips do not write into one folder.
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    scratch.mkdir()
    try:
        staged = stage(
            studio,
            seed=order.seed,
            clip=clip,
            frames=order.frames,
            size=order.size,
            passes=order.passes,
            filters=order.filters,
        )
        meta, size = {**staged.meta, "asked": _asked(order)}, 0
        for index, frame in enumerate(drawn(staged, rasterise, threads=order.threads)):
            data = encoded(frame.rgba)
            (scratch / f"{index:03d}.webp").write_bytes(data)
            size += len(data)
            meta["exposure"] = round(frame.exposure, 3)
        meta["bytes_per_frame"] = size // order.frames
        (scratch / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
        if not target.exists():  # somebody else may have made the same bytes meanwhile
            os.rename(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return meta
