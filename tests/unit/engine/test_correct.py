"""Corrections: what they may touch, what they take, what stays the very same."""

from __future__ import annotations

from collections.abc import Generator
from functools import cache
from typing import TypeVar

import cv2
import numpy as np
import pytest

from vimatte.engine.errors import ConfigError
from vimatte.engine.masks import BoolMask, Rle, mask_iou
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.track_history import kept_folders, save_edit, undo
from vimatte.engine.tracks import Instance, TrackSet
from vimatte.engine.vis.correct import _following, _solid, changed_frames, cut, fix, reach_of

HEIGHT, WIDTH, FIRST, COUNT = 64, 112, 1001, 12
FRAMES = tuple(range(FIRST, FIRST + COUNT))
T = TypeVar("T")


def finished(run: Generator[object, None, T]) -> T:
    while True:
        try:
            next(run)
        except StopIteration as end:
            return end.value


def figure(frame: int, one: int) -> BoolMask:
    """1 walks right above, 2 walks left below, 3 walks right beside 1, touching."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    at = frame - FIRST
    cx, cy = {1: (24 + 4 * at, 20), 2: (90 - 3 * at, 48), 3: (40 + 4 * at, 20)}[one]
    return ((x - cx) / 8.0) ** 2 + ((y - cy) / 13.0) ** 2 < 1


@cache
def shot() -> MemoryShot:
    noise = np.random.default_rng(4)
    wall = cv2.GaussianBlur(noise.uniform(0.2, 0.8, (HEIGHT, WIDTH, 3)).astype(np.float32), (0, 0), 2)
    pictures = []
    for frame in FRAMES:
        picture = wall.copy()
        for one, colour in ((1, (0.85, 0.2, 0.1)), (2, (0.1, 0.6, 0.8)), (3, (0.15, 0.75, 0.2))):
            picture[figure(frame, one)] = colour
        picture = cv2.GaussianBlur(picture, (0, 0), 0.7) + noise.normal(0, 0.01, picture.shape)
        pictures.append(np.clip(picture, 0, 1).astype(np.float32))
    return MemoryShot(pictures, first=FIRST)


def tracks(masks: dict[int, dict[int, BoolMask]], keys: dict[int, tuple[int, ...]]) -> TrackSet:
    return TrackSet(
        width=WIDTH,
        height=HEIGHT,
        frames=FRAMES,
        instances=tuple(Instance(id=i, name=("", "anna", "bruno", "carla")[i]) for i in sorted(masks)),
        masks={i: {f: Rle.encode(m) for f, m in by.items()} for i, by in masks.items()},
        keys=keys,
    )


def half(mask: BoolMask) -> BoolMask:
    """The lower half is missing."""
    rows = np.flatnonzero(mask.any(axis=1))
    out = mask.copy()
    out[(rows[0] + rows[-1]) // 2 :] = False
    return out


@cache
def broken() -> TrackSet:
    """Anna lost her lower half from 1004 on; she has keyframes on 1001 and 1010."""
    return tracks(
        {
            1: {f: figure(f, 1) if f < 1004 or f == 1010 else half(figure(f, 1)) for f in FRAMES},
            2: {f: figure(f, 2) for f in FRAMES},
        },
        {1: (1001, 1010), 2: (1001,)},
    )


def test_reach_ends_before_the_nearest_keyframes_of_that_person() -> None:
    found = broken()
    assert reach_of(found, person="anna", frame=1006) == (tuple(range(1002, 1010)), tuple(range(1001, 1011)))
    assert reach_of(found, person="anna", frame=1011) == ((1011, 1012), (1010, 1011, 1012))
    assert reach_of(found, person=1, frame=1001) == (tuple(range(1001, 1010)), tuple(range(1001, 1011)))
    assert reach_of(found, person="bruno", frame=1001) == (FRAMES, FRAMES)


def test_a_fix_mends_its_reach_and_nothing_else() -> None:
    before = broken()
    result = finished(fix(shot(), before, person="anna", frame=1006, mask=figure(1006, 1)))
    after = result.tracks
    assert result.person.id == 1
    assert result.reach == tuple(range(1002, 1010))
    assert set(result.changed) <= set(result.reach)
    assert after.keys[1] == (1001, 1006, 1010)
    assert np.array_equal(after.mask(1, 1006), figure(1006, 1))
    for frame in range(1004, 1010):
        assert mask_iou(after.mask(1, frame), figure(frame, 1)) > 0.85, frame
    for frame in set(FRAMES) - set(result.reach):
        assert after.masks[1].get(frame) is before.masks[1].get(frame)
    assert all(after.masks[2][f] is before.masks[2][f] for f in FRAMES)
    assert after.instances == before.instances
    assert after.source == before.source


def test_the_same_fix_gives_the_same_bytes() -> None:
    one, two = (finished(fix(shot(), broken(), person=1, frame=1006, mask=figure(1006, 1))) for _ in range(2))
    assert one.tracks.digest() == two.tracks.digest()
    assert one.changed == two.changed


def test_fixing_what_is_right_changes_no_mask() -> None:
    before = broken()
    result = finished(fix(shot(), before, person="bruno", frame=1006, mask=figure(1006, 2)))
    assert result.changed == ()
    assert result.tracks.keys[2] == (1001, 1006)


def test_pixels_taken_from_somebody_are_contested_only_there() -> None:
    """Carla's masks hold Anna as well; Anna, put right on one frame, takes herself back."""
    before = tracks(
        {
            1: {f: figure(f, 1) if f == 1001 else half(figure(f, 1)) for f in FRAMES},
            2: {f: figure(f, 2) for f in FRAMES},
            3: {f: figure(f, 3) if f == 1001 else (figure(f, 3) | figure(f, 1)) & ~half(figure(f, 1)) for f in FRAMES},
        },
        {1: (1001,), 2: (1001,), 3: (1001,)},
    )
    painted = figure(1007, 1) & ~figure(1007, 3)
    after = finished(fix(shot(), before, person="anna", frame=1007, mask=painted)).tracks
    assert np.array_equal(after.mask(1, 1007), painted)
    assert not (after.mask(3, 1007) & painted).any()
    assert mask_iou(after.mask(3, 1007), figure(1007, 3)) > 0.9
    assert mask_iou(after.mask(1, 1009), figure(1009, 1)) > mask_iou(before.mask(1, 1009), figure(1009, 1)) + 0.2
    for frame in FRAMES:
        touched = before.mask(1, frame) | after.mask(1, frame)
        assert not ((before.mask(3, frame) ^ after.mask(3, frame)) & ~touched).any()
        assert not (after.mask(3, frame) & after.mask(1, frame)).any()
        assert after.masks[2][frame] is before.masks[2][frame]


def test_a_keyframe_of_somebody_else_stands() -> None:
    before = tracks(
        {1: {f: figure(f, 1) for f in FRAMES}, 3: {f: figure(f, 3) for f in FRAMES}}, {1: (1001,), 3: (1001, 1009)}
    )
    grown = cv2.dilate(figure(1007, 1).astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    after = finished(fix(shot(), before, person="anna", frame=1007, mask=grown)).tracks
    assert np.array_equal(after.mask(3, 1009), figure(1009, 3))
    assert not (after.mask(3, 1007) & grown).any()


def test_a_new_name_adds_a_person_over_the_whole_shot() -> None:
    before = broken()
    result = finished(fix(shot(), before, person="carla", frame=1004, mask=figure(1004, 3)))
    assert result.person == Instance(id=3, name="carla")
    assert result.reach == FRAMES
    for frame in FRAMES:
        assert mask_iou(result.tracks.mask(3, frame), figure(frame, 3)) > 0.7, frame
    assert all(result.tracks.masks[2][f] is before.masks[2][f] for f in FRAMES)


def test_a_lost_person_is_brought_back() -> None:
    gone = tracks(
        {1: {f: figure(f, 1) for f in FRAMES if f < 1005}, 2: {1001: figure(1001, 2)}}, {1: (1001,), 2: (1001,)}
    )
    after = finished(fix(shot(), gone, person="anna", frame=1008, mask=figure(1008, 1))).tracks
    assert set(after.presence(1)) == set(FRAMES)
    for frame in range(1005, 1013):
        assert mask_iou(after.mask(1, frame), figure(frame, 1)) > 0.75, frame


def test_cut_leaves_keyframes_without_masks() -> None:
    before = broken()
    result = cut(before, person="anna", frames=range(1005, 1008))
    after = result.tracks
    assert result.changed == result.reach == (1005, 1006, 1007)
    assert not {1005, 1006, 1007} & set(after.presence(1))
    assert after.keys[1] == (1001, 1005, 1006, 1007, 1010)
    assert all(after.masks[2][f] is before.masks[2][f] for f in FRAMES)
    again = finished(fix(shot(), after, person="anna", frame=1003, mask=figure(1003, 1)))
    assert again.reach == (1002, 1003, 1004)


@pytest.mark.parametrize(
    ("person", "frames", "said"),
    [
        ("anna", [1050], "there are masks on 1001-1012"),
        ("anna", FRAMES, "vimatte tracks drop FOLDER anna"),
        ("zoe", [1001], "There is no 'zoe'"),
    ],
)
def test_wrong_cuts_are_refused(person: str, frames: list[int], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        cut(broken(), person=person, frames=frames)


def test_wrong_fixes_are_refused() -> None:
    good = figure(1006, 1)
    for person, frame, mask, said in (
        ("anna", 1050, good, "Frame 1050 was not tracked; these tracks hold 1001-1012"),
        ("anna", 1006, good[:10], "is 112x10 but the shot is 112x64"),
        ("anna", 1006, np.zeros_like(good), "vimatte tracks cut FOLDER anna --frames 1006"),
        (9, 1006, good, "There is no '9'"),
        ("9", 1006, good, "9"),
    ):
        with pytest.raises(ConfigError, match=said):
            finished(fix(shot(), broken(), person=person, frame=frame, mask=mask))
    short = MemoryShot([shot().picture(f) for f in FRAMES[:4]], first=FIRST)
    with pytest.raises(ConfigError, match="without frame 1005"):
        finished(fix(short, broken(), person="anna", frame=1003, mask=good))
    other = MemoryShot([np.zeros((8, 9, 3), np.float32)] * COUNT, first=FIRST)
    with pytest.raises(ConfigError, match="9x8"):
        finished(fix(other, broken(), person="anna", frame=1003, mask=good))


def test_changed_frames_sees_masks_that_come_go_and_differ() -> None:
    before = broken()
    after = cut(before, person=2, frames=[1003]).tracks
    assert changed_frames(before, after) == changed_frames(after, before) == (1003,)
    assert changed_frames(before, before.drop(["bruno"])) == FRAMES
    assert changed_frames(before, before.rename({1: "zoe"})) == ()


def test_only_islands_near_what_was_accepted_are_followed() -> None:
    before = np.zeros((60, 60), bool)
    before[10:20, 10:20] = True
    difference = np.zeros_like(before)
    difference[12:22, 13:23] = difference[40:50, 40:50] = difference[30, 5:55] = True
    followed = _following(difference, before, near=4)
    assert followed[12:22, 13:23].all()
    assert np.count_nonzero(followed) == 100
    assert not _following(difference, np.zeros_like(before), near=4).any()
    assert not _solid(difference)[30, 5:39].any()


def test_edits_keep_what_was_and_undo_puts_it_back(tmp_path) -> None:
    folder = tmp_path / "shot[1].tracks"
    first, second, third = broken(), broken().rename({1: "zoe"}), broken().drop([2])
    assert save_edit(first, folder) is None
    assert save_edit(second, folder) == tmp_path / "shot[1].tracks.1"
    assert save_edit(third, folder) == tmp_path / "shot[1].tracks.2"
    assert [p.name for p in kept_folders(folder)] == ["shot[1].tracks.1", "shot[1].tracks.2"]
    assert undo(folder).name == "shot[1].tracks.2"
    assert TrackSet.load(folder).digest() == second.digest()
    undo(folder)
    assert TrackSet.load(folder).digest() == first.digest()
    with pytest.raises(ConfigError, match="nothing to undo"):
        undo(folder)
    assert [p.name for p in tmp_path.iterdir()] == ["shot[1].tracks"]
