"""Geometry, tiles, snapping, painting away, and the whole backend on a stand-in for the networks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from vimatte.engine.errors import BackendError, MediaError
from vimatte.engine.masks import Rle, mask_iou
from vimatte.engine.shot import Picture, Shot
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import TrackSet
from vimatte.engine.vis.backend import KeyMasks, VisOptions
from vimatte.engine.vis.blazepose import BlazePose, again, backend
from vimatte.engine.vis.blazepose.again import leave_contested, paint_away
from vimatte.engine.vis.blazepose.anchors import Kept, choose
from vimatte.engine.vis.blazepose.bodies import Body, square_to_picture
from vimatte.engine.vis.blazepose.detect import Candidate, thin, tiles_of
from vimatte.engine.vis.blazepose.keys import Cast, cast
from vimatte.engine.vis.blazepose.look import Seen
from vimatte.engine.vis.blazepose.search import Find
from vimatte.engine.vis.blazepose.segment import Person
from vimatte.engine.vis.blazepose.sighting import Sighting, Tracklet
from vimatte.engine.vis.snap import guided_filter, snap
from vimatte.ocio.frame_range import FrameRange

HEIGHT, WIDTH = 90, 160
COLOURS = ((0.9, 0.2, 0.1), (0.1, 0.3, 0.9))


def test_square_stands_upright_on_the_body() -> None:
    body = Body(50.0, 60.0, 50.0 + 20.0, 60.0)  # the head points to the right
    mapping = square_to_picture(body, 256)
    middle = mapping @ np.array([128.0, 128.0, 1.0])
    top = mapping @ np.array([128.0, 0.0, 1.0])
    np.testing.assert_allclose(middle, [50.0, 60.0])
    np.testing.assert_allclose(top, [50.0 + body.side / 2, 60.0], atol=1e-9)
    assert np.linalg.det(mapping[:, :2]) == pytest.approx((body.side / 256) ** 2)


@pytest.mark.parametrize(("width", "height"), [(960, 540), (540, 960), (300, 300), (2000, 200)])
def test_tiles_cover_the_picture(width: int, height: int) -> None:
    tiles = tiles_of(width, height, shares=(1.0, 0.6))
    assert tiles[0][2] == max(width, height)
    for share in (1.0, 0.6):
        side = share * min(width, height)
        covered = np.zeros((height, width), bool)
        for left, top, length in tiles[1:]:
            if length == pytest.approx(side):
                assert left >= -1e-6
                assert left + length <= width + 1e-6
                covered[int(top) : int(np.ceil(top + length)), int(left) : int(np.ceil(left + length))] = True
        assert covered.all()


def test_thinning_keeps_the_best_of_each_place_and_size() -> None:
    best, same = Candidate(Body(100, 100, 100, 60), 0.9), Candidate(Body(105, 100, 105, 62), 0.8)
    far, small = Candidate(Body(180, 100, 180, 60), 0.7), Candidate(Body(100, 100, 100, 90), 0.6)
    assert thin([best, same, far, small]) == [best, far, small]


def test_snapping_moves_a_border_to_the_edge() -> None:
    image = np.full((64, 64, 3), 40, np.uint8)
    image[:, 30:] = (200, 180, 90)
    truth = np.zeros((64, 64), bool)
    truth[10:54, 30:50] = True
    image[:, 50:] = 40
    blob = cv2.GaussianBlur(np.roll(truth, 2, axis=1).astype(np.float32), (0, 0), 3)
    assert mask_iou(snap(blob, image, radius=5) > 0.5, truth) > mask_iou(blob > 0.5, truth) + 0.05


def test_guided_filter_reproduces_what_is_affine_in_the_guide() -> None:
    guide = np.random.default_rng(3).random((40, 50, 3), np.float32)
    plane = (0.2 + guide @ np.array([0.3, -0.1, 0.4], np.float32)).astype(np.float32)
    np.testing.assert_allclose(guided_filter(plane, guide, radius=4, smoothness=1e-7), plane, atol=1e-3)


def test_painting_away_leaves_no_trace_and_nothing_else_changes() -> None:
    image = np.full((64, 96, 3), 90, np.uint8)
    mask = np.zeros((64, 96), bool)
    mask[20:40, 30:60] = True
    image[mask] = (255, 0, 0)
    painted = paint_away(image, mask)
    assert np.abs(painted.astype(int) - 90).max() <= 1
    assert paint_away(image, np.zeros_like(mask)) is image


class StandIn:
    """Finds flat coloured rectangles: the leftmost pixels of each colour say where somebody is."""

    looks = 0

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def each(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return list(map(work, items))

    def candidates(self, image: Any) -> list[Any]:
        return []

    def look(self, image: Any, *, expected: Any = (), candidates: Any = None) -> list[Seen]:
        StandIn.looks += 1
        return [s for s in (self._one(image, c) for c in COLOURS) if s is not None]

    def follow(self, image: Any, *, expected: Any) -> list[Seen]:
        return [s for s in self.look(image) if any(abs(b.x - s.person.body.x) < 15 for b in expected)]

    def _one(self, image: Any, colour: tuple[float, float, float]) -> Seen | None:
        mask = (np.abs(image.astype(np.float32) / 255 - np.array(colour, np.float32)) < 0.1).all(axis=2)
        if mask.sum() < 60:
            return None
        y, x = (float(v.mean()) for v in np.nonzero(mask))
        person = Person(
            body=Body(x, y, x, y - 25.0),
            presence=1.0,
            points=np.zeros((33, 3), np.float32),
            mask=mask.astype(np.float32),
            box=(0, 0, mask.shape[1], mask.shape[0]),
        )
        return Seen(person, 0.95)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    monkeypatch.setattr(backend, "locate", lambda name: {})
    monkeypatch.setattr(backend, "Finder", StandIn)
    StandIn.looks = 0
    return StandIn


def pictures(count: int, *people: tuple[int, float, float, range]) -> list[Picture]:
    """Noise, and a rectangle for each (colour, start, step, frames)."""
    random = np.random.default_rng(5)
    ground = cv2.GaussianBlur(random.random((HEIGHT, WIDTH, 3), np.float32), (0, 0), 2) * 0.6 + 0.2
    shot = []
    for at in range(count):
        picture = ground.astype(np.float32).copy()
        for colour, start, step, frames in people:
            if at in frames:
                x = round(start + step * at)
                picture[20:70, max(x - 9, 0) : x + 9] = COLOURS[colour]
        shot.append(picture)
    return shot


def track(shot: Shot, keys: KeyMasks | None = None, **options: Any) -> tuple[TrackSet, list[Any]]:
    running = BlazePose().track(shot, keys=keys, options=VisOptions(**options))
    events = []
    while True:
        try:
            events.append(next(running))
        except StopIteration as stop:
            return stop.value, events


def test_two_people_are_followed_and_named_from_the_left(stand_in: type[StandIn]) -> None:
    tracks, events = track(MemoryShot(pictures(10, (1, 120, -1, range(10)), (0, 40, 1, range(10)))))
    assert tracks.names == ("person_01", "person_02")
    assert tracks.presence(1) == tracks.presence(2) == tuple(range(1001, 1011))
    assert tracks.mask(1, 1001)[45, 40]
    assert tracks.mask(2, 1001)[45, 120]
    assert all(tracks.keys[i] for i in tracks.ids)
    assert tracks.source["backend"] == "blazepose"
    assert sum(k.startswith("weights.") for k in tracks.source) == 2
    finds = [e for e in events if e.kind == "progress" and e.phase == "find"]
    assert finds[-1].done == finds[-1].total


def test_same_shot_gives_the_same_tracks(stand_in: type[StandIn]) -> None:
    shot = MemoryShot(pictures(8, (0, 40, 2, range(8)), (1, 110, -2, range(8))))
    assert track(shot)[0].digest() == track(shot)[0].digest()


@pytest.mark.parametrize(
    ("count", "fps", "every", "looked"), [(30, 24, 8, 16), (30, 15, 8, 30), (30, 24, 3, 30), (20, 24, 8, 20)]
)
def test_every_second_frame_is_looked_at_where_they_are_many(
    stand_in: type[StandIn], count: int, fps: int, every: int, looked: int
) -> None:
    shot = MemoryShot(pictures(count, (0, 30, 1, range(count)), (1, 150, -1, range(count))), fps=fps)
    tracks, events = track(shot, detect_every=every)
    assert StandIn.looks == looked
    assert tracks.presence(1) == tracks.presence(2) == shot.frames.numbers
    for number in shot.frames.numbers:
        at = number - 1001
        assert tracks.mask(1, number)[45, 30 + at]
        assert tracks.mask(2, number)[45, 150 - at]
    finds = [e for e in events if e.kind == "progress" and e.phase == "find"]
    assert [e.done for e in finds] == sorted(e.done for e in finds)
    assert finds[-1].done == finds[-1].total


def test_all_frames_are_looked_at_where_somebody_is_in_doubt(
    stand_in: type[StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    sure = StandIn._one
    monkeypatch.setattr(StandIn, "_one", lambda *of: None if (s := sure(*of)) is None else replace(s, quality=0.78))
    tracks, _ = track(MemoryShot(pictures(30, (0, 30, 1, range(30)))))
    assert StandIn.looks == 16 + 30
    assert len(tracks.ids) == 1


def test_frames_far_apart_are_all_looked_at(stand_in: type[StandIn]) -> None:
    shot = MemoryShot(pictures(60, (0, 30, 1, range(60))))
    few = FrameRange.of(range(1001, 1061, 2))
    track(SimpleNamespace(info=shot.info, frames=few, pictures=shot.pictures, picture=shot.picture))
    assert StandIn.looks == len(few)


class InLine(Executor):
    """Does everything at once, one after the other."""

    asked = 0

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], /, *given: Any, **more: Any) -> Future[Any]:
        InLine.asked += 1
        done: Future[Any] = Future()
        done.set_result(work(*given, **more))
        return done


def test_looking_again_at_several_at_once_finds_what_one_after_the_other_does(
    stand_in: type[StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    shot = MemoryShot(pictures(14, (0, 30, 4, range(14)), (1, 110, -4, range(14))))
    found = StandIn.look

    def forgetful(self: StandIn, image: Any, *, expected: Any = (), candidates: Any = None) -> list[Seen]:
        """Sees one person only where two are close, unless the other is painted away."""
        people = found(self, image, expected=expected)
        near = len(people) == 2 and abs(people[0].person.body.x - people[1].person.body.x) < 30
        return people[:1] if near else people

    monkeypatch.setattr(StandIn, "look", forgetful)
    threaded, _ = track(shot)
    monkeypatch.setattr(again, "ThreadPoolExecutor", InLine)
    in_line, _ = track(shot)
    assert InLine.asked, "somebody was looked for again"
    assert threaded.digest() == in_line.digest()


def test_a_fault_while_looking_again_comes_out(stand_in: type[StandIn], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise MediaError("Frame 1005 is torn.")

    monkeypatch.setattr(again, "paint_away", broken)
    before = set(threading.enumerate())
    with pytest.raises(MediaError, match="torn"):
        track(MemoryShot(pictures(10, (1, 70, 0, range(10)), (0, 52, 0, range(10)))))
    assert set(threading.enumerate()) <= before


def test_a_flicker_is_dropped_but_a_still_keeps_everybody(stand_in: type[StandIn]) -> None:
    flicker = pictures(10, (0, 40, 1, range(10)), (1, 120, 0, range(8, 10)))
    assert len(track(MemoryShot(flicker), min_duration=4)[0].ids) == 1
    assert len(track(MemoryShot(flicker[9:]), min_duration=4)[0].ids) == 2


def test_nobody_is_an_empty_set_and_a_warning(stand_in: type[StandIn]) -> None:
    tracks, events = track(MemoryShot(pictures(4)))
    assert tracks.ids == ()
    assert [e.message for e in events if e.kind == "warning"] == ["No people were found in memory."]


def test_the_largest_are_kept_when_there_are_too_many(stand_in: type[StandIn]) -> None:
    tracks, _ = track(MemoryShot(pictures(8, (0, 40, 1, range(8)), (1, 120, 0, range(4)))), max_instances=1)
    assert len(tracks.ids) == 1
    assert tracks.mask(tracks.ids[0], 1001)[45, 40]


def test_an_artists_mask_and_name_win(stand_in: type[StandIn]) -> None:
    shot = MemoryShot(pictures(8, (0, 40, 1, range(8)), (1, 120, 0, range(8))))
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[18:72, 110:130] = True
    keys = KeyMasks(names=("bruno",), masks={1003: {"bruno": Rle.encode(mask)}})
    tracks, _ = track(shot, keys)
    assert tracks.names == ("bruno", "person_02")
    assert np.array_equal(tracks.mask(1, 1003), mask)
    assert tracks.instance("bruno").score == 1.0
    assert tracks.mask(1, 1008)[45, 120]


def test_an_artist_who_leaves_somebody_out_says_absent() -> None:
    rle = Rle.encode(np.ones((4, 4), bool))
    found = [Cast(None, {1: rle, 2: rle, 3: rle}, 0.9, frozenset({3}))]
    people = cast(found, KeyMasks(names=("anna",), masks={1: {"anna": rle}, 2: {}}))
    assert [p.name for p in people] == ["anna"]
    assert people[0].masks == {1: rle, 2: None, 3: rle}
    assert people[0].anchors == {1: rle, 2: None, 3: rle}


def test_missing_weights_are_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path))
    with pytest.raises(BackendError, match="vimatte weights pull blazepose"):
        BlazePose()


class Shelf:
    """Only the finds of a search."""

    def __init__(self, finds: list[list[Find]]) -> None:
        self.finds = finds


def standing(paths: dict[int, dict[int, float]], frames: int) -> tuple[Shelf, list[Kept]]:
    """People as {who: {place: x}}, all of a reach of 20 pixels."""
    shelf = Shelf([[] for _ in range(frames)])
    people = []
    for path in paths.values():
        sightings = []
        for at, x in path.items():
            mask = Rle.encode(np.ones((4, 4), bool))
            sighting = Sighting(
                at=at,
                index=len(shelf.finds[at]),
                mask=mask,
                quality=0.9,
                x=x,
                y=50.0,
                reach=20.0,
                colour=np.ones(1, np.float32),
            )
            shelf.finds[at].append(Find(sighting, mask, Body(x, 50.0, x, 30.0)))
            sightings.append(sighting)
        people.append(Kept(tuple(sightings), (), (), 0.9))
    return shelf, people


def test_who_stands_before_somebody_hidden_is_not_anchored_there() -> None:
    walker = {at: 100.0 - 4 * at for at in range(21) if not 8 <= at <= 12}
    shelf, people = standing({0: dict.fromkeys(range(21), 60.0), 1: walker, 2: dict.fromkeys(range(21), 150.0)}, 21)
    front, hidden, far = leave_contested(shelf, people)  # type: ignore[arg-type]
    assert {s.at for s in front.sightings} == set(range(21)) - set(range(8, 13))
    assert hidden == people[1]
    assert far == people[2]


def test_a_long_absence_takes_no_anchors_away() -> None:
    hidden = dict.fromkeys([0, 1, 29, 30], 60.0)
    shelf, people = standing({0: dict.fromkeys(range(31), 60.0), 1: hidden}, 31)
    assert leave_contested(shelf, people)[0] == people[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(("x", "unseen"), [(30, 24), (2, 12), (61, 12)])
def test_who_was_last_seen_in_the_midst_of_the_picture_is_sought_for_longer(x: int, unseen: int) -> None:
    mask = np.zeros((36, 64), bool)
    mask[8:30, max(0, x - 4) : x + 4] = True
    sightings = tuple(
        Sighting(
            at=at,
            index=0,
            mask=Rle.encode(mask),
            quality=0.95,
            x=float(x),
            y=19.0,
            reach=12.0,
            colour=np.ones(1, np.float32),
        )
        for at in range(40, 60)
    )
    (one,) = choose([Tracklet(sightings)], lambda mask, start, end: mask, count=100, area=36 * 64, options=VisOptions())
    assert one.absent == (*range(40 - unseen), *range(60 + unseen, 100))
