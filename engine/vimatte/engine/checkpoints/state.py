"""Loading a network's weights from the user's cache: safetensors only, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vimatte.engine.checkpoints.sets import network_set
from vimatte.engine.errors import BackendError
from vimatte.engine.weights import cache, file_sha256

__all__ = ["RECORD", "WEIGHTS", "State", "digest_of", "has_weights", "load_state", "place_of", "read_record"]

WEIGHTS = "model.safetensors"
"""Name of a set's file."""
RECORD = "vimatte_source.json"
"""Beside it: where the file came from, its sha256, when, and under which licence."""


@dataclass(frozen=True, slots=True)
class State:
    """A network's weights as they lie in the cache."""

    tensors: dict[str, Tensor]
    """Key -> tensor on the CPU; floating point ones are float32."""
    sha256: str
    """Of the file, lower-case hex; what `settings` records, as it decides every pixel."""
    path: Path

    def __repr__(self) -> str:
        return f"State({len(self.tensors)} tensors, sha256 {self.sha256[:12]}…, {self.path})"


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """Sha256 over names, shapes and numbers of weights that came from no file, lower-case hex."""
    hasher = hashlib.sha256()
    for key in sorted(tensors):
        hasher.update(f"{key}{tuple(tensors[key].shape)}".encode())
        hasher.update(tensors[key].detach().cpu().contiguous().numpy().tobytes())
    return hasher.hexdigest()


def place_of(name: str) -> Path:
    """The folder of a set: `$VIMATTE_WEIGHTS/<name>`, or the user's cache folder. Raises BackendError."""
    return cache() / network_set(name).name


def has_weights(name: str) -> bool:
    """Whether a set has a file in the cache."""
    return (place_of(name) / WEIGHTS).is_file()


def load_state(name: str) -> State:
    """Load the weights of a set from the cache. Raises BackendError with the command to type where they are missing."""
    path = place_of(name) / WEIGHTS
    if not path.is_file():
        raise BackendError(f"The weights '{name}' are not in {path.parent}; {network_set(name).way}")
    try:
        found = file_sha256(path)
        recorded = read_record(name).get("sha256", found)
        if found != recorded:
            raise BackendError(
                f"The weights file {path} is damaged or was exchanged (its sha256 is {found[:12]}…, on arrival it was "
                f"{str(recorded)[:12]}…); {network_set(name).way}"
            )
        return State(load_file(path), found, path)
    except (OSError, SafetensorError) as error:
        raise BackendError(f"The weights file {path} cannot be read ({error}); {network_set(name).way}") from error


def read_record(name: str) -> dict[str, object]:
    """What was written down when the weights came; empty where nothing was, or where it cannot be read."""
    try:
        found = json.loads((place_of(name) / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
