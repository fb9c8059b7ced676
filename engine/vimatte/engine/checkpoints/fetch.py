"""Fetching a network's weights from the hub: downloaded to a temporary folder, then brought in like any other file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from vimatte.engine.checkpoints.bring import Imported, import_weights
from vimatte.engine.checkpoints.sets import network_set
from vimatte.engine.errors import BackendError
from vimatte.engine.hub import fetch_from_hub

__all__ = ["pull_network"]

_KEPT = ("*.safetensors", "pytorch_model.bin")
_INSTALL = "pip install huggingface_hub"


def pull_network(name: str) -> Imported:
    """Fetch the weights of a set whose authors keep them on the hub. Raises BackendError; then nothing has changed."""
    one = network_set(name)
    if one.repository is None:
        raise BackendError(f"The weights '{name}' cannot be fetched by a program; {one.way}")
    by_hand = f"download {one.file} from {one.source} on another machine and type: vimatte weights import {name} FILE"
    with tempfile.TemporaryDirectory(prefix="vimatte.") as temp:
        commit = fetch_from_hub(
            one.repository,
            revision="main",
            into=Path(temp) / "files",
            kept=_KEPT,
            name=name,
            by_hand=by_hand,
            install=_INSTALL,
        )
        found = sorted(p for pattern in _KEPT for p in (Path(temp) / "files").glob(pattern))
        if not found:
            raise BackendError(f"{one.repository} holds none of {', '.join(_KEPT)}; look at {one.source}, or {by_hand}")
        return import_weights(name, found[0], origin=f"{one.repository}@{commit or 'main'}/{found[0].name}")
