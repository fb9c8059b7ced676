"""The whole-shot tracker on made-up crowds: nobody swapped, merged, doubled or renamed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from vimatte.engine.errors import ConfigError
from vimatte.engine.masks import Rle, mask_iou
from vimatte.engine.testing.crowds import CrowdShot, crowd_shot
from vimatte.engine.testing.detector import SimulatedDetection, SimulatedDetector
from vimatte.engine.vis.cuts import is_cut
from vimatte.engine.vis.identity import Detection, Identity, IdentityOptions, identify
from vimatte.engine.vis.identity.cover import path_cover
from vimatte.engine.vis.identity.motion import ShotMotion

SIZE = (256, 144)
MILD = SimulatedDetector(misses=0.1, ghosts=0.2, merges=0.1, jitter=0.005)
Found = Sequence[Sequence[SimulatedDetection]]


def follow(shot: CrowdShot, found: Found, **options: int) -> list[Identity]:
    detections = [[Detection(d.mask, d.score) for d in frame] for frame in found]
    return identify(detections, shot.pictures, options=IdentityOptions(**options))


def shown(one: Identity, found: Found) -> set[str | None]:
    """Whom the detections of an identity really show."""
    return {found[at][k].truth for at, k in one.seen.items()}


@pytest.mark.parametrize("level", ["easy", "crossing", "hiding", "returning", "look-alikes", "cut"])
def test_everybody_is_one_identity(level: str) -> None:
    shot = crowd_shot(level, seed=0, size=SIZE)
    found = MILD.detect(shot.truth)
    people = follow(shot, found)
    who = [shown(p, found) - {None} for p in people]
    assert all(len(w) == 1 for w in who), who
    assert sorted(n for w in who for n in w if n) == list(shot.names)
    for p in people:
        assert min(p.seen) == min(p.masks)
        assert list(p.masks) == sorted(p.masks)


def test_thirty_people() -> None:
    shot = crowd_shot("crowd", size=(480, 270), frames=16)
    found = SimulatedDetector(misses=0.1, ghosts=0, merges=0, jitter=0.0).detect(shot.truth)
    people = follow(shot, found)
    pure = sum(len(shown(p, found)) == 1 for p in people)
    assert 28 <= len(people) <= 32
    assert pure >= len(people) - 1


def test_the_order_of_detections_changes_nothing_and_twice_is_the_same() -> None:
    shot = crowd_shot("crossing", size=SIZE, frames=30)
    found = MILD.detect(shot.truth)
    turned = [list(reversed(frame)) for frame in found]
    masks = [p.masks for p in follow(shot, found)]
    assert masks == [p.masks for p in follow(shot, found)]
    assert masks == [p.masks for p in follow(shot, turned)]


def test_order_is_first_appearance_then_left_to_right() -> None:
    shot = crowd_shot("returning", size=SIZE)
    found = SimulatedDetector(misses=0, ghosts=0, merges=0, jitter=0).detect(shot.truth)
    people = follow(shot, found)
    first = [(min(p.masks), float(np.nonzero(p.masks[min(p.masks)].decode())[1].mean())) for p in people]
    assert first == sorted(first)
    assert shown(people[-1], found) == {"person_03"}


def test_nobody_is_two_on_one_frame_and_no_detection_is_two_people() -> None:
    shot = crowd_shot("look-alikes", size=SIZE, frames=40)
    found = SimulatedDetector(seed=1).detect(shot.truth)
    used = [(at, k) for p in follow(shot, found) for at, k in p.seen.items()]
    assert len(used) == len(set(used))


def test_flickers_go_and_short_gaps_are_filled() -> None:
    shot = crowd_shot("easy", size=SIZE, frames=20)
    found = SimulatedDetector(misses=0, ghosts=0, merges=0, jitter=0).detect(shot.truth)
    blob = np.zeros(SIZE[::-1], bool)
    blob[5:30, 100:120] = True
    flicker = SimulatedDetection(Rle.encode(blob), 0.9, None)
    thin = [[d for d in f if at not in (8, 9) or d.truth != "person_01"] for at, f in enumerate(found)]
    thin[4].append(flicker)
    thin[5].append(flicker)
    people = follow(shot, thin)
    assert len(people) == 3
    one = next(p for p in people if shown(p, thin) == {"person_01"})
    assert 8 not in one.seen
    assert 8 in one.masks
    assert mask_iou(one.masks[9].decode(), shot.truth[9]["person_01"].decode()) > 0.5
    assert 8 not in next(p for p in follow(shot, thin, fill=0) if shown(p, thin) == {"person_01"}).masks
    assert len(follow(shot, thin, min_duration=1)) == 4
    assert len(follow(shot, thin, max_instances=2)) == 2


def test_every_third_frame_is_enough() -> None:
    shot = crowd_shot("easy", seed=2, size=SIZE)
    found = SimulatedDetector(misses=0, ghosts=0, merges=0, jitter=0).detect(shot.truth)
    sparse = [f if at % 3 == 0 else [] for at, f in enumerate(found)]
    people = follow(shot, sparse, every=3)
    assert sorted(n for p in people for n in shown(p, sparse) if n) == list(shot.names)


def test_cuts_are_found_and_nowhere_else() -> None:
    cut, pan = crowd_shot("cut", size=SIZE), crowd_shot("crossing", size=SIZE, frames=30)
    for shot in (cut, pan):
        motion = ShotMotion(*SIZE)
        for picture in shot.pictures:
            motion.add(picture, [])
        assert tuple(motion.cuts) == shot.cuts


def test_a_cut_needs_lost_flow_and_new_colours() -> None:
    one, two = np.array([9.0, 1.0]), np.array([1.0, 9.0])
    assert is_cut(0.05, before=one, now=two)
    assert not is_cut(0.05, before=one, now=one)
    assert not is_cut(0.5, before=one, now=two)


def test_path_cover_is_global_not_greedy() -> None:
    # Greedy would take the cheapest link 0-2 and leave 1 with the dear one to 3.
    costs = {(0, 2): 1.0, (0, 3): 1.5, (1, 2): 1.5, (1, 3): 9.0}
    assert path_cover(4, costs, alone=10.0) == [[0, 3], [1, 2]]
    assert path_cover(4, costs, alone=1.0) == [[0], [1], [2], [3]]
    assert path_cover(3, {(0, 1): 2.0, (1, 2): 2.0}, alone=3.0, doubt=[9.0, 0.5, 9.0]) == [[0], [1], [2]]
    assert path_cover(0, {}, alone=1.0) == []


def test_a_wrong_number_of_pictures_is_refused() -> None:
    shot = crowd_shot("easy", size=SIZE, frames=3)
    for count in (2, 4):
        with pytest.raises(ConfigError, match="pictures"):
            identify([[]] * count, shot.pictures)
    assert identify([], []) == []
