"""Binary masks as run lengths, by example."""

from __future__ import annotations

import numpy as np
import pytest

from vimatte.engine.masks import Rle, mask_iou


def test_runs_begin_with_zeros() -> None:
    assert Rle.encode(np.array([[0, 1, 1], [1, 0, 0]], bool)).counts.tolist() == [1, 3, 2]
    assert Rle.encode(np.array([[1, 0]], bool)).counts.tolist() == [0, 1, 1]


def test_runs_go_on_over_the_end_of_a_row() -> None:
    assert Rle.encode(np.array([[0, 1], [1, 0]], bool)).counts.tolist() == [1, 2, 1]


def test_full_and_empty() -> None:
    assert Rle.encode(np.ones((2, 3), bool)).counts.tolist() == [0, 6]
    assert Rle.encode(np.zeros((2, 3), bool)).counts.tolist() == [6]
    assert Rle.encode(np.zeros((2, 3), bool)).box is None


def test_wrong_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="runs sum to 5, the mask has 6 pixels"):
        Rle(2, 3, np.array([5], np.uint32))


def test_same_runs_of_another_shape_are_another_mask() -> None:
    assert Rle.encode(np.ones((2, 3), bool)) != Rle.encode(np.ones((3, 2), bool))
    assert Rle.encode(np.ones((2, 3), bool)) != "mask"


def test_repr_shows_no_pixels() -> None:
    assert repr(Rle.encode(np.ones((2, 3), bool))) == "Rle(3x2, area=6)"


def test_an_8k_mask_of_one_run_is_small_and_exact() -> None:
    mask = np.ones((4320, 7680), bool)
    rle = Rle.encode(mask)
    assert rle.counts.nbytes == 8
    assert rle.area == mask.size


def test_iou() -> None:
    one, other = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert mask_iou(one, other) == 1.0
    one[0], other[0, :2] = True, True
    assert mask_iou(one, other) == 0.5
    assert mask_iou(one, ~one) == 0.0
