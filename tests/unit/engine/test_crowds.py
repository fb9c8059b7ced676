"""Made-up crowds: the truth is exact, the levels hold what they say, the detector is as bad as told."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from vimatte.engine.masks import mask_iou
from vimatte.engine.metrics.boundary import boundary_f
from vimatte.engine.metrics.idf1 import Idf1Meter
from vimatte.engine.testing.crowds import LEVELS, Actor, crowd_shot, film
from vimatte.engine.testing.detector import SimulatedDetector
from vimatte.engine.testing.figures import drawn_figure, rendered_figures

SIZE = (192, 108)


@pytest.mark.parametrize("level", LEVELS)
def test_people_never_share_a_pixel_and_the_same_seed_gives_the_same_shot(level: str) -> None:
    one, two = (crowd_shot(level, seed=3, size=SIZE, frames=12) for _ in range(2))
    assert len(one.names) >= 3
    for at, frame in enumerate(one.truth):
        assert frame == two.truth[at]
        assert np.array_equal(one.pictures[at], two.pictures[at])
        assert all(np.count_nonzero(np.sum([m.decode() for m in frame.values()], axis=0) > 1) == 0 for _ in frame)


def test_truth_is_where_the_picture_changes() -> None:
    who = Actor(name="a", figure=drawn_figure(1), path={0: (60.0, 100.0)}, height=70, depth=0)
    with_, without = (film("easy", [(0, cast)], width=128, height=108, frames=1) for cast in ([who], []))
    gap = np.abs(with_.pictures[0].astype(int) - without.pictures[0]).max(axis=2)
    assert mask_iou(gap > 12, with_.truth[0]["a"].decode()) > 0.9


def test_hiding_hides_for_ten_to_twenty_frames() -> None:
    shot = crowd_shot("hiding")
    gaps = []
    for name in shot.names:
        seen = [at for at, frame in enumerate(shot.truth) if name in frame]
        gaps += [b - a - 1 for a, b in pairwise(seen) if b > a + 1]
    assert len([g for g in gaps if 10 <= g <= 20]) >= 2
    assert max(gaps) <= 24


def test_returning_people_leave_and_come_back() -> None:
    shot = crowd_shot("returning", size=SIZE)
    middle = shot.truth[30]
    assert {"person_00", "person_01", "person_02"} & set(middle) == set()
    assert {"person_00", "person_01", "person_02"} <= set(shot.truth[0]) & set(shot.truth[-1])


def test_cut_and_crowd_hold_what_they_say() -> None:
    assert crowd_shot("cut", size=SIZE).cuts == (20, 40)
    crowd = crowd_shot("crowd", size=(320, 180), frames=4)
    assert len(crowd.names) == 30


def test_an_unknown_level_is_told_what_there_is() -> None:
    with pytest.raises(ValueError, match="there are: easy"):
        crowd_shot("riot")


def test_a_perfect_detector_gives_the_truth_in_another_order() -> None:
    shot = crowd_shot("easy", size=SIZE, frames=10)
    found = SimulatedDetector(misses=0, ghosts=0, merges=0, jitter=0).detect(shot.truth)
    for frame, truth in zip(found, shot.truth, strict=True):
        assert {d.truth: d.mask for d in frame} == dict(truth)
    assert len({tuple(str(d.truth) for d in frame) for frame in found}) > 1


def test_a_bad_detector_is_as_bad_as_told_and_repeatable() -> None:
    shot = crowd_shot("crossing", size=SIZE)
    bad = SimulatedDetector(merges=1.0, seed=4)
    found = bad.detect(shot.truth)
    assert found == bad.detect(shot.truth)
    total = sum(len(f) for f in shot.truth)
    only_misses = SimulatedDetector(merges=0, ghosts=0, seed=4).detect(shot.truth)
    assert 0.7 < sum(len(f) for f in only_misses) / total < 0.9
    assert any(d.truth is None for f in found for d in f)
    swallowed = sum(d.truth is not None for f in found for d in f)
    assert swallowed < sum(len(f) for f in only_misses)


def test_rendered_people_where_they_are() -> None:
    folder = os.environ.get("VIMATTE_HUMANS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("rendered people are not here (set VIMATTE_HUMANS to their folder)")
    figures = rendered_figures(Path(folder), count=3)
    assert len(figures) == 3
    assert all(p.shape == f.poses[0].shape and p[..., 3].any() for f in figures for p in f.poses)


def test_no_folder_of_people_gives_nobody(tmp_path: Path) -> None:
    assert rendered_figures(tmp_path, count=3) == []


def test_boundary_f_is_one_for_the_same_and_falls_with_distance() -> None:
    mask = np.zeros((200, 200), bool)
    mask[60:140, 60:140] = True
    assert boundary_f(mask, truth=mask) == 1.0
    assert boundary_f(np.roll(mask, 2, axis=1), truth=mask) == 1.0  # within 3 pixels, 0.8 % of the diagonal
    assert 0.4 < boundary_f(np.roll(mask, 8, axis=1), truth=mask) < 0.7
    assert boundary_f(np.zeros_like(mask), truth=mask) == 0.0
    assert boundary_f(np.zeros_like(mask), truth=np.zeros_like(mask)) == 1.0


def test_idf1_counts_a_swap_as_half() -> None:
    a, b = np.zeros((8, 8), bool), np.zeros((8, 8), bool)
    a[:, :3], b[:, 5:] = True, True
    meter = Idf1Meter(["p", "q"], tracks=["1", "2"])
    for at in range(10):
        meter.add({"p": a, "q": b}, tracks={"1": a, "2": b} if at < 6 else {"1": b, "2": a})
    score = meter.result()
    assert (score.right, score.false, score.missed) == (12, 8, 8)
    assert score.idf1 == pytest.approx(0.6)
