"""Clips in which people walk past each other."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vimatte.engine.training.data import PROTOCOLS, Settings, TrainingClips
from vimatte.engine.training.data.crossings import skipping
from vimatte.engine.training.data.footage import Footage


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of seven frames: an upright ellipse in one colour, frame by frame a little brighter."""
    folder = tmp_path_factory.mktemp("people")
    for name, colour in (("anna", (200, 60, 40)), ("bruno", (40, 90, 200))):
        (folder / name).mkdir()
        for t in range(7):
            rgba = np.zeros((96, 48, 4), np.uint8)
            rgba[..., :3] = np.array(colour, np.uint8) + 5 * t
            cv2.ellipse(rgba, ((24.0, 48.0), (26.0, 80.0), 0.0), (*colour, 255), -1)
            cv2.imwrite(str(folder / name / f"{t:03d}.png"), rgba)
    return folder


def clips(people: Path, *, seed: int = 3) -> TrainingClips:
    settings = Settings(protocol=PROTOCOLS["crossings"], frames=4, height=96, width=96)
    return TrainingClips(people, settings=settings, seed=seed, length=40)


def test_the_same_clip_twice_is_the_same(people: Path) -> None:
    one, two = clips(people)[5], clips(people)[5]
    np.testing.assert_array_equal(one.pictures, two.pictures)
    np.testing.assert_array_equal(one.alphas, two.alphas)
    assert not np.array_equal(one.pictures, clips(people, seed=4)[5].pictures)


def test_alphas_are_shares_and_pictures_are_codes(people: Path) -> None:
    for index in range(12):
        sample = clips(people)[index]
        assert sample.alphas.min() >= 0
        assert sample.alphas.sum(axis=1).max() <= 1
        assert 0 <= sample.pictures.min() <= sample.pictures.max() <= 1
        assert sample.guidance.shape == sample.alphas.shape


def test_some_change_places_some_leave_and_some_are_twins(people: Path) -> None:
    crossed = gone = twins = 0
    columns = np.arange(96)
    for index in range(40):
        sample = clips(people)[index]
        twins += len(set(sample.names)) < len(sample.names)
        mass = sample.alphas.sum(axis=2)
        there = mass.sum(axis=2) > 30
        gone += bool((there[0] & ~there.all(axis=0)).any())
        if mass.shape[1] > 1 and there[[0, -1], :2].all():
            at = (mass * columns).sum(axis=2) / np.maximum(mass.sum(axis=2), 1)
            crossed += bool((at[0, 0] < at[0, 1]) != (at[-1, 0] < at[-1, 1]))
    assert crossed >= 4
    assert gone >= 2
    assert twins >= 6


def test_frames_are_skipped_in_order(people: Path) -> None:
    every = skipping(Footage.of(people))
    assert [[f.stem for f in one.sources[0].files] for one in every] == [
        ["000", "001", "002", "003", "004", "005", "006"],
        ["000", "002", "004", "006"],
        ["000", "003", "006"],
    ]
