"""The trained weights that come with the program: half precision safetensors inside the package."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load

from vimatte.engine.checkpoints.state import State
from vimatte.engine.errors import BackendError

__all__ = ["digest", "shipped"]


def shipped(name: str) -> State:
    """Load the weights of `lite.<name>`, as float32 on the CPU, with the sha256 of the file they came in.

    Raises BackendError where the installation lacks them.
    """
    source = resources.files("vimatte.engine.lite") / "weights" / f"{name}.safetensors"
    try:
        raw = source.read_bytes()
        tensors = {key: value.float() for key, value in load(raw).items()}
    except (OSError, SafetensorError) as error:
        raise BackendError(
            f"The weights of lite.{name}, part of this program, cannot be read from {source} ({error}); "
            f"install vimatte again."
        ) from error
    return State(tensors, hashlib.sha256(raw).hexdigest(), Path(str(source)))


@cache
def digest(name: str) -> str:
    """Sha256 of the file of weights of `lite.<name>`, read once. Raises BackendError where it is not there."""
    return shipped(name).sha256
