"""Reading a file of weights that somebody else made, without running what somebody else wrote.

Known are safetensors and torch's own formats (`.pth`, `.pt`, `.ckpt`, `.bin`; the zip of today and the pickle from
before torch 1.6), these with `weights_only=True`: of a pickle's power to call anything, only the making of tensors and
plain values is left.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vimatte.engine.errors import BackendError

__all__ = ["FoundWeights", "read_weights"]

_WEIGHTS = ("state_dict", "model", "model_state_dict")
"""Entries of a training checkpoint that hold the weights, in the order they are looked for."""
_PREFIX = "module."
"""What a data-parallel wrapper puts before every name."""
_SCALAR = np.float64(0).__reduce__()[0]
"""What a pickle makes numpy's numbers with."""
_HARMLESS: list[Any] = [
    # A training loop that averages with numpy leaves its loss beside the weights as numpy's own kind of number.
    _SCALAR,
    (_SCALAR, "numpy.core.multiarray.scalar"),  # as numpy 1 called it
    np.dtype,
    *(type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)),
]


@dataclass(frozen=True, slots=True)
class FoundWeights:
    """What a file holds."""

    tensors: dict[str, Tensor]
    """Name -> tensor on the CPU, as stored; names without the wrapper's leading `module.`."""
    dropped: tuple[str, ...]
    """Entries beside the weights: the optimiser's state, the number of steps and the like."""


def read_weights(path: Path) -> FoundWeights:
    """Read the tensors of a file. Raises BackendError in one sentence: no file, not weights, torn, or with code."""
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise BackendError(f"The weights file {path} cannot be read ({error.strerror}).") from error
    _not_weights(path, start)
    holds = _safetensors(path) if start[8:9] == b"{" else _torch(path)
    return _unwrap(path, holds)


def _not_weights(path: Path, start: bytes) -> None:
    """Refuse what commonly comes instead of weights."""
    text = start.lstrip().lower()
    if not start:
        raise BackendError(f"The weights file {path} is empty; fetch it again.")
    if text.startswith((b"<!doctype", b"<html")):
        raise BackendError(
            f"{path} is a web page, not weights: the site wanted a confirmation first; fetch the file with a browser."
        )
    if text.startswith(b"version https://git-lfs"):
        raise BackendError(f"{path} only says where the weights lie (a Git LFS pointer); type: git lfs pull")
    if start.startswith(b"PK") and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any(n.endswith("/constants.pkl") for n in names):
            raise BackendError(f"{path} is a TorchScript program, not weights; it was not loaded: get its state dict.")
        if not any(n.endswith("data.pkl") for n in names):
            raise BackendError(
                f"{path} is an archive, not weights; unpack it and name one of its files: {', '.join(names[:4])}"
            )


def _safetensors(path: Path) -> Mapping[str, object]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise BackendError(f"{path} cannot be read as safetensors ({error}); it is torn: fetch it again.") from error


def _torch(path: Path) -> Mapping[str, object]:
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_HARMLESS):
            warnings.simplefilter("ignore")
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        if asked is None:
            raise BackendError(f"{path} is neither safetensors nor a file of torch, or it is torn.") from error
        raise BackendError(
            f"{path} asks for '{asked[1]}' while it is loaded, which is code, not weights, so nothing of it was "
            f"loaded; where it comes from somebody you trust, ask them for the state dict alone or as safetensors."
        ) from error
    except Exception as error:  # what torn bytes make the library raise is nowhere listed
        raise BackendError(f"{path} cannot be read ({_first_line(error)}); it is torn: fetch it again.") from error
    if not isinstance(found, Mapping):
        raise BackendError(f"{path} holds a {type(found).__name__}, not weights by name.")
    return found


def _unwrap(path: Path, holds: Mapping[str, object]) -> FoundWeights:
    """Take the weights out of a training checkpoint, and the wrapper's prefix off their names."""
    entry = next((e for e in _WEIGHTS if isinstance(holds.get(e), Mapping)), None)
    inner = holds if entry is None else holds[entry]
    assert isinstance(inner, Mapping)
    tensors = {str(k): v.detach() for k, v in inner.items() if isinstance(v, Tensor)}
    dropped = [str(k) for k, v in inner.items() if not isinstance(v, Tensor)]
    if entry is not None:
        dropped += [str(k) for k in holds if k != entry]
    if not tensors:
        raise BackendError(f"{path} holds no weights; it holds: {', '.join(sorted(dropped)[:6]) or 'nothing'}.")
    if all(name.startswith(_PREFIX) for name in tensors):
        # Once, and only in front: the names of spectral-norm layers hold '.module.' themselves.
        tensors = {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}
    return FoundWeights(tensors, tuple(sorted(dropped)))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".") if lines else type(error).__name__
