"""The weights that ship: there, small, and better than the guidance they are given."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vimatte.engine.errors import BackendError
from vimatte.engine.lite import shipped as module
from vimatte.engine.lite.shipped import shipped
from vimatte.engine.masks import BoolMask
from vimatte.engine.matting.lite import Lite
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.testing.matting_contract import MattingContract, crossing_shot, tracks_of
from vimatte.engine.testing.shots import MemoryShot


class TestLite(MattingContract):
    """Trained on people, held against soft discs."""

    def make(self) -> MattingModel:
        return Lite(device="cpu")


def test_all_that_ships_is_small() -> None:
    folder = shipped("matte").path.parent
    assert sum(path.stat().st_size for path in folder.glob("*.safetensors")) < 30e6


def test_settings_name_the_weights() -> None:
    assert Lite().settings["weights.lite.matte"] == shipped("matte").sha256


def test_an_installation_without_weights_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = shipped("matte").path.parent
    monkeypatch.setattr(module.resources, "files", lambda _: elsewhere)
    with pytest.raises(BackendError, match="install vimatte again"):
        shipped("matte")


@pytest.mark.parametrize("grow", [-5, 5])
def test_masks_too_small_or_too_large_become_mattes_of_the_picture(grow: int) -> None:
    """Two discs crossing: the error is a fraction of that of the masks given."""
    pictures, truth = crossing_shot(3, height=160, width=208)
    masks: list[Sequence[BoolMask]] = [[_resized(a, grow) for a in frame] for frame in truth]
    tracks = tracks_of(masks, height=160, width=208)
    shot = MemoryShot(pictures)
    found = np.stack([f.alphas for f in Lite().mattes(shot, tracks, list(shot.frames))])
    given = np.abs(np.array(masks, np.float32) - truth).mean()
    assert np.abs(found - truth).mean() < 0.35 * given
    assert found.sum(axis=1).max() <= 1


def _resized(alpha: NDArray[np.float32], grow: int) -> BoolMask:
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(grow) + 1,) * 2)
    change = cv2.dilate if grow > 0 else cv2.erode
    return np.asarray(change((alpha > 0.5).astype(np.uint8), brush) > 0)
