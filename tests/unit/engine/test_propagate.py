from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vimatte.engine.errors import ConfigError, MediaError
from vimatte.engine.events import Progress
from vimatte.engine.masks import Rle, mask_iou
from vimatte.engine.shot import Picture
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.vis.appearance import Palette, lab_of
from vimatte.engine.vis.backend import KeyMasks, VisOptions
from vimatte.engine.vis.masks import MasksBackend
from vimatte.engine.vis.propagate import _resolve, _shared_out, propagate
from vimatte.engine.vis.propagation.frames import WorkingFrames, working_copy
from vimatte.engine.vis.propagation.rim import looseness, tightened
from vimatte.engine.vis.propagation.soft import SoftMask, from_rle
from vimatte.engine.vis.propagation.wholes import make_whole

HEIGHT, WIDTH, FIRST = 120, 200, 1001
Masks = dict[int, list[NDArray[np.bool_]]]


@cache
def crossing(count: int = 14, *, pan: float = 1.0, leave: bool = False) -> tuple[MemoryShot, Masks]:
    """Two textured figures that cross before a textured wall; 1 is in front and walks right, 2 walks left."""
    noise = np.random.default_rng(7)
    wall = cv2.GaussianBlur(noise.uniform(0, 1, (HEIGHT, WIDTH + 80, 3)).astype(np.float32), (0, 0), 4)
    wall = 0.5 + 2.0 * (wall - wall.mean())
    cloth = cv2.GaussianBlur(noise.uniform(-1, 1, (2, 70, 30)).astype(np.float32).transpose(1, 2, 0), (0, 0), 1.5)
    pictures: list[Picture] = []
    masks: Masks = {1: [], 2: []}
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    for t in range(count):
        start = round(20 + pan * t)
        picture = wall[:, start : start + WIDTH].copy()
        covered = np.zeros((HEIGHT, WIDTH), bool)
        shapes = {}
        for one, (cx, cy, colour) in {
            2: (150 - 7 * t if not leave else 150 + 9 * t, 60, (0.15, 0.25, 0.75)),
            1: (45 + 7 * t, 66, (0.8, 0.3, 0.15)),
        }.items():
            shape = ((x - cx) / 13) ** 2 + ((y - cy) / 33) ** 2 < 1
            grain = cv2.warpAffine(
                np.ascontiguousarray(cloth[..., one - 1]),
                np.array([[1, 0, cx - 15], [0, 1, cy - 35]], np.float32),
                (WIDTH, HEIGHT),
            )
            picture[shape] = (np.array(colour) + 1.5 * grain[..., None])[shape]
            shapes[one] = shape
        covered = shapes[1]
        masks[1].append(shapes[1])
        masks[2].append(shapes[2] & ~covered)
        grainy = picture + noise.normal(0, 0.01, picture.shape)
        pictures.append(np.clip(cv2.GaussianBlur(grainy, (0, 0), 0.7), 0, 1).astype(np.float32))
    return MemoryShot(pictures, first=FIRST), masks


def run(
    shot: MemoryShot, anchors: Mapping[int, Mapping[int, Rle | None]], *, exact: bool = True
) -> tuple[dict[int, dict[int, Rle]], list[Progress]]:
    said = []
    steps = propagate(shot, anchors=anchors, exact=exact)
    while True:
        try:
            said.append(next(steps))
        except StopIteration as end:
            return end.value, said


def first_frame(masks: Masks) -> dict[int, dict[int, Rle | None]]:
    return {one: {FIRST: Rle.encode(by[0])} for one, by in masks.items()}


def overlap(result: dict[int, dict[int, Rle]], masks: Masks, one: int, at: int) -> float:
    rle = result[one].get(FIRST + at)
    return mask_iou(rle.decode() if rle is not None else np.zeros((HEIGHT, WIDTH), bool), masks[one][at])


def test_people_who_cross_keep_who_they_are() -> None:
    shot, masks = crossing()
    result, _ = run(shot, first_frame(masks))
    for one in masks:
        for at in (3, 5, 12, 13):
            assert overlap(result, masks, one, at) > 0.85, (one, at)
    assert min(overlap(result, masks, 1, at) for at in range(14)) > 0.8


def test_somebody_hidden_is_absent_not_smeared() -> None:
    shot, masks = crossing()
    result, _ = run(shot, first_frame(masks))
    hidden = min(range(14), key=lambda at: masks[2][at].sum())
    rle = result[2].get(FIRST + hidden)
    assert rle is None or rle.area < masks[2][hidden].sum() + 250


def test_somebody_who_leaves_the_picture_is_gone() -> None:
    shot, masks = crossing(leave=True)
    result, _ = run(shot, first_frame(masks))
    gone = next(at for at in range(14) if not masks[2][at].any())
    assert all(FIRST + at not in result[2] or result[2][FIRST + at].area < 40 for at in range(gone + 1, 14))
    assert overlap(result, masks, 1, 13) > 0.8


def test_masks_are_carried_backwards_and_between() -> None:
    shot, masks = crossing()
    anchors = {one: {FIRST + at: Rle.encode(by[at]) for at in (4, 12)} for one, by in masks.items()}
    result, _ = run(shot, anchors)
    assert overlap(result, masks, 1, 0) > 0.85
    assert overlap(result, masks, 2, 0) > 0.85
    assert all(overlap(result, masks, 1, at) > 0.8 for at in range(14))
    for one in anchors:
        for number, rle in anchors[one].items():
            assert result[one][number] == rle


def test_absence_that_is_known_is_kept() -> None:
    shot, masks = crossing()
    anchors = {1: {FIRST: Rle.encode(masks[1][0])}, 2: {FIRST: Rle.encode(masks[2][0]), FIRST + 3: None}}
    result, _ = run(shot, anchors)
    assert FIRST + 3 not in result[2]
    assert FIRST + 2 in result[2]
    assert FIRST + 5 not in result[2]


def test_masks_of_one_frame_never_overlap_not_even_given_ones() -> None:
    shot, masks = crossing()
    both = Rle.encode(masks[1][0] | masks[2][0])
    result, _ = run(shot, {1: {FIRST: both}, 2: {FIRST: Rle.encode(masks[2][0])}})
    for number in shot.frames:
        present = [by[number].decode() for by in result.values() if number in by]
        assert not present or int(np.sum(present, axis=0).max()) <= 1


def test_the_same_input_gives_the_same_bytes_whatever_the_threads() -> None:
    shot, masks = crossing(6)
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one, _ = run(shot, first_frame(masks))
        cv2.setNumThreads(2)
        two, _ = run(shot, first_frame(masks))
    finally:
        cv2.setNumThreads(threads)
    assert one == two


def test_masks_on_every_frame_are_used_as_they_are() -> None:
    shot, masks = crossing(6)
    anchors = {one: {FIRST + at: Rle.encode(mask) for at, mask in enumerate(by)} for one, by in masks.items()}
    result, _ = run(shot, anchors)
    assert result == anchors


def test_after_a_cut_nobody_is_painted_on_strangers() -> None:
    shot, masks = crossing(6)
    noise = np.random.default_rng(3)
    other = cv2.GaussianBlur(noise.uniform(0, 1, (HEIGHT, WIDTH, 3)).astype(np.float32), (0, 0), 2) * (0.3, 0.9, 0.4)
    pictures = [shot.picture(FIRST + t) for t in range(3)] + [other.astype(np.float32)] * 3
    result, _ = run(MemoryShot(pictures, first=FIRST), first_frame(masks))
    assert FIRST + 2 in result[1]
    assert all(FIRST + t not in by for by in result.values() for t in (3, 4, 5))


@pytest.mark.parametrize("size", [(240, 400), (301, 503), (120, 200)])
def test_masks_are_enlarged_without_a_shift(size: tuple[int, int]) -> None:
    height, width = size
    small = np.zeros((120, 200), np.float32)
    small[30:90, 50:150] = 1.0
    rle = _resolve({1: small}, {}, height, width)[1]
    expected = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    assert mask_iou(rle.decode(), expected) > 0.995


def test_what_is_surely_somebody_is_not_lost_when_sweeps_disagree_on_who() -> None:
    one, two = np.zeros((2, 20, 20), np.float32)
    one[5:15, 5:15], two[5:15, 5:15] = 0.45, 0.4
    shared = _shared_out({1: one, 2: two})
    assert shared[1][10, 10] > 0.5 > shared[2][10, 10]
    assert shared[1][0, 0] == 0


def test_progress_ends_at_its_total() -> None:
    shot, masks = crossing(6)
    _, said = run(shot, first_frame(masks))
    assert [event.done for event in said] == list(range(1, len(said) + 1))
    assert said[-1].done == said[-1].total


def test_nobody_known_means_nobody() -> None:
    shot, _ = crossing(6)
    assert run(shot, {})[0] == {}
    assert run(shot, {1: {}})[0] == {1: {}}
    assert run(shot, {1: {FIRST: None}})[0] == {1: {}}


def test_a_mask_of_another_size_is_refused_in_one_sentence() -> None:
    shot, _ = crossing(6)
    wrong = Rle.encode(np.ones((10, 20), bool))
    with pytest.raises(ConfigError, match="20x10 but the shot is 200x120"):
        run(shot, {1: {FIRST: wrong}})


def test_sweeps_side_by_side_give_what_they_give_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_line(streams: Sequence[Iterator[object]]) -> Generator[tuple[int, object]]:
        for at, stream in enumerate(streams):
            yield from ((at, item) for item in stream)

    shot, masks = crossing(8)
    anchors = {one: {FIRST + at: Rle.encode(by[at]) for at in (0, 7)} for one, by in masks.items()}
    both, _ = run(shot, anchors)
    monkeypatch.setattr("vimatte.engine.vis.propagate.side_by_side", in_line)
    assert run(shot, anchors)[0] == both


def test_a_picture_that_cannot_be_read_and_a_cancel_leave_no_thread() -> None:
    class Torn(MemoryShot):
        def pictures(self, numbers: Iterable[int]) -> Generator[tuple[int, Picture]]:
            raise MediaError("Frame 1001 is torn.")

    whole, masks = crossing(8)
    before = set(threading.enumerate())
    torn = Torn([picture for _, picture in whole.pictures(whole.frames.numbers)], first=FIRST)
    with pytest.raises(MediaError, match="torn"):
        run(torn, first_frame(masks))
    steps = propagate(whole, anchors=first_frame(masks))
    next(steps)
    steps.close()
    assert set(threading.enumerate()) <= before


def test_working_copies_may_be_asked_for_by_several_at_once() -> None:
    shot = MemoryShot([np.full((32, 64, 3), n / 40, np.float32) for n in range(40)], first=1)
    frames = WorkingFrames(shot, bound=1, chunk=4)

    def look(order: Sequence[int]) -> list[int]:
        return [int(frames.get(n, ahead=order[at:])[5, 5, 1]) for at, n in enumerate(order)]

    up = list(range(1, 41))
    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(look, [up, up[::-1], up, up[::-1]]))
    wanted = [round((n - 1) / 40 * 255) for n in up]
    assert seen == [wanted, wanted[::-1], wanted, wanted[::-1]]


class CountingShot(MemoryShot):
    reads = 0

    def pictures(self, numbers: Iterable[int]) -> Iterator[tuple[int, Picture]]:
        for number in numbers:
            self.reads += 1
            yield number, self.picture(number)


def test_smaller_copies_are_made_of_larger_ones() -> None:
    pictures = [np.full((54, 96, 3), k / 8, np.float32) for k in range(4)]
    shot = CountingShot(pictures, first=1)
    larger = WorkingFrames(shot, long_side=96)
    for number in (1, 2, 3, 4):
        larger.get(number)
    read = shot.reads
    smaller = WorkingFrames(shot, long_side=48, larger=larger)
    assert smaller.get(3).shape == (27, 48, 3)
    assert np.all(smaller.get(3) == larger.get(3)[0, 0])
    assert shot.reads == read


def test_working_copies_are_bounded_and_read_once_when_there_is_room() -> None:
    pictures = [np.full((32, 64, 3), n / 20, np.float32) for n in range(20)]
    shot = CountingShot(pictures, first=1)
    roomy = WorkingFrames(shot)
    for number in (*range(1, 21), *range(20, 0, -1)):
        assert int(roomy.get(number)[0, 0, 0]) == round((number - 1) / 20 * 255)
    assert shot.reads == 20
    shot.reads = 0
    tight = WorkingFrames(shot, bound=1, chunk=4)
    for number in (*range(1, 21), *range(20, 0, -1)):
        copy = tight.get(number, ahead=range(number, 21))
        assert np.array_equal(copy, roomy.get(number))
        assert len(tight._copies) <= 8
    assert shot.reads == 20, "what memory has no room for lies in a file"


def test_a_soft_mask_keeps_its_window() -> None:
    values = np.zeros((20, 30), np.float32)
    values[5:9, 10:14] = 0.6
    packed = SoftMask.pack(values, trust=1.0)
    assert packed.shape == (4, 4)
    assert np.abs(packed.unpack(20, 30) - values).max() < 1 / 255
    assert SoftMask.pack(np.zeros((4, 4), np.float32), trust=0.0).unpack(4, 4).max() == 0


def test_a_full_size_mask_becomes_coverage() -> None:
    mask = np.zeros((40, 40), bool)
    mask[:, :10] = True
    assert from_rle(Rle.encode(mask), 10, 10)[0].tolist() == pytest.approx([1, 1, 0.5, 0, 0, 0, 0, 0, 0, 0])


def test_a_blob_that_stands_alone_belongs_to_one_person() -> None:
    planes = np.zeros((2, 40, 100), np.float32)
    planes[0, 5:35, 5:30] = 0.9
    planes[1, 5:35, 60:90] = 0.9
    planes[0, 5:20, 60:90], planes[1, 5:20, 60:90] = 0.9, 0.0
    mended = make_whole(planes, np.array([750.0, 900.0]))
    assert mended[1, 5:35, 60:90].min() > 0.5
    assert mended[0, :, 60:].max() == 0


def test_loose_masks_are_told_from_tight_ones_and_tightened() -> None:
    shot, masks = crossing(6)
    lab = lab_of(working_copy(shot.picture(FIRST), WIDTH, HEIGHT))
    tight = masks[1][0].astype(np.float32)
    loose = cv2.dilate(tight, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))
    assert looseness(tight, lab) == 0.0
    slack = looseness(loose, lab)
    assert 3 <= slack <= 5
    palette = Palette.choose([working_copy(shot.picture(FIRST), WIDTH, HEIGHT)])
    none = np.zeros_like(tight)
    found = tightened(loose, slack=slack, others=none, lab=lab, index=palette.index(lab), palette=palette, plate=none)
    assert mask_iou(found > 0.5, masks[1][0]) > 0.93 > 0.85 > mask_iou(loose > 0.5, masks[1][0])


def test_carried_masks_are_tighter_than_loose_known_ones() -> None:
    shot, masks = crossing(6)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    loose = {one: [cv2.dilate(m.astype(np.uint8), disc) > 0 for m in by] for one, by in masks.items()}
    result, _ = run(shot, {1: {FIRST: Rle.encode(loose[1][0])}})
    assert overlap(result, masks, 1, 2) > mask_iou(loose[1][2], masks[1][2]) + 0.05
    assert result[1][FIRST] == Rle.encode(loose[1][0])
    evidence, _ = run(shot, {1: {FIRST: Rle.encode(loose[1][0])}}, exact=False)
    assert overlap(evidence, masks, 1, 0) > mask_iou(loose[1][0], masks[1][0]) + 0.05


class TestMasksBackend:
    def keys(self, masks: Masks) -> KeyMasks:
        return KeyMasks(
            names=("anna", "bruno"),
            masks={FIRST: {"anna": Rle.encode(masks[1][0]), "bruno": Rle.encode(masks[2][0])}},
            scores={"bruno": 0.5},
        )

    def test_names_ids_scores_and_keys(self) -> None:
        shot, masks = crossing(6)
        steps = MasksBackend().track(shot, keys=self.keys(masks), options=VisOptions())
        while True:
            try:
                next(steps)
            except StopIteration as end:
                tracks = end.value
                break
        assert tracks.names == ("anna", "bruno")
        assert [i.score for i in tracks.instances] == [1.0, 0.5]
        assert tracks.keys == {1: (FIRST,), 2: (FIRST,)}
        assert tracks.source["backend"] == "masks"
        assert tracks.presence(1) == shot.frames.numbers

    def test_no_masks_is_one_sentence(self) -> None:
        shot, _ = crossing(6)
        with pytest.raises(ConfigError, match="--masks DIR"):
            next(MasksBackend().track(shot, keys=None, options=VisOptions()))

    def test_masks_outside_the_job_are_one_sentence(self) -> None:
        shot, masks = crossing(6)
        keys = KeyMasks(names=("anna",), masks={1: {"anna": Rle.encode(masks[1][0])}})
        with pytest.raises(ConfigError, match="the masks are on 1, the frames are 1001-1006"):
            next(MasksBackend().track(shot, keys=keys, options=VisOptions()))

    def test_masks_of_strangers_are_one_sentence(self) -> None:
        shot, masks = crossing(6)
        keys = KeyMasks(names=("anna",), masks={FIRST: {"zoe": Rle.encode(masks[1][0])}})
        with pytest.raises(ConfigError, match="zoe"):
            next(MasksBackend().track(shot, keys=keys, options=VisOptions()))
