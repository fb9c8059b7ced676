"""Weights of networks: loaded whole from the cache or refused in one sentence with the command to type."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vimatte.engine.checkpoints import NETWORKS, load_state
from vimatte.engine.errors import BackendError
from vimatte.engine.weights import file_sha256


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path / "cache"))
    return tmp_path / "cache"


def place(cache: Path, name: str, *, sha256: str | None = None) -> Path:
    """Two tensors as a set's file, with a record of its sha256."""
    folder = cache / name
    folder.mkdir(parents=True)
    path = folder / "model.safetensors"
    save_file({"a.weight": torch.arange(6.0).reshape(2, 3), "steps": torch.tensor(3)}, path)
    (folder / "vimatte_source.json").write_text(json.dumps({"sha256": sha256 or file_sha256(path)}))
    return path


def test_what_lies_there_is_loaded_with_its_digest(cache: Path) -> None:
    path = place(cache, "msg_vim")
    state = load_state("msg_vim")
    assert torch.equal(state.tensors["a.weight"], torch.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]))
    assert state.tensors["steps"].dtype == torch.int64
    assert (state.path, state.sha256) == (path, file_sha256(path))


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_missing_weights_say_what_to_type(name: str) -> None:
    with pytest.raises(BackendError, match=rf"vimatte weights import {name} FILE") as told:
        load_state(name)
    assert "\n" not in str(told.value)
    assert (f"vimatte weights pull {name}" in str(told.value)) == name.startswith("maggie")


def test_an_exchanged_and_a_torn_file_are_refused(cache: Path) -> None:
    place(cache, "msg_vim", sha256="0" * 64)
    with pytest.raises(BackendError, match="damaged or was exchanged"):
        load_state("msg_vim")
    path = place(cache, "oavm")
    path.write_bytes(path.read_bytes()[:-5])
    (path.parent / "vimatte_source.json").unlink()
    with pytest.raises(BackendError, match="cannot be read"):
        load_state("oavm")


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(BackendError, match="instmatt, maggie_image, maggie_video, msg_vim, oavm"):
        load_state("magic")
