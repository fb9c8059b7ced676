"""Bringing a file of weights into the cache: checked against the network, turned into safetensors, written down."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from vimatte.engine.checkpoints.fit import empty_network, fit, looks_like
from vimatte.engine.checkpoints.read import FoundWeights, read_weights
from vimatte.engine.checkpoints.sets import NetworkSet, network_set
from vimatte.engine.checkpoints.state import RECORD, WEIGHTS, place_of
from vimatte.engine.errors import BackendError
from vimatte.engine.weights import file_sha256

__all__ = ["Imported", "import_weights"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of it."""

    path: Path
    """The file in the cache."""
    sha256: str
    """Of that file; the same input gives the same file everywhere."""
    notes: tuple[str, ...]
    """What was dropped, cast or is unknown: sentences to show."""


def import_weights(name: str, file: Path, *, origin: str | None = None) -> Imported:
    """Check `file` against the network of the set `name` and put it into the cache; the caller asked for the licence.

    `origin` says where the file came from; default: its name. Raises BackendError, and then the cache is as it was.
    """
    one = network_set(name)
    found = read_weights(file)
    wanted = empty_network(one).state_dict()
    _check(one, file, found, wanted)
    tensors = {key: found.tensors[key].to(w.dtype).contiguous().clone() for key, w in wanted.items()}
    notes = _notes(one, file, found, wanted)
    place = place_of(name)
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import.", dir=place) as temp:
            made = Path(temp) / WEIGHTS
            save_file(tensors, made)
            record = Path(temp) / RECORD
            digest = file_sha256(made)
            record.write_text(
                json.dumps(
                    {
                        "set": name,
                        "sha256": digest,
                        "file": origin or file.name,
                        "file_sha256": file_sha256(file),
                        "date": datetime.now(UTC).isoformat(timespec="seconds"),
                        "licence": one.licence,
                        "licence_accepted": True,
                        "source": one.source,
                        "notes": list(notes),
                        "vimatte": version("vimatte"),
                    },
                    indent=1,
                )
                + "\n",
                encoding="utf-8",
            )
            for path in (made, record):
                _flush(path)
                path.replace(place / path.name)
    except OSError as error:
        raise BackendError(
            f"The weights '{name}' cannot be written to {place} ({error.strerror}); "
            f"set VIMATTE_WEIGHTS to a folder that can be written."
        ) from error
    return Imported(path=place / WEIGHTS, sha256=digest, notes=notes)


def _check(one: NetworkSet, file: Path, found: FoundWeights, wanted: dict[str, Tensor]) -> None:
    differs = fit(found.tensors, wanted)
    if not differs.whole:
        other = looks_like(found.tensors)
        what = f"this looks like {other}; " if other else ""
        raise BackendError(f"{file} does not hold the weights of {one.title} ({what}{differs}); nothing was imported.")
    broken = [k for k, t in found.tensors.items() if t.is_floating_point() and not bool(torch.isfinite(t).all())]
    if broken:
        raise BackendError(
            f"{file} holds NaN or infinity in {len(broken)} of {len(wanted)} tensors, '{broken[0]}' among them; "
            f"nothing was imported: fetch it again, or take an earlier step of the training."
        )


def _notes(one: NetworkSet, file: Path, found: FoundWeights, wanted: dict[str, Tensor]) -> tuple[str, ...]:
    notes = []
    if found.dropped:
        notes.append(f"Left out, as it is not weights: {', '.join(found.dropped)}.")
    kinds = [found.tensors[k].dtype for k, w in wanted.items() if w.dtype == torch.float32]
    for kind, count in Counter(str(k).removeprefix("torch.") for k in kinds if k != torch.float32).items():
        notes.append(f"{count} tensors were {kind} and are float32 now; what rounding took is not brought back.")
    if one.file is not None and one.sha256 is None:
        notes.append("The authors publish no sha256: this file's is written down, and held against it from now on.")
    elif one.sha256 is not None and file_sha256(file) != one.sha256:
        notes.append(f"This is not the authors' file (whose sha256 begins {one.sha256[:12]}), though it fits.")
    return tuple(notes)


def _flush(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())
