from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vimatte.ocio.written_alphas import Depth, written_alphas

DTYPES: dict[Depth, type[np.floating]] = {"half": np.float16, "float": np.float32}
depths = pytest.mark.parametrize("depth", ["half", "float"])


def crowd(n: int, k: int = 4000, *, seed: int = 0) -> np.ndarray:
    """Alphas (n, 1, k) that sum to exactly or nearly 1, or less."""
    rng = np.random.default_rng(seed)
    alphas = rng.dirichlet(np.full(n, 0.4), size=k).T.astype(np.float32)
    alphas[:, ::3] *= rng.random(alphas[:, ::3].shape[1], dtype=np.float32)
    return alphas[:, None]


@depths
@pytest.mark.parametrize("n", [1, 2, 3, 7, 40])
def test_sums_are_exact_and_never_above_one(depth: Depth, n: int) -> None:
    out = written_alphas(crowd(n), depth=depth)
    exact = out.astype(np.float64).sum(axis=0)
    assert exact.max() <= 1.0
    np.testing.assert_array_equal(exact.astype(DTYPES[depth]).astype(np.float64), exact)
    np.testing.assert_array_equal(out, out.astype(DTYPES[depth]))
    np.testing.assert_array_equal(out.sum(axis=0, dtype=np.float32), exact)


@depths
def test_values_hardly_change(depth: Depth) -> None:
    alphas = crowd(3)
    off = np.abs(written_alphas(alphas, depth=depth) - alphas)
    assert off.max() <= 1 / 1024 + 3 / 2048
    assert np.median(off) < 1 / 4096


def test_a_lone_person_keeps_the_file_s_full_precision() -> None:
    ramp = np.linspace(0.002, 0.998, 5000, dtype=np.float32)[None, None]
    np.testing.assert_array_equal(written_alphas(ramp), ramp.astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(written_alphas(ramp, depth="float"), ramp)


@depths
def test_noise_is_snapped(depth: Depth) -> None:
    alphas = np.array([0.0, 1 / 1024, 0.0011, 0.5, 1 - 0.0011, 1 - 1 / 1024, 1.0, 1.2, -0.1], np.float32)[None, None]
    out = written_alphas(alphas, depth=depth)[0, 0]
    assert out[[0, 1, 8]].tolist() == [0, 0, 0]
    assert out[[5, 6, 7]].tolist() == [1, 1, 1]
    assert 0 < out[2] < out[3] == 0.5 < out[4] < 1


@depths
def test_a_shared_pixel_above_one_is_divided_out(depth: Depth) -> None:
    out = written_alphas(np.full((3, 1, 1), 0.75, np.float32), depth=depth)
    assert out.sum() == 1.0
    assert np.ptp(out) <= 1 / 1024


def test_nan_counts_as_nobody_and_the_input_stays() -> None:
    alphas = np.array([np.nan, 0.4, np.inf], np.float32)[None, None]
    before = alphas.copy()
    assert written_alphas(alphas)[0, 0].tolist() == [0.0, float(np.float16(0.4)), 1.0]
    np.testing.assert_array_equal(alphas, before)


def test_nobody_at_all() -> None:
    assert written_alphas(np.zeros((0, 3, 4), np.float32)).shape == (0, 3, 4)


@depths
@given(data=st.data())
def test_any_alphas(depth: Depth, data: st.DataObject) -> None:
    shape = (data.draw(st.integers(1, 90)), 1, 3)
    alphas = data.draw(hnp.arrays(np.float32, shape, elements=st.floats(-1, 2, width=32)))
    out = written_alphas(alphas, depth=depth)
    exact = out.astype(np.float64).sum(axis=0)
    assert out.min() >= 0
    assert exact.max() <= 1.0
    np.testing.assert_array_equal(exact.astype(DTYPES[depth]), exact)
