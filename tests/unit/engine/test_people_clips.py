"""Whole clips of people: what the first tool made, the same on every run, into a folder, from the command line."""

from __future__ import annotations

import dataclasses
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vimatte.engine.errors import ConfigError, MediaError
from vimatte.engine.training.data import Footage
from vimatte.engine.training.people import Filters, Order, Studio, load_assets, open_studio, write_people
from vimatte.engine.training.people.clip import Staged, drawn, stage
from vimatte.engine.training.people.compiled import compiled_rasteriser
from vimatte.engine.training.people.film import encoded
from vimatte.engine.training.people.plain import rasterise_plainly
from vimatte.engine.training.people.scene import Rasteriser
from vimatte.engine.training.people.shape import random_person

from support.cli_runner import vimatte

ROOT = Path(__file__).parents[3]
TINY = Order(clips=2, frames=1, seed=3, size=96, passes=1, filters=Filters(shot="full", hair="bald"))


@pytest.fixture(scope="module")
def assets_folder() -> Path:
    tool = ROOT.parent / "shared" / "tools" / "synthetic_humans" / "assets_subset"
    folder = Path(os.environ.get("VIMATTE_PEOPLE_ASSETS", tool))
    if not folder.is_dir():
        pytest.skip(f"people's assets are not at {folder} (set VIMATTE_PEOPLE_ASSETS to their folder)")
    return folder


@pytest.fixture(scope="module")
def studio(assets_folder: Path) -> Studio:
    return open_studio(load_assets(assets_folder))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def rasterise(cache: Path) -> Rasteriser:
    found = compiled_rasteriser(cache / "people")
    if found is None:
        pytest.skip("there is no C compiler on this machine; whole clips take too long without one")
    return found


@pytest.fixture(scope="module")
def first_clips() -> Path:
    """Clips that the tool made which this package grew out of, with seed 2024, 8 frames, 512 pixels, 24 passes."""
    folder = ROOT.parent / "shared" / "data" / "humans" / "train"
    if not folder.is_dir():
        pytest.skip(f"the first tool's clips are not at {folder}")
    return folder


def staged(studio: Studio, clip: int, **changed: Any) -> Staged:
    given: dict[str, Any] = {"seed": 3, "frames": 2, "size": 96, "passes": 2, "filters": Filters(), **changed}
    return stage(studio, clip=clip, **given)


def plainly(meta: Any) -> Any:
    """As JSON has it."""
    return json.loads(json.dumps(meta))


@pytest.mark.parametrize("clip", [0, 3])
def test_the_same_people_as_ever(studio: Studio, rasterise: Rasteriser, first_clips: Path, clip: int) -> None:
    made = stage(studio, seed=2024, clip=clip, frames=8, size=512, passes=24, filters=Filters())
    folder = first_clips / f"clip_2024_{clip:05d}"
    before = json.loads((folder / "meta.json").read_text())
    for name in ("seconds", "exposure", "bytes_per_frame"):
        before.pop(name)
    assert plainly(made.meta) == before
    second = dataclasses.replace(
        made.scene,
        vertices=made.scene.vertices[1:4],
        points=made.scene.points[1:4],
        point_normals=made.scene.point_normals[1:4],
        camera_places=made.scene.camera_places[1:4],
        camera_axes=made.scene.camera_axes[1:4],
    )
    frame = next(drawn(dataclasses.replace(made, scene=second), rasterise)).rgba
    with Image.open(folder / "001.webp") as opened:
        theirs = np.asarray(opened.convert("RGBA")).astype(int)
    with Image.open(io.BytesIO(encoded(frame))) as opened:
        ours = np.asarray(opened.convert("RGBA")).astype(int)
    # That tool let its compiler reorder sums: here and there a sample falls on the other side of an edge. Colours are
    # apart by lossy coding too, and by the exposure, which here the second frame decides.
    apart = np.abs(ours - theirs)[..., 3]
    assert apart.max() <= 3
    assert (apart > 0).mean() < 1e-3
    solid = theirs[..., 3] == 255
    assert np.abs(ours - theirs)[solid].mean() < 4


def test_the_same_clip_on_every_run_with_any_number_of_threads(studio: Studio, rasterise: Rasteriser) -> None:
    light = Filters(shot="full", hair="s_buzz")
    first, again = staged(studio, 4, filters=light), staged(studio, 4, filters=light)
    assert first.meta == again.meta
    one = [frame.rgba for frame in drawn(first, rasterise)]
    three = [frame.rgba for frame in drawn(again, rasterise, threads=3)]
    assert len(one) == 2
    for a, b in zip(one, three, strict=True):
        np.testing.assert_array_equal(a, b)
    assert staged(studio, 5, filters=light).meta["person"] != first.meta["person"]


def test_a_person_without_a_compiler_is_the_same_person(studio: Studio, rasterise: Rasteriser) -> None:
    made = staged(studio, 2, frames=1, passes=1, filters=Filters(shot="full", hair="s_buzz"))
    np.testing.assert_array_equal(next(drawn(made, rasterise)).rgba, next(drawn(made, rasterise_plainly)).rgba)


def test_somebody_is_there_and_soft_at_the_edges(studio: Studio, rasterise: Rasteriser) -> None:
    made = staged(studio, 1, passes=8, filters=Filters(shot="full", hair="s_long", light="sunny", motion="gesture"))
    frame = next(drawn(made, rasterise))
    alpha = frame.rgba[..., 3] / 255
    assert 0.05 < alpha.mean() < 0.8
    assert ((alpha > 0.02) & (alpha < 0.98)).sum() > 100
    assert max(alpha[:, 0].max(), alpha[:, -1].max(), alpha[0].max(), alpha[-1].max()) < 0.2, "cut by the picture"
    assert 20 < frame.rgba[alpha > 0.95, :3].mean() < 235
    assert made.meta["hair"]["hair"] == "s_long"
    assert made.meta["light"] == "sunny"
    joints = np.array(made.meta["keypoints"]["xy"][0])
    x, y = joints[made.meta["keypoints"]["names"].index("hip_L")].round().astype(int)
    assert alpha[y, x] > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_macro_targets_mix_to_one_person(studio: Studio, seed: int) -> None:
    from vimatte.engine.training.people.shape import _macro_weights

    person = random_person(studio.assets, np.random.default_rng(seed))
    weights = _macro_weights(person)
    assert sum(w for n, w in weights.items() if "/universal-" in n) == pytest.approx(1, abs=0.01)
    races = ("african", "asian", "caucasian")
    assert sum(w for n, w in weights.items() if n.split("/")[1].startswith(races)) == pytest.approx(1, abs=0.01)


def test_clips_appear_whole_and_are_kept(studio: Studio, rasterise: Rasteriser, tmp_path: Path) -> None:
    written = list(write_people(studio, tmp_path, TINY, rasterise))
    assert [one.folder.name for one in written] == ["clip_0003_00000", "clip_0003_00001"]
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert sorted(path.name for path in files) == ["000.webp", "000.webp", "meta.json", "meta.json"]
    again = list(write_people(studio, tmp_path, TINY, rasterise))
    assert [one.meta for one in again] == [{}, {}]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == files
    # Another machine that makes the second only makes the same bytes.
    other = tmp_path / "other"
    list(write_people(studio, other, dataclasses.replace(TINY, start=1, clips=1), rasterise))
    for name in ("000.webp", "meta.json"):
        one = (tmp_path / "clip_0003_00001" / name).read_bytes()
        assert one == (other / "clip_0003_00001" / name).read_bytes()
    with pytest.raises(ConfigError, match="was made with"):
        list(write_people(studio, tmp_path, dataclasses.replace(TINY, size=128), rasterise))


def test_stopped_work_leaves_nothing_half_done(studio: Studio, tmp_path: Path) -> None:
    def interrupted(scene: object, frame: object) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(write_people(studio, tmp_path, TINY, interrupted))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match="cannot be written"):
        list(write_people(studio, tmp_path / "file", TINY, rasterise_plainly))


def test_the_command_makes_what_training_reads(
    assets_folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(cache))
    out = tmp_path / "people"
    options = [
        "--clips",
        "1",
        "--frames",
        "2",
        "--size",
        "96",
        "--passes",
        "2",
        "--seed",
        "5",
        "--shot",
        "full",
        "--hair",
        "bald",
    ]
    run = vimatte("train", "people", "--assets", assets_folder, "--out", out, *options)
    assert run.code == 0, run.err
    assert "clip 1/1  clip_0005_00000" in run.err
    assert len(Footage.of(out).sources) == 1


def test_what_is_wrong_is_one_sentence(tmp_path: Path) -> None:
    run = vimatte("train", "people", "--out", tmp_path)
    assert (run.code, run.err.count("\n")) == (2, 1)
    assert "--assets" in run.err
    run = vimatte("train", "people", "--assets", tmp_path, "--out", tmp_path / "out")
    assert run.code == 2
    assert "base.npz.xz" in run.err
    assert "build_people_assets" in run.err
    run = vimatte("train", "people", "--assets", tmp_path, "--out", tmp_path / "out", "--hair", "mohawk")
    assert run.code == 2
    assert "s_afro" in run.err
    assert not (tmp_path / "out").exists()


def test_recipes_are_still_trained_by_name() -> None:
    assert "Name a recipe" in vimatte("train").err
    assert "people" in vimatte("train", "--help").out
    assert "--hair" in vimatte("train", "people", "--help").out
