"""People finders of the transformers library, each on a tiny random checkpoint that its own library saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vimatte.engine.registry import VIS
from vimatte.engine.shot import Shot
from vimatte.engine.testing.vis_contract import VisContract
from vimatte.engine.tracks import TrackSet
from vimatte.engine.vis.backend import KeyMasks, Tracking, UsesCheckpoint, VisBackend, VisOptions

from support import cli_runner as runner
from support import faults, tiny_models

pytest.importorskip("transformers", reason="needs: pip install 'vimatte[transformers]'")

FINDERS = ("videomt",)


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

    @pytest.fixture(autouse=True)
    def _weights(self, tiny: Callable[[str], Path]) -> None:
        self.weights = tiny(self.finder)

    def make(self) -> VisBackend:
        return WithWeights(VIS.load(self.finder)(), self.weights)


class TestVideomt(_Contract):
    finder = "videomt"

    def keys(self) -> KeyMasks | None:
        return None


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
    assert '"phase": "find"' not in again.out, "the saved tracks fit the same weights wherever they lie"


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
