"""What happens to training pictures does what it says, and nothing else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vimatte.engine.training.data.blur import defocus, disc, line, motion_blur
from vimatte.engine.training.data.compression import jpeg
from vimatte.engine.training.data.grading import grade, linear, srgb
from vimatte.engine.training.data.guide import broken_masks, coarse
from vimatte.engine.training.data.leaves import dead_leaves
from vimatte.engine.training.data.motion import camera_move, person_move, smooth
from vimatte.engine.training.data.noise import grain, sensor_noise
from vimatte.engine.training.data.occlusion import STEP, hidden, overlap, visible
from vimatte.engine.training.data.wrap import light_wrap

GREY = np.full((2, 40, 50, 3), 0.5, np.float32)


def rng(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


def figure() -> np.ndarray:
    """(2, 64, 64, 4) premultiplied: a red square away from the edges, its rim soft."""
    alpha = np.zeros((64, 64), np.float32)
    alpha[24:40, 24:40] = 1
    alpha = cv2.GaussianBlur(alpha, (0, 0), 1.0)
    layer = np.zeros((2, 64, 64, 4), np.float32)
    layer[..., 0], layer[..., 3] = 0.8 * alpha, alpha
    return layer


@pytest.mark.parametrize("change", [grade, sensor_noise, grain, jpeg])
def test_strength_0_changes_no_picture_and_a_seed_decides(change) -> None:
    pictures = rng().random((2, 24, 32, 3), np.float32)
    assert np.array_equal(change(pictures.copy(), rng(), strength=0), pictures)
    once, again, other = (change(pictures.copy(), rng(seed), strength=1) for seed in (5, 5, 6))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)
    assert once.dtype == np.float32
    assert once.min() >= 0
    assert once.max() <= 1


@pytest.mark.parametrize("change", [motion_blur, defocus])
def test_blur_keeps_the_total_of_alpha_and_of_light(change) -> None:
    layer = figure()
    for seed in range(8):
        blurred = change(layer, rng(seed), strength=1)
        assert blurred.sum(axis=(1, 2)) == pytest.approx(layer.sum(axis=(1, 2)), rel=1e-5)
        # Straight colour stays what it was: no dark fringe comes in from outside.
        there = blurred[..., 3] > 0.01
        assert np.allclose(blurred[..., 0][there] / blurred[..., 3][there], 0.8, atol=1e-4)
    assert np.array_equal(change(layer, rng(), strength=0), layer)


def test_motion_blur_follows_the_way_and_keeps_those_solid_whom_the_edge_cuts() -> None:
    layer = figure()
    travel = np.array([[0.0, 0.0], [8.0, 0.0]])
    blurred = next(
        b for b in (motion_blur(layer, rng(s), strength=1, travel=travel) for s in range(9)) if (b != layer).any()
    )
    assert np.array_equal(blurred[0], layer[0])
    assert np.allclose(blurred[1].sum(axis=1), layer[1].sum(axis=1), atol=1e-4), "it moved sideways only"
    cut = np.zeros((1, 32, 32, 4), np.float32)
    cut[:, 8:, 8:24] = 1
    assert motion_blur(cut, rng(1), strength=1, travel=np.array([[0.0, 9.0]]))[0, -1, 12:20].min() > 0.999


def test_kernels_sum_to_1_and_are_as_long_as_asked() -> None:
    for kernel in (line(7.3, -2.1), line(0, 0), line(0.4, 0), disc(0), disc(2.5)):
        assert kernel.sum() == pytest.approx(1, abs=1e-6)
        assert kernel.shape[0] == kernel.shape[1]
        assert np.allclose(kernel, kernel[::-1, ::-1], atol=1e-6), "the middle stays where it is"
    assert line(6, 0).shape == (7, 7)
    assert np.flatnonzero(line(6, 0).any(axis=1)).tolist() == [3]
    assert disc(0).size == 1


def test_grading_is_per_pixel_in_linear_light() -> None:
    """Equal colours stay equal, on every frame; greys without white balance would stay grey; gains act on light."""
    pictures = rng().random((2, 16, 16, 3), np.float32)
    pictures[1] = pictures[0]
    graded = grade(pictures, rng(11), strength=1)
    assert np.array_equal(graded[0], graded[1])
    shuffled = pictures[:, ::-1, ::-1]
    assert np.array_equal(grade(np.ascontiguousarray(shuffled), rng(11), strength=1), graded[:, ::-1, ::-1])
    black_and_white = [
        g for g in (grade(pictures, rng(s), strength=1) for s in range(60)) if np.ptp(g, axis=-1).max() < 1e-3
    ]
    assert 1 <= len(black_and_white) <= 15, "about one in twelve"


def test_the_srgb_curve_is_iec_61966_2_1() -> None:
    coded = np.array([0.0, 0.04045, 0.5, 1.0], np.float32)
    assert linear(coded) == pytest.approx([0.0, 0.0031308, 0.2140411, 1.0], abs=1e-6)
    assert srgb(linear(coded)) == pytest.approx(coded, abs=1e-6)


def test_noise_is_new_on_every_frame_and_as_strong_as_said() -> None:
    noisy = sensor_noise(GREY, rng(2), strength=1)
    assert not np.array_equal(noisy[0], noisy[1])
    assert 0 < noisy.std() < np.hypot(0.015, 0.03 * np.sqrt(0.5))
    dark = np.full((1, 200, 200, 3), 0.1, np.float32)
    bright = np.full((1, 200, 200, 3), 0.6, np.float32)
    assert sensor_noise(bright, rng(2), strength=1).std() > 1.3 * sensor_noise(dark, rng(2), strength=1).std()


def test_grain_is_grey_coarse_and_spares_black() -> None:
    grained = grain(np.full((1, 120, 120, 3), 0.5, np.float32), rng(2), strength=1)[0] - 0.5
    assert np.allclose(grained[..., 0], grained[..., 2], atol=1e-6)
    assert np.corrcoef(grained[:, :-1, 0].ravel(), grained[:, 1:, 0].ravel())[0, 1] > 0.3
    assert np.array_equal(grain(np.zeros_like(GREY), rng(2), strength=1), np.zeros_like(GREY))


def test_light_wraps_rims_and_never_darkens() -> None:
    layer = figure()
    bright = np.ones((2, 64, 64, 3), np.float32)
    wrapped = light_wrap(layer, bright, rng(1), strength=1)
    assert np.array_equal(wrapped[..., 3], layer[..., 3])
    assert (wrapped >= layer).all()
    assert (wrapped[..., :3] <= wrapped[..., 3:] + 1e-6).all(), "straight colours stay at most 1"
    gain = (wrapped - layer)[0, ..., 2]
    assert gain[32, 25] > 3 * gain[32, 32]
    assert np.array_equal(light_wrap(layer, np.zeros_like(bright), rng(1), strength=1), layer)


def test_visible_alphas_sum_to_at_most_1_in_any_order_of_adding() -> None:
    alphas = rng().random((5, 40, 40), np.float32)
    alphas[:, :10], alphas[1:3, 10:20] = 0.3333333, 1.0
    seen = visible(alphas)
    totals = [seen[list(order)].sum(axis=0, dtype=np.float32) for order in ((0, 1, 2, 3, 4), (4, 2, 0, 1, 3))]
    assert np.array_equal(*totals)
    assert totals[0].max() == 1
    assert np.array_equal(totals[0], seen.sum(axis=0, dtype=np.float64))
    behind = np.cumprod(np.concatenate([np.ones((1, 40, 40)), 1 - alphas[:-1].astype(np.float64)]), axis=0)
    assert np.abs(seen - alphas * behind).max() < 5 * STEP
    assert (seen[2:, 10:20] == 0).all(), "somebody solid hides all behind them"


def test_hidden_and_overlap_are_those_worked_out_by_hand() -> None:
    people = np.zeros((3, 10, 10), np.float32)
    people[0, :, :5], people[1, :, 4:8] = 1, 1
    assert hidden(people) == pytest.approx([0, 0.25, 0])
    assert overlap(people) == pytest.approx(10 / 80)


def test_ways_are_smooth_and_still_at_strength_0() -> None:
    curve = smooth(rng(), frames=200, columns=3)
    assert np.abs(np.diff(curve, n=2, axis=0)).max() < 0.5
    assert 0.5 < curve.std() < 1.5
    for move in (person_move, camera_move):
        still = move(rng(), frames=4, size=100, strength=0).maps((50, 40))
        assert np.allclose(still, np.eye(3))


def test_a_way_turns_and_zooms_about_its_pivot() -> None:
    way = person_move(rng(4), frames=6, size=100, strength=1)
    far = way.maps((50, 40)) @ np.array([50, 40, 1.0])
    near = way.maps((0, 0)) @ np.array([0, 0, 1.0])
    assert np.allclose(far - near, [50, 40, 0])
    assert np.allclose(way.maps((50, 40), share=0)[:, :, 2], [0, 0, 1], atol=3)


def test_dead_leaves_fill_the_picture_with_edges_of_all_sizes() -> None:
    picture = dead_leaves(rng(), height=96, width=128)
    assert picture.shape == (96, 128, 3)
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert np.array_equal(picture, dead_leaves(rng(), height=96, width=128))
    assert (np.abs(np.diff(picture, axis=1)).max(axis=-1) > 0.1).mean() > 0.02


def test_guidance_of_strength_0_is_the_truth_and_breaks_as_asked() -> None:
    alphas = np.zeros((3, 2, 60, 60), np.float32)
    alphas[:, 0, 10:50, 5:25], alphas[:, 1, 20:55, 30:55] = 1, 0.8
    assert np.array_equal(broken_masks(alphas, rng(), strength=0), alphas > 0.5)
    wrong = [np.mean(broken_masks(alphas, rng(s), strength=1) != (alphas > 0.5)) for s in range(20)]
    weak = [np.mean(broken_masks(alphas, rng(s), strength=0.2) != (alphas > 0.5)) for s in range(20)]
    assert 0.01 < np.mean(wrong) < 0.2
    assert np.mean(weak) < np.mean(wrong) / 2
    assert np.array_equal(broken_masks(alphas, rng(4), strength=1), broken_masks(alphas, rng(4), strength=1))


def test_coarse_masks_stay_near_the_person() -> None:
    alphas = np.zeros((1, 1, 120, 120), np.float32)
    alphas[..., 30:90, 40:80] = 1
    for seed in range(6):
        mask = coarse(alphas, rng(seed), strength=1)[0, 0]
        assert (mask & (alphas[0, 0] > 0.5)).sum() / (mask | (alphas[0, 0] > 0.5)).sum() > 0.5
        assert not mask[:10].any()
