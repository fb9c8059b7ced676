"""Sharpened keyframes: what is asked of the network, what is taken from it, what stays as it was."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vimatte.engine.errors import BackendError
from vimatte.engine.masks import BoolMask, Rle, mask_iou
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.vis.mobile_sam import Segmenter
from vimatte.engine.vis.refine_keys import SETTINGS, refine_keys, refine_picture
from vimatte.engine.weights import locate

HEIGHT, WIDTH = 60, 100
PICTURE = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)


def disc(x: float, y: float = 30, radius: float = 16) -> BoolMask:
    rows, cols = np.mgrid[:HEIGHT, :WIDTH]
    return np.asarray(np.hypot(cols - x, rows - y) < radius)


@dataclass
class Fake:
    """Answers each question with the mask (and score) that holds most of the prompt's clicks."""

    answers: list[tuple[BoolMask, float]]
    asked: list[dict[str, Any]] = field(default_factory=list)
    looks: int = 0

    def look(self, picture: np.ndarray) -> str:
        self.looks += 1
        return "seen"

    def mask(self, seen: str, **prompt: Any) -> tuple[np.ndarray, float]:
        assert seen == "seen"
        self.asked.append(prompt)

        def hits(answer: tuple[BoolMask, float]) -> int:
            return sum(answer[0][round(y), round(x)] == yes for x, y, yes in prompt["points"])

        mask, score = max(self.answers, key=hits)
        return mask.astype(np.float32) * 0.9, score


def finished(run: Generator) -> Any:
    while True:
        try:
            next(run)
        except StopIteration as end:
            return end.value


def test_asks_with_a_box_points_on_the_person_and_points_on_neighbours() -> None:
    fake = Fake([(disc(35, radius=18), 0.9), (disc(60, radius=18), 0.9)])
    refined = refine_picture(PICTURE, {1: disc(35), 2: disc(60)}, segmenter=fake)
    assert fake.looks == 1
    assert len(fake.asked) == 2
    for prompt, own, other in zip(fake.asked, (35, 60), (60, 35), strict=True):
        yes = [(x, y) for x, y, inside in prompt["points"] if inside]
        no = [(x, y) for x, y, inside in prompt["points"] if not inside]
        assert 1 <= len(yes) <= SETTINGS["refine_inside"]
        assert len(no) <= SETTINGS["refine_outside"]
        assert all(disc(own)[round(y), round(x)] and not disc(other)[round(y), round(x)] for x, y in yes)
        assert all(disc(other)[round(y), round(x)] for x, y in no)
        x0, _, x1, _ = prompt["box"]
        assert (x0, x1) == (own - 15 - 0.06 * 31, own + 16 + 0.06 * 31)
        assert 0.14 < prompt["prior"].min() < prompt["prior"].max() < 0.86
        assert prompt["prior"].shape == (HEIGHT, WIDTH)
    assert not (refined[1] & refined[2]).any()
    assert refined[1][:, :40].sum() > disc(35)[:, :40].sum()


def test_body_points_are_used_where_they_are_visible_and_inside() -> None:
    fake = Fake([(disc(35), 0.9)])
    points = np.array([[30, 25, 0.9], [90, 25, 0.9], [40, 36, 0.2], [-5, 999, 0.9]], np.float32)
    refine_picture(PICTURE, {1: disc(35)}, segmenter=fake, points={1: points})
    yes = [(x, y) for x, y, _ in fake.asked[0]["points"]]
    assert yes[0] == (30, 25)
    assert (90, 25) not in yes
    assert (40, 36) not in yes


@pytest.mark.parametrize("answer", [(disc(35, radius=18), 0.4), (disc(35, radius=5), 0.95)], ids=["unsure", "other"])
def test_answers_that_are_unsure_or_quite_different_are_not_taken(answer: tuple[BoolMask, float]) -> None:
    refined = refine_picture(PICTURE, {1: disc(35)}, segmenter=Fake([answer]))
    assert np.array_equal(refined[1], disc(35))


def test_what_an_artist_gave_stays_and_wins() -> None:
    fake = Fake([(disc(35, radius=18), 1.0), (disc(60, radius=18), 1.0)])
    refined = refine_picture(PICTURE, {1: disc(35), 2: disc(60)}, segmenter=fake, fixed={2})
    assert np.array_equal(refined[2], disc(60))
    assert len(fake.asked) == 1
    assert not (refined[1] & disc(60)).any()


def test_keys_keep_their_frames_and_absences() -> None:
    shot = MemoryShot([PICTURE] * 5)
    fake = Fake([(disc(35, radius=18), 0.9)])
    anchors = {1: {1001: Rle.encode(disc(35)), 1002: None, 1004: Rle.encode(disc(35))}, 2: {1003: None}}
    refined = finished(refine_keys(shot, anchors, segmenter=fake, given={(1, 1004)}))
    assert {one: list(by) for one, by in refined.items()} == {1: [1001, 1002, 1004], 2: [1003]}
    assert refined[1][1002] is None
    assert refined[1][1004] == anchors[1][1004]
    assert refined[1][1001] == Rle.encode(disc(35, radius=18))
    assert fake.looks == 1, "a frame on which everything was given is not looked at"


def test_nothing_to_refine_is_no_work() -> None:
    fake = Fake([])
    assert finished(refine_keys(MemoryShot([PICTURE]), {1: {1001: None}}, segmenter=fake)) == {1: {1001: None}}
    assert fake.looks == 0


@pytest.mark.weights
@pytest.mark.slow
def test_blobs_become_people(example: Path) -> None:
    """Rough masks of the example's first frame come nearer to the truth."""
    from vimatte.engine import open_clip

    try:
        locate("mobile_sam")
    except BackendError as error:
        pytest.skip(str(error))
    with open_clip(example / "shot.mov") as shot:
        picture = shot.picture(1001)
    truth, rough = {}, {}
    for one, name in enumerate(("anna", "bruno", "carla"), start=1):
        alpha = cv2.imread(str(example / "truth" / name / "1001.png"), cv2.IMREAD_UNCHANGED)
        truth[one] = alpha > 32767
        rough[one] = cv2.GaussianBlur(truth[one].astype(np.float32), (0, 0), 9) > 0.4
    refined = refine_picture(picture, rough, segmenter=Segmenter.open())
    for one in truth:
        assert mask_iou(refined[one], truth[one]) > max(0.88, mask_iou(rough[one], truth[one]) + 0.02)
