from __future__ import annotations

import cv2
import numpy as np
import pytest

from vimatte.engine.refine.divide import divide

HEIGHT, WIDTH = 120, 176
WALL, RED, GREEN, BLUE = (0.45, 0.42, 0.4), (0.8, 0.2, 0.15), (0.15, 0.6, 0.2), (0.1, 0.15, 0.75)


def disc(x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    return np.clip((radius - np.hypot(columns - x, rows - y)) / 3 + 0.5, 0, 1).astype(np.float32)


def box(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    out = np.zeros((HEIGHT, WIDTH), np.float32)
    out[y0:y1, x0:x1] = 1
    return cv2.GaussianBlur(out, (0, 0), 0.8)


def scene(*layers: tuple[np.ndarray, tuple[float, float, float]]) -> np.ndarray:
    """Paint soft layers over a wall with some grain."""
    picture = np.broadcast_to(np.array(WALL, np.float32), (HEIGHT, WIDTH, 3)).copy()
    for alpha, colour in layers:
        picture += alpha[..., None] * (np.array(colour, np.float32) - picture)
    picture += np.random.default_rng(0).normal(0, 0.01, picture.shape)
    return np.clip(picture, 0, 1).astype(np.float32)


def wrong(mask: np.ndarray, change: int) -> np.ndarray:
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(change) + 1,) * 2)
    return (cv2.dilate if change > 0 else cv2.erode)(mask.astype(np.uint8), brush).astype(bool)


@pytest.fixture(scope="module")
def touching() -> tuple[np.ndarray, np.ndarray]:
    """A picture of two discs, the red one in front, and their visible alphas."""
    front, back = disc(68, 60, 30), disc(112, 62, 30)
    return scene((back, GREEN), (front, RED)), np.stack([front, back * (1 - front)])


@pytest.mark.parametrize("change", [(3, 3), (-3, -3), (4, -4), (-4, 4)])
def test_two_who_touch_are_told_apart_by_their_colours(
    touching: tuple[np.ndarray, np.ndarray], change: tuple[int, int]
) -> None:
    picture, truth = touching
    masks = np.stack([wrong(t > 0.5, c) for t, c in zip(truth, change, strict=True)])
    found = divide(picture, truth.sum(axis=0), masks)
    distances = np.stack([cv2.distanceTransform(m.astype(np.uint8), cv2.DIST_L2, 5) for m in masks])
    distances -= np.stack([cv2.distanceTransform((~m).astype(np.uint8), cv2.DIST_L2, 5) for m in masks])
    nearest = np.stack([truth.sum(axis=0) * (distances.argmax(axis=0) == row) for row in (0, 1)])
    error, simple = (np.abs(f - truth).mean() for f in (found, nearest))
    assert error < 0.006
    assert error < 0.7 * simple or simple < 0.006


def test_two_in_the_same_shirt_are_told_apart_by_place() -> None:
    one, other = box(40, 20, 85, 110), box(85, 20, 130, 110)
    picture = scene((one, RED), (other, RED))
    found = divide(picture, np.clip(one + other, 0, 1), np.stack([one > 0.5, other > 0.5]))
    assert found[0, 30:100, 45:80].min() > 0.95
    assert found[1, 30:100, 90:125].min() > 0.95
    assert np.abs(found.sum(axis=0) - np.clip(one + other, 0, 1)).mean() < 0.003


def test_people_nobody_tracks_are_left_out() -> None:
    tracked, other = disc(50, 60, 25), disc(140, 60, 25)
    picture = scene((tracked, RED), (other, GREEN))
    (found,) = divide(picture, np.maximum(tracked, other), (tracked > 0.5)[None])
    assert found[:, 110:].max() == 0
    assert np.abs(found - tracked).mean() < 0.002


def test_a_limb_the_mask_forgot_is_kept_and_goes_to_whom_it_hangs_on() -> None:
    one, other, arm = disc(45, 60, 28), disc(140, 60, 28), box(70, 55, 100, 63)
    picture = scene((arm, RED), (one, RED), (other, GREEN))
    alpha = np.maximum(np.maximum(one, arm), other)
    masks = np.stack([one > 0.5, other > 0.5])
    found = divide(picture, alpha, masks)
    assert found[0, 56:62, 72:78].min() > 0.8
    assert found[1, :, :104].max() == 0


def test_a_limb_goes_on_no_further_than_a_part_of_the_person() -> None:
    body, pole = disc(45, 60, 28), box(70, 55, 170, 63)
    picture = scene((pole, BLUE), (body, RED))
    (found,) = divide(picture, np.maximum(body, pole), (body > 0.5)[None])
    assert found[:, 110:].max() == 0


def test_what_a_person_carries_stays_though_the_alpha_forgot_it() -> None:
    body, bag = box(40, 20, 80, 110), box(76, 40, 130, 90)
    picture = scene((bag, BLUE), (body, RED))
    (found,) = divide(picture, body, (np.maximum(body, bag) > 0.5)[None])
    assert found[55:75, 95:115].min() > 0.95


def test_a_gap_the_mask_covers_is_emptied_where_alpha_and_colours_say_background() -> None:
    left, right = box(30, 10, 66, 112), box(106, 10, 142, 112)
    picture = scene((left, RED), (right, RED))
    (found,) = divide(picture, np.maximum(left, right), box(30, 10, 142, 112)[None] > 0.5)
    assert found[40:80, 80:92].max() < 0.05
    assert found[40:80, 40:56].min() > 0.95


def test_a_hole_in_the_mask_is_filled_where_the_alpha_is_sure() -> None:
    body = box(40, 10, 130, 112)
    mask = body > 0.5
    mask[50:66, 70:86] = False
    (found,) = divide(scene((body, RED)), body, mask[None])
    assert found[50:66, 70:86].min() > 0.97


def test_an_empty_mask_gets_nothing_and_the_others_stay(touching: tuple[np.ndarray, np.ndarray]) -> None:
    picture, truth = touching
    mask = truth[0] > 0.5
    alone = divide(picture, truth.sum(axis=0), mask[None])
    both = divide(picture, truth.sum(axis=0), np.stack([np.zeros_like(mask), mask]))
    assert both[0].max() == 0
    np.testing.assert_array_equal(both[1], alone[0])


def test_swapping_two_people_swaps_their_alphas(touching: tuple[np.ndarray, np.ndarray]) -> None:
    picture, truth = touching
    masks = truth > 0.5
    np.testing.assert_allclose(
        divide(picture, truth.sum(axis=0), masks)[::-1], divide(picture, truth.sum(axis=0), masks[::-1]), atol=1e-3
    )


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_sums_never_exceed_1_where_masks_overlap(touching: tuple[np.ndarray, np.ndarray], level: float) -> None:
    picture, truth = touching
    masks = np.stack([wrong(t > 0.5, 6) for t in truth])
    found = divide(picture, np.full((HEIGHT, WIDTH), level, np.float32), masks)
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.sum(axis=0, dtype=np.float64).max() <= 1.0


def test_nobody() -> None:
    found = divide(scene(), np.ones((HEIGHT, WIDTH), np.float32), np.zeros((0, HEIGHT, WIDTH), bool))
    assert found.shape == (0, HEIGHT, WIDTH)


def test_inputs_are_left_alone(touching: tuple[np.ndarray, np.ndarray]) -> None:
    picture, truth = touching
    given = picture.copy(), truth.sum(axis=0), truth > 0.5
    before = [g.tobytes() for g in given]
    divide(*given)
    assert before == [g.tobytes() for g in given]
