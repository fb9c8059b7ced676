"""Rasterising people: known coverage, shadows, and the same bits with and without a compiler."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from vimatte.engine.training.people.compiled import best_rasteriser, compiled_rasteriser
from vimatte.engine.training.people.plain import rasterise_plainly
from vimatte.engine.training.people.render import rendered
from vimatte.engine.training.people.scene import MATERIAL, PASS, Rasteriser, Scene, moment


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rasteriser")


@pytest.fixture(scope="module")
def compiled(cache: Path) -> Rasteriser:
    if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        pytest.skip("there is no C compiler on this machine")
    found = compiled_rasteriser(cache)
    assert found is not None
    return found


def scene(*, passes: int = 4, size: tuple[int, int] = (40, 30), strands: int = 0, seed: int = 1) -> Scene:
    """A square of 2 x 2 metres, 5 metres before a camera that sees 4 x 3, perhaps behind strands."""
    rng = np.random.default_rng(seed)
    samples = np.zeros(passes, PASS)
    samples["direction"] = (0, -1, 0)
    samples["radiance"] = 1
    corners = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], np.float32)
    materials = np.zeros(1, MATERIAL)
    materials["texture"], materials["normal"], materials["colour"], materials["roughness"] = -1, -1, 0.5, 0.5
    count = 5 * strands
    starts = rng.uniform(-1.4, 1.4, (strands, 1, 3)) * [1, 0, 1] + [0, -0.5, 0]
    walk = starts + np.cumsum(rng.normal(0, 0.15, (strands, 5, 3)), 1)
    points = np.stack([walk.reshape(-1, 3) + k * 0.02 for k in range(3)]).astype(np.float32)
    return Scene(
        size=size,
        left=-0.4,
        bottom=-0.3,
        wide=0.8,
        high=0.6,
        focus=5.0,
        camera_places=np.repeat([[0, -5.0, 0]], 3, 0),
        camera_axes=np.repeat([[[1, 0, 0], [0, 0, -1], [0, 1, 0.0]]], 3, 0),
        passes=samples,
        vertices=np.repeat(corners[None], 3, 0),
        triangles=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        triangle_uv=np.array([[0, 0, 1, 0, 1, 1], [0, 0, 1, 1, 0, 1]], np.float32),
        triangle_material=np.zeros(2, np.int32),
        points=points,
        point_normals=rng.normal(0, 1, (3, count, 3)).astype(np.float32),
        half_width=rng.uniform(0.002, 0.05, count).astype(np.float32),
        strand_start=np.arange(0, count + 1, 5, dtype=np.int32),
        strand_of=np.repeat(np.arange(strands), 5).astype(np.int32),
        strand_colour=rng.uniform(0, 1, (strands, 3)).astype(np.float32),
        materials=materials,
        texels=np.zeros(4, np.uint8),
        sky=np.zeros((4, 3), np.float32),
        shadow_side=64,
    )


def busy(seed: int) -> Scene:
    """Many triangles with textures, cut-outs and bumps, strands, a moving camera, a wide lens, a long shutter."""
    rng = np.random.default_rng(seed)
    made = scene(passes=3, strands=40, seed=seed)
    samples = made.passes.copy()
    samples["shift"], samples["time"] = rng.uniform(-0.25, 0.25, (3, 2)), rng.uniform(-0.5, 0.5, 3)
    samples["lens"] = rng.normal(0, 0.05, (3, 2))
    directions = rng.normal(0, 1, (3, 2, 3))
    samples["direction"] = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    samples["radiance"] = rng.uniform(0, 2, (3, 2, 3))
    vertices = (rng.uniform(-1.3, 1.3, (3, 60, 3)) * 0.02 + rng.uniform(-1.3, 1.3, (60, 3))).astype(np.float32)
    vertices[:, 0] = (0, -4.98, 0)  # nearer than the nearest
    materials = np.zeros(4, MATERIAL)
    for row, material in enumerate(materials):
        material["cut_out"], material["hair"] = row in (1, 3), row == 3
        material["texture"], material["texture_w"], material["texture_h"] = (-1, 0, 0) if row == 0 else (0, 8, 4)
        material["normal"], material["normal_w"], material["normal_h"] = (128, 8, 4) if row == 2 else (-1, 0, 0)
        material["colour"], material["gloss"], material["wrap"] = rng.uniform(0, 1, (3, 3))
        material["roughness"], material["specular"], material["translucence"] = rng.uniform(0.1, 0.5, 3)
        material["normal_strength"] = 0.8
    places = made.camera_places + rng.normal(0, 0.02, (3, 3))
    return dataclasses.replace(
        made,
        passes=samples,
        vertices=vertices,
        triangles=rng.integers(0, 60, (60, 3)).astype(np.int32),
        triangle_uv=rng.uniform(-1.2, 2.2, (60, 6)).astype(np.float32),
        triangle_material=rng.integers(0, 4, 60).astype(np.int32),
        materials=materials,
        texels=rng.integers(0, 256, 256).astype(np.uint8),
        sky=rng.uniform(0, 1, (4, 3)).astype(np.float32),
        camera_places=places,
    )


@pytest.mark.parametrize("seed", range(3))
def test_both_rasterisers_agree_to_the_bit(compiled: Rasteriser, seed: int) -> None:
    made = busy(seed)
    now = moment(made, 1)
    for one, other in zip(compiled(made, now), rasterise_plainly(made, now), strict=True):
        np.testing.assert_array_equal(one, other)
        assert len(np.unique(one)) > 3


def test_a_square_covers_what_it_should() -> None:
    made = scene()
    cover, colour = rasterise_plainly(made, moment(made, 1))
    # 2 of 4 metres across and 2 of 3 down: samples 20 .. 59 of 80, 10 .. 49 of 60.
    expected = np.zeros((60, 80))
    expected[10:50, 20:60] = 4
    np.testing.assert_array_equal(cover, expected)
    np.testing.assert_allclose(colour[15, 20, :3] / colour[15, 20, 3], 1.0, rtol=1e-5)  # 0.5 of two lights from ahead
    frame = rendered(made, 1, rasterise_plainly)
    assert frame.alpha[15, 20] == 1
    assert frame.alpha[0, 0] == 0
    assert frame.alpha[15, 9] == pytest.approx(1 / 8)  # the filter reaches one sample across the edge


def test_motion_blur_is_the_share_of_time() -> None:
    made = scene(passes=8)
    made.passes["time"] = np.linspace(-0.9375, 0.9375, 8)
    moved = made.vertices.copy()
    moved[0, :, 0] -= 1
    moved[2, :, 0] += 1
    made = dataclasses.replace(made, vertices=moved)
    cover, _ = rasterise_plainly(made, moment(made, 1))
    expected = np.clip((np.arange(80) - 0.5) / 40 * 8, 0, 8)  # the square's left edge sweeps over columns 0 .. 40
    np.testing.assert_allclose(cover[30, :38], expected[:38], atol=1.1)
    assert cover[30, 40] == 8


def test_what_is_in_front_throws_a_shadow() -> None:
    made = scene()
    screen = np.array([[-0.5, -1, 0.2], [0.5, -1, 0.2], [0.5, -1, 1.5], [-0.5, -1, 1.5]], np.float32)
    direction = np.array([0, -0.70710678, 0.70710678], np.float32)
    made.passes["direction"] = direction
    both = dataclasses.replace(
        made,
        vertices=np.repeat(np.concatenate([made.vertices[0], screen])[None], 3, 0),
        triangles=np.concatenate([made.triangles, made.triangles + 4]),
        triangle_uv=np.concatenate([made.triangle_uv] * 2),
        triangle_material=np.zeros(4, np.int32),
    )
    frame = rendered(both, 1, rasterise_plainly)
    row = 15 + int(0.45 / 0.1)  # below the middle, where the screen's shadow falls
    assert frame.light[row, 20].max() == 0
    assert frame.light[row, 12].min() > 0.5


def test_thin_strands_are_as_dense_as_they_are_wide() -> None:
    made = dataclasses.replace(scene(passes=64, strands=1), vertices=np.full((3, 4, 3), (0, -9, 0), np.float32))
    line = np.stack([np.zeros(5), np.zeros(5), np.linspace(-1.2, 1.2, 5)], 1).astype(np.float32)
    made = dataclasses.replace(
        made, points=np.repeat(line[None] + np.float32([0.003, 0, 0]), 3, 0), half_width=np.full(5, 0.005, np.float32)
    )
    cover, _ = rasterise_plainly(made, moment(made, 1))
    # 1 centimetre where a sample is 5: a fifth of each row's one sample.
    assert cover[10:50].sum(1).mean() / 64 == pytest.approx(0.2, abs=0.02)


def test_without_a_compiler_numpy_draws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / name))
    for command in ("no-such-compiler", "false"):
        monkeypatch.setenv("CC", command)
        assert compiled_rasteriser(tmp_path) is None
        assert best_rasteriser() == (rasterise_plainly, "numpy")


def test_a_cache_that_cannot_be_written_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CC", "cc")
    assert compiled_rasteriser(tmp_path / "file" / "below") is None


def test_it_is_compiled_once(compiled: Rasteriser, cache: Path) -> None:
    (library,) = cache.iterdir()
    before = library.stat()
    assert compiled_rasteriser(cache) is not None
    assert [path.stat().st_mtime_ns for path in cache.iterdir()] == [before.st_mtime_ns]
