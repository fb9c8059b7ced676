"""`vimatte train`, on people drawn for the test."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from vimatte.engine.errors import ConfigError
from vimatte.engine.training.checkpoint import read_checkpoint
from vimatte.engine.training.log import read_log
from vimatte.engine.training.recipes import recipe_for
from vimatte.engine.training.recipes.feed import Feed

from support.cli_runner import Run, vimatte


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, discs of one colour with a soft rim, two frames each."""
    folder = tmp_path_factory.mktemp("data")
    y, x = np.mgrid[:96, :64]
    for person, colour in enumerate(((200, 40, 40), (40, 200, 40), (40, 40, 200))):
        clip = folder / "people" / f"person{person}"
        clip.mkdir(parents=True)
        for frame in range(2):
            alpha = np.clip(24 - np.hypot(x - 32, (y - 50) / 1.5) + frame, 0, 4) / 4
            bgra = np.dstack([*(np.full_like(alpha, c) for c in colour), alpha * 255]).astype(np.uint8)
            assert cv2.imwrite(str(clip / f"{frame:04d}.png"), bgra)
    return folder


def trained(data: Path, out: Path, *more: str) -> Run:
    sizes = ("--clips", "2", "--crop", "64", "--frames", "2", "--device", "cpu")
    return vimatte("train", "oavm", "--data", data, "--out", out, "--steps", "2", *sizes, *more)


def test_a_run_says_what_it_does_and_leaves_everything(data: Path, tmp_path: Path) -> None:
    done = trained(data, tmp_path)
    assert done.code == 0, done.err
    assert "2 steps of 4 clips" in done.err
    assert "gathered from 2 batches of 2" in done.err
    assert "step 2/2" in done.err
    assert {p.name for p in tmp_path.iterdir()} == {
        "checkpoint.safetensors",
        "weights.safetensors",
        "log.jsonl",
        "pictures",
    }
    picture = cv2.imread(str(tmp_path / "pictures" / "step_000002.png"))
    assert picture is not None
    assert picture.shape == (4 * 160, 7 * 160, 3)
    assert read_log(tmp_path / "log.jsonl")[-1]["look.mad"] > 0
    again = trained(data, tmp_path)
    assert again.code == 2
    assert "--resume" in again.err


def test_ctrl_c_leaves_a_checkpoint_to_go_on_from_to_the_bit(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vimatte.engine.training.recipes import oavm

    parts, whole = tmp_path / "parts", tmp_path / "whole"
    assert trained(data, whole, "--clips", "4").code == 0
    losses = oavm.OavmObjective.losses

    def interrupted(*given: object) -> object:
        os.kill(os.getpid(), signal.SIGINT)
        return losses(*given)  # type: ignore[arg-type]

    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patched:
        patched.setattr(oavm.OavmObjective, "losses", interrupted)
        stopped = trained(data, parts, "--clips", "4")
    assert stopped.code == 130, stopped.err
    assert "--resume goes on" in stopped.err
    assert signal.getsignal(signal.SIGINT) is before
    assert read_checkpoint(parts / "checkpoint.safetensors").step == 1
    assert trained(data, parts, "--clips", "4", "--resume").code == 0
    for name in ("checkpoint.safetensors", "weights.safetensors", "log.jsonl"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Name a recipe"),
        (("nonsense", "--data", ".", "--out", "."), "there are instmatt"),
        (("msg_vim", "--out", "."), "--data DIR"),
        (("msg_vim", "--data", ".", "--out", "o", "--set", "erase"), "KEY=VALUE"),
        (("msg_vim", "--data", ".", "--out", "o", "--set", "erase=maybe"), "takes on or off"),
        (("msg_vim", "--data", ".", "--out", "o", "--set", "magic=on"), "has no switch 'magic'"),
        (("maggie_video", "--data", ".", "--out", "o", "--set", "fusion=sideways"), "takes none, forward, both"),
        (("msg_vim", "--data", ".", "--out", "o", "--crop", "100"), "--crop 64"),
        (("instmatt", "--data", ".", "--out", "o", "--clips", "1"), "--clips 2"),
        (("msg_vim", "--data", "nowhere", "--out", "o"), "needs a folder 'people'"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = vimatte("train", *arguments)
    assert run.code == 2
    assert says in run.err


def test_a_feed_gives_the_same_batch_for_the_same_number(data: Path) -> None:
    small = replace(recipe_for("msg_vim").data, crop=64, frames=2, clips=1)
    feed = Feed(data=small, folder=data, seed=4)
    source = feed.batches(0)
    first, second = next(source), next(source)
    again = next(feed.batches(1))
    assert second.pictures_BT3HW.equal(again.pictures_BT3HW)
    assert second.masks_BTPHW.equal(again.masks_BTPHW)
    assert not first.pictures_BT3HW.equal(second.pictures_BT3HW[:1])
    assert first.colours_BTP3HW is not None
    # Every frame's masks are joined with another's, eroded or dilated: guidance is not the truth.
    assert not first.masks_BTPHW.equal((first.alphas_BTPHW > 0.5).float())


def test_switches_change_what_they_name() -> None:
    kinds = {change.kind for change in recipe_for("msg_vim", {"erase": "off", "temporal-masks": "off"}).data.masks}
    assert kinds == {"erode or dilate", "paste", "merge"}
    assert recipe_for("maggie-image", {"attention_loss": "off"}).weights["att"] == 0.0
    assert recipe_for("oavm", {"merging": "off"}).data.protocol == "single"
    with pytest.raises(ConfigError, match="stages 1 and 2"):
        recipe_for("oavm", {"stage": "3"})
