"""Weights of networks: brought by hand or pulled, checked key by key, loaded whole or refused in one sentence."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vimatte.engine.checkpoints import NETWORKS, NetworkSet, load_state, sets
from vimatte.engine.checkpoints.bring import import_weights
from vimatte.engine.checkpoints.catalogue import listed
from vimatte.engine.checkpoints.fetch import pull_network
from vimatte.engine.checkpoints.fit import bytes_of, empty_network
from vimatte.engine.checkpoints.verify import verify
from vimatte.engine.errors import BackendError
from vimatte.engine.weights import file_sha256


class Tiny(nn.Module):
    """Names like those of the published networks: a spectral norm's `.module.` inside, a counter."""

    def __init__(self, *, wide: int = 3) -> None:
        super().__init__()
        self.conv = nn.Module()
        self.conv.module = nn.Conv2d(2, wide, 1)
        self.norm = nn.BatchNorm2d(wide)
        self.refiner = nn.Linear(wide, 1)


TINY = NetworkSet(
    name="tiny",
    purpose="test",
    title="Tiny's stage 2",
    network=f"{__name__}:Tiny",
    licence="none stated",
    terms="no licence",
    source="https://example.org/tiny",
    file="tiny.pth",
    without={"refiner.": "Tiny's stage 1"},
    training="nothing",
)
WIDE = NetworkSet(
    name="wide",
    purpose="test",
    title="Wide",
    network=f"{__name__}:Tiny",
    options={"wide": 5},
    licence="CC-BY-NC-4.0",
    terms="non-commercial",
    source="https://example.org/wide",
    repository="some/wide",
    file="model.safetensors",
    training="nothing",
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """The sets 'tiny' and 'wide' instead of the real ones; weights for the first."""
    monkeypatch.setitem(sys.modules, __name__, SimpleNamespace(Tiny=Tiny))  # pytest imports tests under no fixed name
    for place in (sets, "vimatte.engine.checkpoints.fit", "vimatte.engine.checkpoints.catalogue"):
        name = place if isinstance(place, str) else place.__name__
        monkeypatch.setattr(f"{name}.NETWORKS", {"tiny": TINY, "wide": WIDE})
    torch.manual_seed(1)
    return Tiny().state_dict()


def files(cache: Path, name: str) -> list[str]:
    return sorted(p.name for p in (cache / name).rglob("*")) if (cache / name).exists() else []


def as_published(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """As a trainer of a data-parallel network saves: prefixed, with the optimiser beside, the loss one of numpy's."""
    return {
        "state_dict": {f"module.{k}": v for k, v in tensors.items()},
        "iter": 7,
        "loss": np.float64(0.25),
        "opt_state_dict": {"state": {0: {"step": torch.tensor(7.0)}}},
    }


def test_missing_weights_say_what_to_type() -> None:
    for name in NETWORKS:
        with pytest.raises(BackendError, match=rf"vimatte weights import {name} FILE") as told:
            load_state(name)
        assert "\n" not in str(told.value)
        assert (f"vimatte weights pull {name}" in str(told.value)) == name.startswith("maggie")
    with pytest.raises(BackendError, match="instmatt, maggie_image, maggie_video, msg_vim, oavm"):
        load_state("magic")


@pytest.mark.parametrize("layout", ["published", "legacy", "plain", "lightning", "safetensors"])
def test_whatever_the_layout_the_same_weights_arrive(
    tiny: dict[str, Tensor], cache: Path, tmp_path: Path, layout: str
) -> None:
    file = tmp_path / "given.pth"
    match layout:
        case "published":
            torch.save(as_published(tiny), file)
        case "legacy":
            torch.save(as_published(tiny), file, _use_new_zipfile_serialization=False)
        case "plain":
            torch.save(tiny, file)
        case "lightning":
            torch.save({"state_dict": tiny, "pytorch-lightning_version": "2", "callbacks": {}}, file)
        case "safetensors":
            save_file({f"module.{k}": v for k, v in tiny.items()}, file)
    imported = import_weights("tiny", file)
    state = load_state("tiny")
    assert sorted(state.tensors) == sorted(tiny)
    for key, tensor in tiny.items():
        assert state.tensors[key].dtype == tensor.dtype
        assert torch.equal(state.tensors[key], tensor)
    assert (state.path, state.sha256) == (imported.path, imported.sha256)
    assert state.sha256 == file_sha256(state.path)
    assert files(cache, "tiny") == ["model.safetensors", "vimatte_source.json"]
    Tiny().load_state_dict(state.tensors, strict=True)


def test_what_came_is_written_down(tiny: dict[str, Tensor], cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "best_model.pth"
    torch.save(as_published(tiny), file)
    imported = import_weights("tiny", file)
    record = json.loads((cache / "tiny" / "vimatte_source.json").read_text())
    assert record["file"] == "best_model.pth"
    assert record["file_sha256"] == file_sha256(file)
    assert record["sha256"] == imported.sha256
    assert record["licence"] == "none stated"
    assert record["licence_accepted"] is True
    assert record["date"].endswith("+00:00")
    assert "iter, loss, opt_state_dict" in imported.notes[0]
    assert "no sha256" in imported.notes[1]
    assert str(tmp_path) not in json.dumps(record)


def test_the_file_in_the_cache_does_not_depend_on_when_or_from_what(tiny: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(as_published(tiny), tmp_path / "a.pth")
    save_file(dict(reversed(tiny.items())), tmp_path / "b.safetensors")
    digests = {import_weights("tiny", tmp_path / name).sha256 for name in ("a.pth", "b.safetensors")}
    assert len(digests) == 1


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32_and_it_is_said(
    tiny: dict[str, Tensor], tmp_path: Path, kind: torch.dtype
) -> None:
    given = {k: v.to(kind) if v.is_floating_point() else v for k, v in tiny.items()}
    torch.save(given, tmp_path / "a.pth")
    notes = import_weights("tiny", tmp_path / "a.pth").notes
    assert f"8 tensors were {str(kind).removeprefix('torch.')} and are float32 now" in notes[0]
    for key, tensor in load_state("tiny").tensors.items():
        assert torch.equal(tensor, given[key].to(tiny[key].dtype))


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("layout", ["zip", "legacy", "pickle"])
def test_a_pickle_with_code_is_refused_and_its_code_does_not_run(
    tiny: dict[str, Tensor], cache: Path, tmp_path: Path, layout: str
) -> None:
    mark, file = tmp_path / "it ran", tmp_path / "evil.pth"
    holds = {"state_dict": tiny if layout != "pickle" else {}, "loss": Evil(mark)}
    if layout == "pickle":
        with file.open("wb") as into:
            pickle.dump(holds, into, protocol=2)
    else:
        torch.save(holds, file, _use_new_zipfile_serialization=layout == "zip")
    with pytest.raises(BackendError, match=r"asks for '\w+\.mkdir'.*nothing of it was loaded") as told:
        import_weights("tiny", file)
    assert "safetensors" in str(told.value)
    assert "\n" not in str(told.value)
    assert not mark.exists()
    assert files(cache, "tiny") == []
    code = f"import torch; torch.load({str(file)!r}, weights_only=False)"
    subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert mark.exists(), "the file of this test would have done something"


def test_a_whole_module_and_a_program_are_refused(tiny: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "module.pth")
    with pytest.raises(BackendError, match=r"asks for 'torch.nn.modules.linear.Linear'"):
        import_weights("tiny", tmp_path / "module.pth")
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        archive.writestr("script/constants.pkl", b"")
        archive.writestr("script/data.pkl", b"")
    with pytest.raises(BackendError, match="TorchScript"):
        import_weights("tiny", tmp_path / "script.pt")


@pytest.mark.parametrize("layout", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_a_torn_file_is_one_sentence(
    tiny: dict[str, Tensor], cache: Path, tmp_path: Path, layout: str, kept: float
) -> None:
    file = tmp_path / "torn"
    if layout == "safetensors":
        save_file(tiny, file)
    else:
        torch.save(as_published(tiny), file, _use_new_zipfile_serialization=layout == "zip")
    content = file.read_bytes()
    file.write_bytes(content[: max(1, int(kept * len(content)))])
    with pytest.raises(BackendError) as told:
        import_weights("tiny", file)
    assert "\n" not in str(told.value)
    assert "torn" in str(told.value)
    assert files(cache, "tiny") == []


def test_what_commonly_comes_instead_of_weights_is_named(tiny: dict[str, Tensor], tmp_path: Path) -> None:
    file = tmp_path / "given"
    with pytest.raises(BackendError, match="cannot be read"):
        import_weights("tiny", file)
    for content, words in (
        (b"", "empty"),
        (b"\n<!DOCTYPE html><html>Google Drive cannot scan", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (np.random.default_rng(1).bytes(3000), "neither safetensors nor a file of torch"),
    ):
        file.write_bytes(content)
        with pytest.raises(BackendError, match=words):
            import_weights("tiny", file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("checkpoints/tiny.pth", b"x")
    with pytest.raises(BackendError, match=r"unpack it.*checkpoints/tiny.pth"):
        import_weights("tiny", file)
    torch.save({"epoch": 3, "names": ["a"]}, file)
    with pytest.raises(BackendError, match="holds no weights; it holds: epoch, names"):
        import_weights("tiny", file)
    torch.save([torch.ones(2)], file)
    with pytest.raises(BackendError, match="a list"):
        import_weights("tiny", file)


def test_wrong_keys_and_shapes_are_counted_and_named(tiny: dict[str, Tensor], cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    torch.save(tiny, file)
    import_weights("tiny", file)
    before = file_sha256(cache / "tiny" / "model.safetensors")
    given = {k: v for k, v in tiny.items() if not k.startswith("norm.running")} | {"head.bias": torch.ones(1)}
    given["refiner.weight"] = torch.ones(1, 4)
    torch.save(given, file)
    with pytest.raises(BackendError) as told:
        import_weights("tiny", file)
    assert "2 missing: norm.running_mean, norm.running_var" in str(told.value)
    assert "1 unknown: head.bias" in str(told.value)
    assert "1 of another shape: refiner.weight (found 1x4, wanted 1x3)" in str(told.value)
    assert "looks like" not in str(told.value)
    assert file_sha256(cache / "tiny" / "model.safetensors") == before
    assert files(cache, "tiny") == ["model.safetensors", "vimatte_source.json"]


def test_weights_of_another_known_network_are_named(tiny: dict[str, Tensor], tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    torch.save({k: v for k, v in tiny.items() if not k.startswith("refiner.")}, file)
    with pytest.raises(
        BackendError, match=r"this looks like Tiny's stage 1; 2 missing: refiner\.weight, refiner\.bias"
    ):
        import_weights("tiny", file)
    torch.save(Tiny(wide=5).state_dict(), file)
    with pytest.raises(BackendError, match="this looks like Wide"):
        import_weights("tiny", file)


def test_nan_is_refused(tiny: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(tiny | {"refiner.bias": torch.tensor([torch.nan])}, tmp_path / "a.pth")
    with pytest.raises(BackendError, match=r"NaN or infinity in 1 of 9 tensors, 'refiner.bias'"):
        import_weights("tiny", tmp_path / "a.pth")


def test_a_cache_that_cannot_be_written_is_one_sentence(
    tiny: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(tiny, tmp_path / "a.pth")
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path / "a.pth"))
    with pytest.raises(BackendError, match="set VIMATTE_WEIGHTS"):
        import_weights("tiny", tmp_path / "a.pth")


def test_an_exchanged_and_a_torn_cache_are_refused(tiny: dict[str, Tensor], cache: Path, tmp_path: Path) -> None:
    torch.save(tiny, tmp_path / "a.pth")
    assert verify("tiny").state == "not here"
    path = import_weights("tiny", tmp_path / "a.pth").path
    assert verify("tiny").state == "whole"
    assert "from a.pth on 20" in verify("tiny").detail
    save_file({k: v + 1 for k, v in tiny.items()}, path)
    with pytest.raises(BackendError, match="damaged or was exchanged"):
        load_state("tiny")
    assert verify("tiny").state == "damaged"
    (cache / "tiny" / "vimatte_source.json").unlink()
    assert verify("tiny").state == "whole", "a file somebody made without this program"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(BackendError, match="cannot be read"):
        load_state("tiny")
    save_file(Tiny(wide=5).state_dict(), path)
    found = verify("tiny")
    assert found.state == "damaged"
    assert "does not fit Tiny's stage 2" in found.detail


def test_a_pull_is_an_import_of_what_the_hub_gave(
    tiny: dict[str, Tensor], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    given = Tiny(wide=5).state_dict()
    asked: list[str] = []

    def snapshot(repository: str, *, revision: str, local_dir: Path, allow_patterns: list[str]) -> None:
        asked.append(f"{repository}@{revision}")
        assert not any(p.endswith((".py", ".pth")) for p in allow_patterns)
        Path(local_dir).mkdir()
        save_file(given, Path(local_dir) / "model.safetensors")

    monkeypatch.setattr(hub.HfApi, "model_info", lambda self, repository, *, revision: SimpleNamespace(sha="c0ffee"))
    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    pull_network("wide")
    assert asked == ["some/wide@c0ffee"]
    assert torch.equal(load_state("wide").tensors["norm.weight"], given["norm.weight"])
    record = json.loads((cache / "wide" / "vimatte_source.json").read_text())
    assert record["file"] == "some/wide@c0ffee/model.safetensors"
    before = file_sha256(cache / "wide" / "model.safetensors")
    given = tiny
    with pytest.raises(BackendError, match="this looks like Tiny's stage 2"):
        pull_network("wide")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BackendError, match=r"HF_HUB_OFFLINE is set.*vimatte weights import wide FILE"):
        pull_network("wide")
    assert file_sha256(cache / "wide" / "model.safetensors") == before
    with pytest.raises(BackendError, match=r"by a program; fetch tiny.pth by hand.*vimatte weights import tiny FILE"):
        pull_network("tiny")


def test_every_set_says_what_must_be_known() -> None:
    by_name = {one.name: one for one in listed()}
    assert {"blazepose", "mobile_sam", "sam2", *NETWORKS} <= set(by_name)
    for one in by_name.values():
        assert one.licence
        assert one.source
        assert one.training
        assert one.way
        assert not one.here, "the cache of this test is empty"
    assert by_name["instmatt"].terms == by_name["msg_vim"].terms == "no licence"
    for name in ("maggie_image", "maggie_video"):
        assert by_name[name].terms == "non-commercial"
        assert "CC-BY-NC-4.0" in by_name[name].licence
        assert "cc-by-4.0" in by_name[name].licence


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_networks_of_all_sets_can_be_made_without_memory(name: str) -> None:
    one = NETWORKS[name]
    tensors = empty_network(one).state_dict()
    assert tensors
    assert all(t.is_meta for t in tensors.values())
    if one.size is not None:
        assert bytes_of(tensors) == one.size
    for prefix in one.without:
        assert any(k.startswith(prefix) for k in tensors)
