"""`vim-batch --matting msg-vim` on real footage; with random weights, so only what is around the mattes is tested."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import OpenImageIO as oiio
import pytest
from safetensors.torch import save_file

from support import cli_runner as runner
from support.recipe_weights import msg_vim_weights

FRAMES = range(1001, 1005)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that holds the network's weights as `vimatte weights import` leaves them."""
    folder = tmp_path / "weights"
    (folder / "msg_vim").mkdir(parents=True)
    save_file(msg_vim_weights(), folder / "msg_vim" / "model.safetensors")
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(folder))
    return folder


def masks(folder: Path) -> Path:
    """Two people, the second one away on the third frame."""
    for name, x in (("anna", 300), ("bruno", 620)):
        for number in FRAMES:
            mask = np.zeros((540, 960), np.uint8)
            if (name, number) != ("bruno", 1003):
                cv2.ellipse(mask, (x, 310), (90, 170), 0, 0, 360, 255, -1)
            (folder / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name / f"{number}.png"), mask)
    return folder


def layers(path: Path) -> tuple[dict[str, np.ndarray], oiio.ImageSpec]:
    image = oiio.ImageInput.open(str(path))
    assert image, oiio.geterror()
    pixels = image.read_image("float")
    spec = image.spec()
    image.close()
    return {name: pixels[..., at] for at, name in enumerate(spec.channelnames)}, spec


@pytest.mark.footage
def test_a_job(footage: Path, tmp_path: Path, weights: Path) -> None:
    """Layers of everybody on every frame, zeros where absent; and a chunk from saved tracks is the same."""
    clip = footage / "clip_sam2_bedroom" / "bedroom.mp4"
    common = ("--matting", "msg-vim", "--proxy", "4", "--device", "cpu", "--no-plate", "--quiet")
    whole = tmp_path / "whole"
    done = runner.vim_batch(
        clip, "--masks", masks(tmp_path / "masks"), "--vis", "masks", "--frames", "1001-1004",
        "--out", whole / "layers.exr", *common,
    )  # fmt: skip
    assert done.code == 0, done.err
    for number in FRAMES:
        found, spec = layers(whole / f"layers.{number}.exr")
        assert set(found) == {"anna.A", "bruno.A"}
        assert found["anna.A"].any()
        assert found["bruno.A"].any() == (number != 1003)
        assert sum(found.values()).max() <= 1.0
        assert (spec.width, spec.height) == (960, 540)
    part = tmp_path / "part"
    done = runner.vim_batch(
        clip, "--tracks", whole / "layers.tracks", "--frames", "1004", "--out", part / "layers.exr", *common
    )
    assert done.code == 0, done.err
    one, _ = layers(whole / "layers.1004.exr")
    other, _ = layers(part / "layers.1004.exr")
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.footage
def test_without_weights_it_says_what_to_type(footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path))
    done = runner.vim_batch(
        footage / "clip_sam2_bedroom" / "bedroom.mp4", "--masks", masks(tmp_path / "masks"), "--vis", "masks",
        "--matting", "msg-vim", "--frames", "1001", "--out", tmp_path / "layers.exr",
    )  # fmt: skip
    assert done.code == 4
    assert "vimatte weights import msg_vim" in done.err
