"""Files of a repository of the Hugging Face hub, fetched into a folder; the one place that reaches the network there.

The library's own settings (`HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE`) are respected.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vimatte.engine.errors import BackendError

__all__ = ["fetch_from_hub"]


def fetch_from_hub(
    repository: str, *, revision: str, into: Path, kept: Sequence[str], name: str, by_hand: str, install: str
) -> str | None:
    """Fetch the files whose names match `kept` into the folder `into`; return the commit they are of.

    `name` is the set's, for messages; `by_hand` says how else the files are had, `install` how the hub's client is.
    Raises BackendError in one sentence: package missing, offline, access refused, no such repository, no network.
    """
    try:
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.errors import GatedRepoError
    except ImportError as error:
        raise BackendError(f"Weights are fetched from the hub by 'huggingface_hub'; type: {install}") from error
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise BackendError(
            f"The weights '{name}' are not fetched because HF_HUB_OFFLINE is set; unset it, or {by_hand}."
        )
    try:
        commit = HfApi().model_info(repository, revision=revision).sha
        snapshot_download(repository, revision=commit or revision, local_dir=into, allow_patterns=list(kept))
    except GatedRepoError as error:
        raise BackendError(
            f"Access to {repository} must be asked for at https://huggingface.co/{repository}; then type: "
            f"hf auth login, and again: vimatte weights pull {name}"
        ) from error
    except Exception as error:  # errors of the HTTP library below, another one in every version
        raise BackendError(
            f"The hub could not give {repository} ({_first_line(error)}); check the network, or {by_hand}."
        ) from error
    return commit


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")
