"""Rounding to half floats, against the casts of numpy."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vimatte.ocio.half import HALF_MAX, as_half, rounded_to_half


def by_casting(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values.astype(np.float16).astype(np.float32)


def test_every_half_float_every_tie_and_their_neighbours_are_rounded_as_numpy_rounds() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
    halves = halves[np.isfinite(halves)]
    ordered = np.sort(halves).astype(np.float64)
    ties = ((ordered[1:] + ordered[:-1]) / 2).astype(np.float32)
    around = [np.nextafter(v, np.float32(to)) for v in (halves, ties) for to in (-np.inf, np.inf)]
    values = np.concatenate([halves, ties, *around])
    values = values[np.abs(values) <= HALF_MAX]
    found, wanted = rounded_to_half(values), by_casting(values)
    assert np.array_equal(found.view(np.uint32), wanted.view(np.uint32))


def test_casting_gives_the_bits_that_numpy_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
    halves = halves[~np.isnan(halves)]
    values = np.concatenate([halves, np.nextafter(halves, np.float32(0)), np.float32([7e4, -7e4, 65519.99])])
    values = values[: len(values) // 3 * 3].reshape(-1, 3)
    with np.errstate(over="ignore"):
        wanted = values.astype(np.float16)
    assert np.array_equal(as_half(values).view(np.uint16), wanted.view(np.uint16))
    assert np.isnan(as_half(np.full((2, 2), np.nan, np.float32))).all()

    def refused(*_: object, **__: object) -> None:
        raise cv2.error("no halves")

    monkeypatch.setattr(cv2, "add", refused)
    with np.errstate(over="ignore"):
        assert np.array_equal(as_half(values).view(np.uint16), wanted.view(np.uint16))


def test_values_keep_their_shape_and_are_not_written_to() -> None:
    values = np.random.default_rng(3).normal(0, 40, (5, 7, 3)).astype(np.float32)[:, ::2]
    before = values.copy()
    found = rounded_to_half(values)
    assert found.shape == values.shape
    assert np.array_equal(found, by_casting(values))
    assert np.array_equal(values, before)
