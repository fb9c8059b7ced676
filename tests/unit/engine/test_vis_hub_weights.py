"""Weights from the hub: pictures prepared as the library does, pulls whole or not at all, one sentence each failure."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from vimatte.engine.errors import BackendError
from vimatte.engine.registry import VIS
from vimatte.engine.vis.hub import checkpoint as checkpoints
from vimatte.engine.vis.hub.checkpoint import find_checkpoint, load_model
from vimatte.engine.vis.hub.pictures import Preparation, read_preparation
from vimatte.engine.vis.hub.sources import HUB, hub_folder, is_here, pull_hub

from support import cli_runner as runner

transformers = pytest.importorskip("transformers", reason="needs: pip install 'vimatte[transformers]'")
hub = pytest.importorskip("huggingface_hub")


def picture(height: int, width: int) -> np.ndarray:
    """Smooth colours in whole 8-bit codes: processors of the library round between their steps."""
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    waves = [0.5 + 0.5 * np.sin(xs / (5 + c) + ys / (7 - c)) for c in range(3)]
    return (np.rint(np.stack(waves, axis=-1) * 255) / 255).astype(np.float32)


@pytest.mark.parametrize("size", [(60, 100), (100, 60), (64, 64), (33, 200)])
@pytest.mark.parametrize("kind", ["mask2former", "eomt"])
def test_pictures_are_prepared_as_the_library_does(kind: str, size: tuple[int, int], tmp_path: Path) -> None:
    """Against the library's own processors, where these need no torchvision: same shape, same values but rounding."""
    if kind == "mask2former":
        processor = transformers.Mask2FormerImageProcessorPil(
            size={"shortest_edge": 48, "longest_edge": 80}, size_divisor=32
        )
        fallback = Preparation(size={"shortest_edge": 800, "longest_edge": 1333}, divisor=32)
    else:
        processor = transformers.EomtImageProcessorPil(
            size={"shortest_edge": 64, "longest_edge": 64}, do_pad=True, do_split_image=False
        )
        fallback = Preparation(size={"shortest_edge": 640, "longest_edge": 640}, pad=(640, 640))
    processor.save_pretrained(tmp_path)
    given = picture(*size)
    codes = np.rint(given * 255).astype(np.uint8)
    wanted = torch.as_tensor(np.asarray(processor(images=codes, return_tensors="np")["pixel_values"][0]))
    made = read_preparation(tmp_path, fallback=fallback)(given)
    assert tuple(made.values.shape) == tuple(wanted.shape)
    high, wide = made.content
    gap = (made.values - wanted).abs()[:, :high, :wide] * torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
    assert float(gap.max()) <= 2 / 255


def test_masks_come_back_without_the_padding() -> None:
    prepare = Preparation(size={"shortest_edge": 32, "longest_edge": 32}, pad=(32, 32))
    prepared = prepare(picture(20, 40))
    assert prepared.content == (16, 32)
    logits = torch.full((1, 32, 32), -5.0)
    logits[:, :16, 16:] = 5.0
    full = prepare.back(logits, prepared=prepared, height=20, width=40)
    assert full.shape == (1, 20, 40)
    assert (full[0, :, 24:] > 0).all()
    assert (full[0, :, :16] < 0).all()


def test_a_broken_preprocessing_file_is_one_sentence(tmp_path: Path) -> None:
    fallback = Preparation(size={"height": 8, "width": 8})
    assert read_preparation(tmp_path, fallback=fallback) is fallback
    for text in ("{", '{"size": {"depth": 3}}', '{"size": {"height": 8, "width": 8}, "do_split_image": true}'):
        (tmp_path / "preprocessor_config.json").write_text(text)
        with pytest.raises(BackendError, match="cannot be understood"):
            read_preparation(tmp_path, fallback=fallback)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "cache"


def fake_hub(monkeypatch: pytest.MonkeyPatch, files: dict[str, str], *, fails: Exception | None = None) -> list[Any]:
    """A hub that holds `files`; what it was asked for."""
    asked: list[Any] = []

    def model_info(self: object, repository: str, *, revision: str) -> SimpleNamespace:
        asked.append((repository, revision))
        return SimpleNamespace(sha="c0ffee")

    def snapshot(repository: str, *, revision: str, local_dir: Path, allow_patterns: list[str]) -> str:
        asked.append((repository, revision, tuple(allow_patterns)))
        if fails is not None:
            raise fails
        local_dir.mkdir()
        for name, text in files.items():
            (local_dir / name).write_text(text)
        return str(local_dir)

    monkeypatch.setattr(hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    return asked


class Unreachable(Exception):
    """No OSError: what the HTTP library below the hub's client raises depends on the version."""


GOOD = {"config.json": '{"model_type": "videomt"}', "model.safetensors": "x"}


def test_a_pull_lands_whole_and_says_where_it_came_from(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fake_hub(monkeypatch, GOOD)
    assert not is_here("videomt")
    assert pull_hub("videomt") == hub_folder("videomt") == cache / "videomt"
    assert is_here("videomt")
    assert asked[0] == ("tue-mps/videomt-dinov2-small-ytvis2019", "main")
    assert asked[1][1] == "c0ffee", "the files of the commit that was looked up, even if the branch moves"
    assert not any(p.endswith((".bin", ".pt", ".pth", ".py")) for p in asked[1][2])
    record = json.loads((cache / "videomt" / "vimatte_source.json").read_text())
    assert record["commit"] == "c0ffee"
    first = find_checkpoint("videomt", None, types={"videomt": ""}).digest
    copy = shutil.copytree(cache / "videomt", cache.parent / "copy")
    (copy / "vimatte_source.json").unlink()
    assert find_checkpoint("videomt", str(copy), types={"videomt": ""}).digest == first, "wherever it lies"
    (copy / "model.safetensors").write_text("y")
    assert find_checkpoint("videomt", str(copy), types={"videomt": ""}).digest != first
    pull_hub("videomt")
    assert [p.name for p in cache.iterdir()] == ["videomt"], "nothing is left lying about"


def test_what_goes_wrong_is_one_sentence_and_leaves_the_old_weights(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_hub(monkeypatch, GOOD)
    pull_hub("videomt")
    fake_hub(monkeypatch, {}, fails=ConnectionError("No route to host.\nmore"))
    with pytest.raises(BackendError, match=r"No route to host\); check the network.*--weights") as told:
        pull_hub("videomt")
    assert "\n" not in str(told.value)
    fake_hub(monkeypatch, {}, fails=Unreachable("Name or service not known"))
    with pytest.raises(BackendError, match="Name or service not known"):
        pull_hub("videomt")
    fake_hub(monkeypatch, {"config.json": "{}"})
    with pytest.raises(BackendError, match=r"no config.json with \*.safetensors"):
        pull_hub("videomt")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BackendError, match="HF_HUB_OFFLINE is set"):
        pull_hub("videomt")
    assert (cache / "videomt" / "model.safetensors").read_text() == "x"


def test_the_command_shows_the_licence_first(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fake_hub(monkeypatch, GOOD)
    refused = runner.vimatte("weights", "pull", "sam3")
    assert refused.code == 2
    assert "SAM License" in refused.out
    assert not asked
    taken = runner.vimatte("weights", "pull", "videomt", "--accept-licence")
    assert taken.code == 0, taken.err
    listed = runner.vimatte("weights", "list").out
    for name in HUB:
        assert name in listed
    wrong = runner.vimatte("weights", "pull", "magic")
    assert wrong.code == 4
    assert "videomt" in wrong.err


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints.importlib.util, "find_spec", lambda name: None)
    for name in HUB:
        with pytest.raises(BackendError, match=r"pip install 'vimatte\[transformers\]'"):
            VIS.load(name)()


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """A file that lacks a parameter would run with random numbers instead."""
    from safetensors.torch import load_file, save_file

    from support import tiny_models

    folder = tiny_models.videomt(tmp_path / "weights")
    found = find_checkpoint("videomt", str(folder), types={"videomt": ""})
    values = load_file(folder / "model.safetensors")
    lost = values.pop("query.weight")
    save_file(values, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BackendError, match=r"1 parameters are missing.*'query.weight'"):
        load_model(found, architecture="VideomtForUniversalSegmentation", device="cpu")
    save_file(
        {**values, "query.weight": lost[:2].contiguous()}, folder / "model.safetensors", metadata={"format": "pt"}
    )
    with pytest.raises(BackendError, match=r"fetch the weights again"):
        load_model(found, architecture="VideomtForUniversalSegmentation", device="cpu")
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(BackendError, match="cannot be loaded"):
        load_model(found, architecture="VideomtForUniversalSegmentation", device="cpu")
    with pytest.raises(BackendError, match="has no SomethingNew"):
        load_model(found, architecture="SomethingNew", device="cpu")
    (folder / "config.json").write_text('{"model_type": "videomt", "hidden_size": "big"}')
    with pytest.raises(BackendError, match="cannot be loaded"):
        load_model(found, architecture="VideomtForUniversalSegmentation", device="cpu")
    (folder / "model.safetensors").unlink()
    with pytest.raises(BackendError, match="pickled weights are never loaded"):
        find_checkpoint("videomt", str(folder), types={"videomt": ""})
