"""People finders of the transformers library, each on a tiny random checkpoint that its own library saved."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from vimatte.engine.errors import ConfigError
from vimatte.engine.events import Progress, Warned
from vimatte.engine.masks import Rle
from vimatte.engine.registry import VIS
from vimatte.engine.shot import Shot
from vimatte.engine.testing.matting_contract import crossing_shot
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.testing.vis_contract import VisContract
from vimatte.engine.tracks import TrackSet
from vimatte.engine.vis.backend import KeyMasks, Tracking, UsesCheckpoint, VisBackend, VisOptions

from support import cli_runner as runner
from support import faults, tiny_models

pytest.importorskip("transformers", reason="needs: pip install 'vimatte[transformers]'")

FINDERS = ("detect", "edgetam", "sam2", "sam3", "videomt")
SHOWN = ("edgetam", "sam2")
"""Those that follow whom they are shown; the others find for themselves."""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of the tiny checkpoint of a people finder, made once."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            made[name] = getattr(tiny_models, name)(tmp_path_factory.mktemp(name) / "weights")
        return made[name]

    return make


class WithWeights:
    """A backend whose options always name one folder, so that the contract can be asked of it."""

    def __init__(self, backend: VisBackend, weights: Path, prompt: str | None = None) -> None:
        self._backend, self._weights, self._prompt = backend, weights, prompt
        self.name = backend.name
        self.settings = backend.settings

    def track(self, shot: Shot, *, keys: KeyMasks | None, options: VisOptions) -> Tracking:
        return self._backend.track(
            shot, keys=keys, options=VisOptions(weights=str(self._weights), prompt=self._prompt, min_area=1e-4)
        )


class _Contract(VisContract):
    finder = ""
    model = ""
    _ran: ClassVar[dict[str, tuple[TrackSet, list[Progress | Warned]]]] = {}

    @property
    def _once(self) -> tuple[TrackSet, list[Progress | Warned]]:
        """One run for all questions: pytest makes a new instance for each."""
        name = type(self).__name__
        if name not in self._ran:
            self._ran[name] = self._run()
        return self._ran[name]

    @pytest.fixture(autouse=True)
    def _weights(self, tiny: Callable[[str], Path]) -> None:
        self.weights = tiny(self.model or self.finder)

    def make(self) -> VisBackend:
        return WithWeights(VIS.load(self.finder)(), self.weights)

    def shot(self) -> Shot:
        return MemoryShot(list(crossing_shot(10)[0][:7]))


class TestSam2(_Contract):
    finder = "sam2"


class TestEdgeTam(_Contract):
    finder = "edgetam"


class _Finds(_Contract):
    def keys(self) -> KeyMasks | None:
        return None

    def test_somebody_is_found(self) -> None:
        assert self._once[0].names[0] == "person_01"


class TestVideomt(_Finds):
    finder = "videomt"


class TestSam3(_Finds):
    finder = "sam3"


class TestDetectEomt(_Finds):
    finder = "detect"


class TestDetectMask2Former(_Finds):
    finder = "detect"
    model = "mask2former"


class TestDetectRfDetr(_Finds):
    finder = "detect"
    model = "rf_detr"


@pytest.fixture
def shot(tmp_path: Path) -> str:
    """Four tiny frames with a bright disc that moves, and a mask of it on the first."""
    ys, xs = np.mgrid[:48, :64].astype(np.float32)
    for n in range(4):
        disc = ((xs - 24 - 3 * n) ** 2 + (ys - 24) ** 2 < 144)[..., None]
        plate = np.where(disc, np.float32((0.9, 0.6, 0.3)), np.float32((0.1, 0.2, 0.3)))
        faults.write_image(tmp_path / f"plate.{1001 + n}.png", plate, "uint8")
        if n == 0:
            faults.write_image(tmp_path / "masks" / "anna" / "1001.png", disc.astype(np.float32), "uint8")
    return str(tmp_path / "plate.####.png")


@pytest.mark.parametrize("name", FINDERS)
def test_the_main_job_runs_with_it(name: str, shot: str, tmp_path: Path, tiny: Callable[[str], Path]) -> None:
    job = [shot, "--out", tmp_path / "layers.exr", "--vis", name, "--weights", tiny(name), "--min-area", "0.0001"]
    job += ["--masks", tmp_path / "masks"] if name in SHOWN else []
    plan = runner.vim_batch(*job, "--dry-run")
    assert plan.code == 0, plan.err
    assert str(tiny(name)) in (plan.out + plan.err).replace("\n", "")
    run = runner.vim_batch(*job)
    assert run.code == 0, run.err
    assert all((tmp_path / f"layers.{n}.exr").is_file() for n in range(1001, 1005))
    tracks = TrackSet.load(tmp_path / "layers.tracks")
    assert tracks.source["backend"] == name
    assert len(str(tracks.source["weights"])) == 64
    again = runner.vim_batch(*job, "--resume", "--json")
    assert again.code == 0, again.err
    assert '"phase": "find"' not in again.out
    assert '"phase": "propagate"' not in again.out


def test_other_weights_find_people_anew(shot: str, tmp_path: Path, tiny: Callable[[str], Path]) -> None:
    other = shutil.copytree(tiny("videomt"), tmp_path / "other")
    job = [shot, "--out", tmp_path / "layers.exr", "--min-area", "0.0001", "--json"]
    assert '"phase": "find"' in runner.vim_batch(*job, "--weights", other).out, "auto takes the finder of the folder"
    assert '"phase": "find"' not in runner.vim_batch(*job, "--weights", tiny("videomt"), "--resume").out
    (other / "video_preprocessor_config.json").write_text('{"image_mean": [0.4, 0.4, 0.4]}')
    assert '"phase": "find"' in runner.vim_batch(*job, "--weights", other, "--resume").out


@pytest.mark.parametrize("name", FINDERS)
def test_what_is_wrong_with_the_weights_is_one_sentence(
    name: str, shot: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path / "cache"))

    def said(*more: str | Path) -> str:
        run = runner.vim_batch(shot, "--out", tmp_path / "layers.exr", "--vis", name, *more)
        assert run.code == 4, run.err
        assert not list(tmp_path.glob("layers*"))
        return " ".join(run.err.split())

    assert f"type: vimatte weights pull {name}" in said()
    assert "is not a folder" in said("--weights", tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no config.json" in said("--weights", empty)
    (empty / "config.json").write_text('{"model_type": "bert"}')
    assert "of type 'bert'" in said("--weights", empty)
    (empty / "config.json").write_text("{")
    assert "cannot be read" in said("--weights", empty)


def test_a_finder_without_weights_refuses_them(shot: str, tmp_path: Path) -> None:
    run = runner.vim_batch(
        shot, "--out", tmp_path / "l.exr", "--masks", tmp_path / "masks", "--weights", tmp_path / "masks"
    )
    assert run.code == 2
    assert "takes no --weights" in " ".join(run.err.split())


@pytest.mark.parametrize("name", FINDERS)
def test_it_says_that_it_uses_a_checkpoint(name: str) -> None:
    assert isinstance(VIS.load(name)(), UsesCheckpoint)


def test_text_names_what_sam3_looks_for(tiny: Callable[[str], Path]) -> None:
    tracks = run("sam3", tiny("sam3"), prompt="dog, red car")
    assert {i.label for i in tracks.instances} == {"dog", "red car"}
    assert {n.rpartition("_")[0] for n in tracks.names} == {"dog", "red_car"}


@pytest.mark.parametrize("name", ["videomt", "detect"])
def test_a_class_the_model_does_not_know_is_refused(name: str, tiny: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match=r"has no class 'zebra'; it knows 3: person, dog, red car"):
        run(name, tiny(name), prompt="zebra")
    assert run(name, tiny(name), prompt="Red_Car").instances == ()


@pytest.mark.parametrize("name", SHOWN)
def test_boxes_and_clicks_show_whom_to_follow(name: str, tiny: Callable[[str], Path]) -> None:
    tracks = run(name, tiny(name), prompt="anna@1003:10,10,50,60 anna@1003:30,30 bruno@1002:20,20 bruno@1002:!5,5")
    assert tracks.names == ("anna", "bruno")
    assert set(tracks.keys[1]) <= {1003}
    assert len(tracks.presence(1)) > 1, "both ways in time"


@pytest.mark.parametrize("name", SHOWN)
def test_nobody_shown_is_one_sentence(name: str, tiny: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match="add --masks DIR, or --prompt"):
        run(name, tiny(name))


def test_the_artist_comes_first(tiny: Callable[[str], Path]) -> None:
    """Given names and masks win over what is found; everybody else keeps away from these pixels."""
    shot = MemoryShot(list(crossing_shot(10)[0][:5]))
    mask = np.zeros((shot.info.height, shot.info.width), bool)
    mask[10:40, 10:60] = True
    keys = KeyMasks(names=("zoe",), masks={1002: {"zoe": Rle.encode(mask)}})
    tracks = run("videomt", tiny("videomt"), keys=keys)
    assert tracks.names[0] == "zoe"
    assert tracks.masks[1][1002] == Rle.encode(mask)
    assert 1002 in tracks.keys[1]


def run(name: str, weights: Path, *, prompt: str | None = None, keys: KeyMasks | None = None) -> TrackSet:
    """Tracks of five frames."""
    steps = VIS.load(name)().track(
        MemoryShot(list(crossing_shot(10)[0][:5])),
        keys=keys,
        options=VisOptions(weights=str(weights), prompt=prompt, min_area=1e-4),
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            tracks: TrackSet = end.value
            return tracks
