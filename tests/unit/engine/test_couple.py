from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vimatte.engine.refine.couple import SNAP, couple


@given(arrays(np.float32, (4, 3, 5), elements=st.floats(-2, 2, width=32) | st.sampled_from([np.nan, np.inf, -np.inf])))
@settings(deadline=None)
def test_any_input_gives_alphas_that_sum_to_at_most_1(alphas: np.ndarray) -> None:
    out = couple(alphas)
    assert out.dtype == np.float32
    assert out.min() >= 0
    assert out.sum(axis=0, dtype=np.float64).max() <= 1.0
    assert out.sum(axis=0, dtype=np.float32).max() <= 1.0


def test_shares_where_people_overlap() -> None:
    alphas = np.array([0.9, 0.6], np.float32).reshape(2, 1, 1)
    np.testing.assert_allclose(couple(alphas).reshape(2), [0.6, 0.4], atol=1e-6)


def test_leaves_a_good_mixture_alone() -> None:
    alphas = np.array([0.25, 0.5], np.float32).reshape(2, 1, 1)
    np.testing.assert_array_equal(couple(alphas), alphas)


@pytest.mark.parametrize(("given_", "found"), [(SNAP / 2, 0.0), (1 - SNAP / 2, 1.0), (-0.2, 0.0), (1.4, 1.0)])
def test_ends_are_exact(given_: float, found: float) -> None:
    assert couple(np.full((1, 2, 2), given_))[0, 0, 0] == found


def test_a_solid_person_leaves_nothing_to_the_others() -> None:
    alphas = np.array([0.9995, 0.0005], np.float32).reshape(2, 1, 1)
    assert couple(alphas).reshape(2).tolist() == [1.0, 0.0]


def test_nobody() -> None:
    assert couple(np.zeros((0, 3, 4), np.float32)).shape == (0, 3, 4)


def test_input_is_left_alone() -> None:
    alphas = np.full((2, 2, 2), 0.8, np.float32)
    couple(alphas)
    assert (alphas == np.float32(0.8)).all()
