from __future__ import annotations

import cv2
import numpy as np
import pytest

from vimatte.engine.refine.foreground import estimate_foreground

SIZE = (120, 160)


def smooth(seed: int, low: float, high: float) -> np.ndarray:
    noise = np.random.default_rng(seed).random((6, 8, 3)).astype(np.float32)
    return np.asarray(low + (high - low) * cv2.resize(noise, SIZE[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def blob(x: float, y: float, radius: float, soft: float) -> np.ndarray:
    yy, xx = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    return np.clip((radius - np.hypot(xx - x, yy - y)) / soft + 0.5, 0, 1).astype(np.float32)


def scene(low: float, high: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Plate, visible alphas of two people who overlap, their premultiplied colours."""
    front, back = blob(60, 60, 35, 12), blob(100, 60, 35, 12)
    alphas = np.stack([front, back * (1 - front)])
    colours = np.stack([smooth(1, 0.6 * high, high), smooth(2, low, low + 0.3 * (high - low))])
    background = smooth(3, low, high)
    layers = alphas[..., None] * colours
    plate = layers.sum(0) + (1 - alphas.sum(0))[..., None] * background
    return plate.astype(np.float32), alphas, layers


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.2, 14.0)])
def test_colours_come_near_the_true_ones_also_where_people_overlap(low: float, high: float) -> None:
    plate, alphas, layers = scene(low, high)
    found = estimate_foreground(plate, alphas)
    soft = (alphas > 0.02) & (alphas < 0.98)
    naive = np.abs(alphas[..., None] * plate - layers)[soft].mean()
    assert np.abs(found - layers)[soft].mean() < 0.35 * naive


@pytest.mark.parametrize("high", [1.0, 14.0])
def test_people_and_background_add_up_to_the_plate(high: float) -> None:
    plate, alphas, _ = scene(0.0, high)
    people = estimate_foreground(plate, alphas)
    # The background's own estimate is that of a person who is everything else.
    everyone = estimate_foreground(plate, np.concatenate([alphas, 1 - alphas.sum(0, keepdims=True)]))
    np.testing.assert_allclose(everyone.sum(0), plate, atol=1e-4 * high)
    np.testing.assert_allclose(everyone[:2], people, atol=0.05 * high)


def test_solid_pixels_are_the_plate_and_empty_ones_zero() -> None:
    plate, alphas, _ = scene(-0.5, 3.0)
    found = estimate_foreground(plate, alphas)
    for person, alpha in zip(found, alphas, strict=True):
        np.testing.assert_array_equal(person[alpha == 1], plate[alpha == 1])
        assert not person[alpha == 0].any()


def test_broken_pixels_do_not_spread() -> None:
    plate, alphas, _ = scene(0.0, 1.0)
    plate[60, 60], plate[10, 10] = np.nan, np.inf
    found = estimate_foreground(plate, alphas)
    assert np.isfinite(found).all()
    clean = estimate_foreground(scene(0.0, 1.0)[0], alphas)
    assert np.abs(found - clean)[:, 58:63, 58:63].max() <= 1.0


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 3), (33, 17)])
def test_any_size_and_nobody(shape: tuple[int, int]) -> None:
    plate = np.full((*shape, 3), 0.5, np.float32)
    half = np.full((1, *shape), 0.5, np.float32)
    np.testing.assert_allclose(estimate_foreground(plate, half), 0.25, atol=1e-3)
    assert estimate_foreground(plate, half[:0]).shape == (0, *shape, 3)
    assert not estimate_foreground(plate, half * 0).any()


def test_same_bytes_twice() -> None:
    plate, alphas, _ = scene(0.0, 1.0)
    assert estimate_foreground(plate, alphas).tobytes() == estimate_foreground(plate, alphas).tobytes()


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="alphas"):
        estimate_foreground(np.zeros((4, 4, 3), np.float32), np.zeros((1, 5, 4), np.float32))
