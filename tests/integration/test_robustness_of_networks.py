"""`vimatte evaluate --robustness` on networks whose weights the user brought or fetched."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.torch import load_file

from vimatte.engine.bench import random_weights
from vimatte.engine.clip_shot import open_shot
from vimatte.engine.errors import BackendError
from vimatte.engine.matting.msg_vim import MsgVim
from vimatte.engine.metrics.robustness import CORRUPTIONS, true_tracks
from vimatte.engine.metrics.truth_files import TruthFolder
from vimatte.engine.metrics.video_quality import VimqMeter
from vimatte.engine.testing.matting_contract import crossing_shot
from vimatte.engine.weights import locate

from support.benchmark_folders import save
from support.cli_runner import vimatte

HEIGHT, WIDTH, COUNT = 48, 64, 2


@pytest.fixture
def shot(tmp_path: Path) -> tuple[Path, Path]:
    """Plates and true alphas on disk."""
    pictures, alphas = crossing_shot(COUNT, height=HEIGHT, width=WIDTH)
    for t in range(COUNT):
        save(tmp_path / "plate" / f"p.{1001 + t}.png", pictures[t])
        for who, name in enumerate(("front", "back")):
            save(tmp_path / "truth" / name / f"{1001 + t}.png", alphas[t, who][..., None])
    return tmp_path / "plate", tmp_path / "truth"


def test_a_trained_network_after_its_weights_were_imported(
    shot: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plate, truth = shot
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path / "cache"))
    asked = ["--model", "msg-vim", "--shot", plate, "--truth", truth, "--amounts", "0.5", "--device", "cpu", "--json"]
    without = vimatte("evaluate", "--robustness", *asked)
    assert without.code == 4
    assert "vimatte weights import msg_vim FILE" in without.err
    random_weights("msg_vim", "unsure", into=tmp_path)
    file = tmp_path / "unsure" / "msg_vim" / "model.safetensors"
    brought = vimatte("weights", "import", "msg_vim", file, "--accept-licence")
    assert brought.code == 0, brought.err
    run = vimatte("evaluate", "--robustness", *asked)
    assert run.code == 0, run.err
    trials = json.loads(run.out)["trials"]
    assert [t["corruption"] for t in trials] == ["none", *CORRUPTIONS]
    # What it says of unbroken masks is what that network gives for them.
    folder, meter = TruthFolder.open(truth), VimqMeter("as_published_code")
    with open_shot(plate) as pictures:
        tracks = true_tracks(pictures, folder)
        for matte in MsgVim(state=load_file(file)).mattes(pictures, tracks, tracks.frames):
            true = [folder.alpha(name, matte.number, size=(WIDTH, HEIGHT)) for name in folder.names]
            meter.add(matte.alphas, truth=np.stack(true))
    by_hand = meter.result()
    assert by_hand.rq > 0
    assert (trials[0]["rq"], trials[0]["mq_mse"]) == (by_hand.rq, by_hand.mq["mse"])


@pytest.mark.weights
@pytest.mark.slow
def test_fetched_weights(example: Path, tmp_path: Path) -> None:
    """RVM's, on one frame of the example at a third of its size."""
    try:
        locate("rvm")
    except BackendError as error:
        if os.environ.get("VIMATTE_REQUIRE_WEIGHTS"):
            raise
        pytest.skip(str(error))
    import av

    with av.open(str(example / "shot.mov")) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="bgr24")
    (tmp_path / "plate").mkdir()
    cv2.imwrite(str(tmp_path / "plate" / "p.1001.png"), cv2.resize(picture, (320, 180), interpolation=cv2.INTER_AREA))
    for person in sorted((example / "truth").iterdir()):
        alpha = cv2.imread(str(person / "1001.png"), cv2.IMREAD_UNCHANGED)
        (tmp_path / "truth" / person.name).mkdir(parents=True)
        small = cv2.resize(alpha, (320, 180), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(tmp_path / "truth" / person.name / "1001.png"), small)
    asked = ["--model", "rvm", "--shot", tmp_path / "plate", "--truth", tmp_path / "truth", "--amounts", "0.5"]
    run = vimatte("evaluate", "--robustness", *asked, "--device", "cpu", "--json")
    assert run.code == 0, run.err
    found = {t["corruption"]: t["vimq_mse"] for t in json.loads(run.out)["trials"]}
    assert list(found) == ["none", *CORRUPTIONS]
    assert found["none"] > 0.8
    assert found["none"] > found["erosion, dilation"] > found["salt and pepper"]
