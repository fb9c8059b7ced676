"""Run lengths of any mask whatever."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vimatte.engine.masks import Rle, mask_iou

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=12)
MASKS = hnp.arrays(np.bool_, SHAPES)


@given(MASKS)
def test_round_trip(mask: np.ndarray) -> None:
    rle = Rle.encode(mask)
    assert np.array_equal(rle.decode(), mask)
    assert rle.decode().shape == mask.shape
    assert rle == Rle.encode(rle.decode())
    assert rle.counts.dtype == np.uint32


@given(MASKS)
def test_runs_are_the_shortest_way_to_say_it(mask: np.ndarray) -> None:
    counts = Rle.encode(mask).counts
    assert (counts[1:] > 0).all()


@given(MASKS)
def test_area_and_box(mask: np.ndarray) -> None:
    rle = Rle.encode(mask)
    assert rle.area == np.count_nonzero(mask)
    if not mask.any():
        assert rle.box is None
        return
    assert rle.box is not None
    x0, y0, x1, y1 = rle.box
    assert np.count_nonzero(mask[y0:y1, x0:x1]) == rle.area
    rows, columns = np.nonzero(mask)
    assert (x0, y0, x1, y1) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


@given(MASKS)
def test_layout_in_memory_does_not_matter(mask: np.ndarray) -> None:
    turned = np.asfortranarray(mask)
    assert Rle.encode(turned) == Rle.encode(mask)
    assert hash(Rle.encode(turned)) == hash(Rle.encode(mask))


@given(SHAPES.flatmap(lambda s: st.tuples(hnp.arrays(np.bool_, s), hnp.arrays(np.bool_, s))))
def test_equal_only_when_the_masks_are(pair: tuple[np.ndarray, np.ndarray]) -> None:
    one, other = pair
    assert (Rle.encode(one) == Rle.encode(other)) == np.array_equal(one, other)
    iou = mask_iou(one, other)
    assert iou == mask_iou(other, one)
    assert 0 <= iou <= 1
    assert (iou == 1) == np.array_equal(one, other)
