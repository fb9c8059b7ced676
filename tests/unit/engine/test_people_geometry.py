"""What people are built with: rotations, meshes, noise, cloth."""

from __future__ import annotations

import numpy as np
import pytest

from vimatte.engine.training.people.colours import SKIN_TONES, cloth_colour
from vimatte.engine.training.people.film import LINEAR, Tone, coded, encoded
from vimatte.engine.training.people.maths import (
    about_axes,
    between,
    from_quaternions,
    from_vectors,
    noise,
    shortest_turn,
    to_metres,
    unit,
)
from vimatte.engine.training.people.mesh import border, box, compact, components, merged, relaxed, seamless, tube
from vimatte.engine.training.people.patterns import _KINDS, pattern


def test_a_quarter_turn_about_each_axis() -> None:
    np.testing.assert_allclose(about_axes(z=90) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(about_axes(x=90, y=90) @ [0, 1, 0], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(from_quaternions(np.array([1, 0, 0, 1.0])), about_axes(z=90), atol=1e-12)


@pytest.mark.parametrize("end", [(0.2, -0.7, 0.4), (1, 0, 0), (-1, 0, 0)])
def test_the_shortest_turn_gets_there(end: tuple[float, float, float]) -> None:
    turn = shortest_turn((1, 0, 0), end)
    np.testing.assert_allclose(turn @ [1, 0, 0], unit(np.array(end)), atol=1e-9)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)


def test_half_way_twice_is_the_whole_way() -> None:
    start, end = from_vectors([0.3, 0.1, -0.4]), from_vectors([-0.2, 1.1, 0.5])
    half = between(start, end, 0.5)
    np.testing.assert_allclose(half @ start.T @ half, end, atol=1e-9)


def test_noise_is_smooth_and_repeats() -> None:
    made = noise(np.random.default_rng(3), count=200, period=40, channels=2)
    np.testing.assert_array_equal(made, noise(np.random.default_rng(3), count=200, period=40, channels=2))
    assert np.abs(np.diff(made, axis=0)).max() < 0.5 < np.abs(made).max() < 2


def test_up_is_up_in_metres() -> None:
    np.testing.assert_allclose(to_metres([10, 20, 30]), [1, -3, 2], rtol=1e-6)


def test_boxes_and_rings_have_no_border_but_a_grid_has() -> None:
    ring = tube(np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0.0]]), 0.1, closed=True)
    assert len(border(ring[1])) == 0
    grid = np.array([[0, 1, 4, 3], [1, 2, 5, 4], [3, 4, 7, 6], [4, 5, 8, 7]])
    assert border(grid).tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
    vertices, _ = box(np.array([1, 2, 3.0]), np.array([1, 2, 3.0]), rings=9, roundness=1)
    np.testing.assert_allclose((((vertices - [1, 2, 3]) / [1, 2, 3]) ** 2).sum(1), 1, atol=1e-9)


def test_pieces_are_told_apart_and_unused_vertices_dropped() -> None:
    vertices, faces = merged([box(np.zeros(3), np.ones(3)), box(np.ones(3) * 9, np.ones(3))])
    label = components(faces, count=len(vertices))
    second = faces[(label[faces] == label[-1]).all(1)]
    kept, small, weights, used = compact(vertices, second, np.arange(len(vertices))[:, None])
    assert (kept > 5).all()
    np.testing.assert_array_equal(kept[small], vertices[second])
    np.testing.assert_array_equal(weights[:, 0], used)


def test_relaxing_flattens_a_spike_and_keeps_what_is_kept() -> None:
    grid = np.array([[0, 1, 4, 3], [1, 2, 5, 4], [3, 4, 7, 6], [4, 5, 8, 7]])
    spike = np.zeros((9, 1))
    spike[4] = 1
    rim = np.arange(9) != 4
    assert relaxed(spike, grid, steps=1, keep=rim)[4, 0] == pytest.approx(0.5)
    np.testing.assert_array_equal(relaxed(spike, grid, steps=5, keep=rim)[rim], 0)
    np.testing.assert_array_equal(relaxed(spike, grid, steps=3, keep=~rim)[4], 1)


def test_textures_do_not_wrap_within_a_face() -> None:
    corners = np.array([[[0.95, 0], [0.05, 0], [0.05, 1], [0.95, 1.0]]])
    np.testing.assert_allclose(seamless(corners)[0, :, 0], [0.95, 1.05, 1.05, 0.95])


@pytest.mark.parametrize("kind", sorted(set(_KINDS)))
def test_patterns_are_pictures_that_repeat_by_seed(kind: str) -> None:
    first, name = pattern(np.random.default_rng(5), 64, kind=kind)
    assert name == kind
    assert first.shape == (64, 64, 3)
    assert 0 <= first.min() < first.max() <= 1
    np.testing.assert_array_equal(first, pattern(np.random.default_rng(5), 64, kind=kind)[0])
    assert not np.array_equal(first, pattern(np.random.default_rng(6), 64, kind=kind)[0])


def test_clothes_are_hardly_ever_the_colour_of_skin() -> None:
    rng = np.random.default_rng(0)
    near = [min(np.abs(cloth_colour(rng) - np.array(t)).max() for t in SKIN_TONES[:9]) < 0.1 for _ in range(400)]
    assert sum(near) == 0


def test_the_srgb_curve() -> None:
    assert LINEAR[[0, 255]].tolist() == [0, 1]
    assert LINEAR[188] == pytest.approx(0.503, abs=1e-3)


def test_colour_is_carried_on_outside_the_matte_and_alpha_survives_coding() -> None:
    import io

    from PIL import Image

    light, weight = np.zeros((40, 60, 3), np.float32), np.zeros((40, 60), np.float32)
    light[10:30, 20:40] = (0.5, 0.1, 0.1)
    weight[10:30, 20:40] = 1
    alpha = weight * np.linspace(0, 1, 60, dtype=np.float32)
    rgba = coded(light, alpha, weight, Tone(curve="srgb", stops=0, saturation=1, gamma=1), factor=1)
    np.testing.assert_array_equal(rgba[0, 0, :3], rgba[20, 30, :3])
    assert rgba[20, 30, :3].tolist() == [188, 89, 89]
    with Image.open(io.BytesIO(encoded(rgba))) as opened:
        np.testing.assert_array_equal(np.asarray(opened)[..., 3], rgba[..., 3])
