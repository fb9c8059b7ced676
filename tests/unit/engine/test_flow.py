from __future__ import annotations

import cv2
import numpy as np
import pytest

from vimatte.engine.vis.flow import (
    camera_field,
    camera_homography,
    consistency,
    flow_between,
    sample_grid,
    warp,
    working_size,
)

HEIGHT, WIDTH = 120, 160


def texture(dx: float = 0.0, dy: float = 0.0, *, scale: float = 1.0) -> np.ndarray:
    noise = np.random.default_rng(5).uniform(0, 255, (HEIGHT, WIDTH, 3)).astype(np.float32)
    noise = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    matrix = np.array([[scale, 0, dx], [0, scale, dy]], np.float32)
    return np.clip(cv2.warpAffine(noise, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT), 0, 255).astype(
        np.uint8
    )


@pytest.mark.parametrize(
    ("size", "expected"),
    [((3840, 2160), (960, 540)), ((640, 384), (640, 384)), ((1080, 1920), (540, 960)), ((4000, 20), (960, 16))],
)
def test_working_size_keeps_the_shape_and_never_enlarges(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert working_size(*size) == expected


def test_flow_looks_back_to_where_things_were() -> None:
    back, forth = flow_between(texture(4, -2), texture())
    middle = (slice(20, -20), slice(20, -20))
    assert np.median(back[middle], axis=(0, 1)) == pytest.approx([-4, 2], abs=0.1)
    assert np.median(forth[middle], axis=(0, 1)) == pytest.approx([4, -2], abs=0.1)


def test_flow_does_not_depend_on_the_number_of_threads() -> None:
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one = flow_between(texture(4, -2), texture())
        cv2.setNumThreads(2)
        two = flow_between(texture(4, -2), texture())
    finally:
        cv2.setNumThreads(threads)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, two, strict=True))


def test_warp_of_a_window_is_the_window_of_the_warp() -> None:
    flow = np.full((HEIGHT, WIDTH, 2), (1.5, -0.5), np.float32)
    image = texture().astype(np.float32)
    window = (slice(30, 60), slice(40, 90))
    part = warp(image, flow[window], window=window)
    assert np.array_equal(part, warp(image, flow)[window])


def test_warp_puts_the_border_value_outside() -> None:
    flow = np.full((HEIGHT, WIDTH, 2), (10.0, 0.0), np.float32)
    ones = np.ones((HEIGHT, WIDTH), np.float32)
    assert warp(ones, flow)[:, -1].max() == 0.0
    assert warp(ones, flow, border=None)[:, -1].min() == 1.0


def test_consistency_is_lost_where_the_way_leaves_the_picture_or_does_not_return() -> None:
    back = np.full((HEIGHT, WIDTH, 2), (3.0, 0.0), np.float32)
    good = consistency((back, -back))
    assert good[60, 60] == pytest.approx(1.0)
    assert good[60, -1] == 0.0
    assert consistency((back, back))[60, 60] < 0.05


def test_the_camera_is_found_among_moving_people() -> None:
    height, width = 270, 480
    truth = np.array([[1.01, 0.004, -5.0], [-0.003, 1.012, 2.5], [1e-6, 2e-6, 1.0]])
    flow = camera_field(truth, height, width)
    flow[60:200, 100:220] = (30, -4)
    found = camera_homography(flow, np.ones((height, width), np.float32))
    gap = np.abs(camera_field(found, height, width) - camera_field(truth, height, width))
    assert float(gap.max()) < 0.1


def test_too_little_background_means_no_camera_motion() -> None:
    flow = np.full((64, 64, 2), 3.0, np.float32)
    assert np.array_equal(camera_homography(flow, np.zeros((64, 64), np.float32)), np.eye(3))


def test_sample_grid_is_in_picture_coordinates() -> None:
    x, y = sample_grid((slice(3, 5), slice(7, 10)))
    assert x.tolist() == [[7, 8, 9], [7, 8, 9]]
    assert y.tolist() == [[3, 3, 3], [4, 4, 4]]
