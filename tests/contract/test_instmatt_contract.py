from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.masks import BoolMask
from vimatte.engine.matting.instmatt import model as module
from vimatte.engine.matting.instmatt.model import InstMattMatting
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.testing.matting_contract import tracks_of
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import TrackSet

from support.recipe_weights import instmatt_weights
from support.weights_contract import WeightsContract, slow


@slow("test_any_chunking_gives_the_same_bytes", "test_memory_does_not_grow_with_the_shot")
class TestInstMatt(WeightsContract):
    weight_set, command = "instmatt", "vimatte weights import instmatt"
    # What is left are the weights of the first stage.
    without, refusal = "refiner.", r"8 missing: refiner\.split\.weight"
    step, advice = (module, "infer"), "2 people at 56x40"

    def weights(self) -> dict[str, Tensor]:
        return instmatt_weights()

    def open(self, state: dict[str, Tensor] | None) -> MattingModel:
        return InstMattMatting(device="cpu", state=state)


def test_more_than_ten_people() -> None:
    masks: list[BoolMask | None] = []
    for row in range(12):
        mask = np.zeros((40, 48), bool)
        mask[(row // 4) * 13 : (row // 4) * 13 + 10, (row % 4) * 12 : (row % 4) * 12 + 10] = True
        masks.append(mask)
    alphas = _matte(masks)
    assert alphas.shape == (12, 40, 48)
    assert alphas.any(axis=(1, 2)).all()
    assert alphas.sum(axis=0, dtype=np.float64).max() <= 1.0


def test_people_are_matted_the_same_in_any_order() -> None:
    masks = _two_people()
    np.testing.assert_allclose(_matte(masks)[::-1], _matte(masks[::-1]), atol=2e-4)


def test_others_change_a_matte() -> None:
    """Whoever is beside a person is part of that person's tri-mask."""
    masks = _two_people()
    assert np.abs(_matte(masks)[0] - _matte(masks[:1])[0]).max() > 0.01


def test_the_absent_change_nothing() -> None:
    masks = _two_people()
    with_absent = _matte([masks[0], None, masks[1], None])
    np.testing.assert_array_equal(with_absent[[0, 2]], _matte(masks))
    assert not with_absent[[1, 3]].any()


def test_the_same_mask_twice_is_shared() -> None:
    """A duplicate is left out of the refinement, not out of the result."""
    mask = _two_people()[0]
    alphas = _matte([mask, mask])
    assert alphas.any(axis=(1, 2)).all()
    assert alphas.sum(axis=0, dtype=np.float64).max() <= 1.0


def test_large_pictures_are_matted_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONG_SIDE", 32)
    model = InstMattMatting(state=instmatt_weights())
    seen: list[tuple[int, ...]] = []
    model._network.register_forward_hook(lambda _module, given, _result: seen.append(tuple(given[0].shape)))
    picture, tracks = _shot(_two_people())
    (frame,) = model.mattes(MemoryShot([picture]), tracks, [1001])
    # 40x64 becomes 20x32; 32 more on each side, then up to a multiple of 32.
    assert seen == [(1, 6, 96, 96)] * 2
    assert frame.alphas.shape == (2, 40, 64)
    assert model.settings["long_side"] == 32


def _two_people() -> list[BoolMask | None]:
    masks = np.zeros((2, 40, 64), bool)
    masks[0, 8:36, 6:28] = True
    masks[1, 5:32, 34:60] = True
    return list(masks)


def _shot(masks: Sequence[BoolMask | None]) -> tuple[NDArray[np.float32], TrackSet]:
    height, width = next(mask.shape for mask in masks if mask is not None)
    picture = np.random.default_rng(5).random((height, width, 3), np.float32)
    return picture, tracks_of([masks], height=height, width=width)


def _matte(masks: Sequence[BoolMask | None]) -> NDArray[np.float32]:
    picture, tracks = _shot(masks)
    (frame,) = InstMattMatting(state=instmatt_weights()).mattes(MemoryShot([picture]), tracks, [1001])
    return frame.alphas
