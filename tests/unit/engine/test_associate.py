"""Association over a whole shot: crossings, gaps, doubles, clutter; masks and motion made here, no network."""

from __future__ import annotations

import numpy as np
import pytest

from vimatte.engine.masks import BoolMask, Rle
from vimatte.engine.vis.associate import Sighting, Tracklet, associate, colour_distance

HEIGHT, WIDTH = 72, 128
RED, BLUE, GREEN = 0, 1, 2


def colour(kind: int) -> np.ndarray:
    histogram = np.full(8, 0.02, np.float32)
    histogram[kind] = 1.0
    return np.sqrt(histogram / histogram.sum()).astype(np.float32)


def body(x: float, y: float = 40.0, half: float = 6.0) -> BoolMask:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return (np.abs(columns - x) <= half) & (np.abs(rows - y) <= 20)


class Shot:
    """People as positions by frame; the carry knows each one's true motion by where the mask's middle is."""

    def __init__(self, frames: int) -> None:
        self.sightings: list[list[Sighting]] = [[] for _ in range(frames)]
        self.paths: list[dict[int, float]] = []

    def person(self, path: dict[int, float], kind: int, *, seen: list[int] | None = None, quality: float = 0.9) -> None:
        self.paths.append(path)
        for at, x in path.items():
            if seen is None or at in seen:
                self.add(at, body(x), x, kind, quality)

    def add(self, at: int, mask: BoolMask, x: float, kind: int, quality: float = 0.9) -> None:
        self.sightings[at].append(
            Sighting(
                at=at,
                index=len(self.sightings[at]),
                mask=Rle.encode(mask),
                quality=quality,
                x=x,
                y=40.0,
                reach=20.0,
                colour=colour(kind),
            )
        )

    def carry(self, mask: BoolMask, start: int, end: int) -> BoolMask:
        if not mask.any():
            return mask
        x = float(np.nonzero(mask)[1].mean())
        paths = [p for p in self.paths if start in p and end in p]
        nearest = min(paths, key=lambda p: abs(p[start] - x), default=None)
        shift = 0 if nearest is None or abs(nearest[start] - x) > 8 else round(nearest[end] - nearest[start])
        moved = np.zeros_like(mask)
        source = mask[:, max(0, -shift) : WIDTH - max(0, shift)]
        moved[:, max(0, shift) : WIDTH - max(0, -shift)] = source
        return moved

    def run(self) -> list[Tracklet]:
        return associate(self.sightings, self.carry)


def line(start: float, step: float, frames: range) -> dict[int, float]:
    return {at: start + step * at for at in frames}


def kinds(track: Tracklet) -> set[int]:
    return {int(np.argmax(s.colour)) for s in track.sightings}


def test_one_person_is_one_track() -> None:
    shot = Shot(20)
    shot.person(line(20, 3, range(20)), RED)
    (one,) = shot.run()
    assert [s.at for s in one.sightings] == list(range(20))


def test_a_short_gap_is_bridged() -> None:
    shot = Shot(30)
    shot.person(line(20, 2, range(30)), RED, seen=[*range(10), *range(20, 30)])
    (one,) = shot.run()
    assert len(one.sightings) == 20


@pytest.mark.parametrize("same_clothes", [False, True])
def test_two_who_cross_are_neither_swapped_nor_merged(same_clothes: bool) -> None:
    shot = Shot(40)
    hidden = [at for at in range(40) if abs((20 + 2 * at) - (100 - 2 * at)) < 14]
    shot.person(line(20, 2, range(40)), RED)
    shot.person(line(100, -2, range(40)), RED if same_clothes else BLUE, seen=[a for a in range(40) if a not in hidden])
    assert len(hidden) >= 5
    first, second = shot.run()
    assert first.first.x == 20
    assert first.last.x == pytest.approx(98)
    assert second.first.x == 100
    assert second.last.x == pytest.approx(22)
    assert len(second.sightings) == 40 - len(hidden)


def test_a_mask_over_two_people_belongs_to_nobody() -> None:
    shot = Shot(30)
    left, right = dict.fromkeys(range(30), 50.0), dict.fromkeys(range(30), 66.0)
    apart = [at for at in range(30) if not 12 <= at < 18]
    shot.person(left, RED, seen=apart)
    shot.person(right, BLUE, seen=apart)
    for at in range(12, 18):
        shot.add(at, body(50) | body(66), 58.0, RED)
    people = shot.run()
    assert len(people) == 2
    for person in people:
        assert not {s.at for s in person.sightings} & set(range(12, 18))
        assert len(kinds(person)) == 1


def test_somebody_else_in_the_same_place_is_not_the_same_person() -> None:
    shot = Shot(40)
    shot.person(dict.fromkeys(range(15), 40.0), RED)
    shot.person(dict.fromkeys(range(25, 40), 42.0), BLUE)
    assert [kinds(p) for p in shot.run()] == [{RED}, {BLUE}]


def test_far_away_at_once_is_not_the_same_person() -> None:
    shot = Shot(20)
    shot.person(dict.fromkeys(range(10), 20.0), RED)
    shot.person(dict.fromkeys(range(10, 20), 110.0), RED)
    assert len(shot.run()) == 2


def test_order_is_by_appearance_then_from_the_left() -> None:
    shot = Shot(20)
    shot.person(dict.fromkeys(range(5, 20), 20.0), GREEN)
    shot.person(dict.fromkeys(range(20), 100.0), BLUE)
    shot.person(dict.fromkeys(range(20), 60.0), RED)
    assert [kinds(p) for p in shot.run()] == [{RED}, {BLUE}, {GREEN}]


def test_every_sighting_belongs_to_one_person_at_most() -> None:
    random = np.random.default_rng(7)
    shot = Shot(25)
    for kind in range(3):
        start, step = float(random.uniform(20, 100)), float(random.uniform(-2, 2))
        shot.person(line(start, step, range(25)), kind, seen=sorted(random.choice(25, 18, replace=False).tolist()))
    people = shot.run()
    places = [(s.at, s.index) for p in people for s in p.sightings]
    assert len(places) == len(set(places))
    for person in people:
        frames = [s.at for s in person.sightings]
        assert frames == sorted(set(frames))
    assert people == shot.run()


def test_nobody() -> None:
    assert associate([[], [], []], lambda mask, start, end: mask) == []


def test_colour_distance_runs_from_zero_to_one() -> None:
    assert colour_distance(colour(0), colour(0)) == pytest.approx(0.0, abs=1e-3)
    assert colour_distance(np.eye(2, dtype=np.float32)[0], np.eye(2, dtype=np.float32)[1]) == 1.0
