"""Outlines of carried masks, laid where alphas are a half."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from vimatte.engine.masks import BoolMask, Rle, mask_iou
from vimatte.engine.matte import MatteFrame
from vimatte.engine.shot import Shot
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import TrackSet
from vimatte.engine.vis.propagation.edges import Carried, with_edges
from vimatte.engine.vis.propagation.frames import WorkingFrames

HEIGHT, WIDTH, FIRST = 48, 80, 1001


def box(left: int, right: int) -> BoolMask:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[8:40, left:right] = True
    return mask


def laid(shot: MemoryShot, *frames: Carried) -> list[Carried]:
    copies = WorkingFrames(shot)
    return list(with_edges(shot, copies, iter(frames), device="cpu"))


def shot(count: int) -> MemoryShot:
    picture = np.full((HEIGHT, WIDTH, 3), 0.2, np.float32)
    picture[box(20, 40)] = (0.8, 0.6, 0.5)
    return MemoryShot([picture] * count, first=FIRST)


class StandIn:
    """Gives alphas that were prepared; remembers for which frames it was asked."""

    alphas: dict[int, NDArray[np.float32]]
    asked: tuple[int, ...] = ()
    guided: tuple[tuple[int, int], ...] = ()

    def __init__(self, *, device: str) -> None:
        assert device == "cpu"

    def mattes(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[MatteFrame]:
        assert {p.shape for _, p in shot.pictures(frames)} <= {(tracks.height, tracks.width, 3)}
        StandIn.asked = tuple(frames)
        StandIn.guided = tuple((one, n) for one in tracks.ids for n in tracks.presence(one))
        for number in frames:
            yield MatteFrame(number=number, ids=tracks.ids, alphas=StandIn.alphas[number])


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    monkeypatch.setattr("vimatte.engine.matting.lite.Lite", StandIn)
    StandIn.alphas, StandIn.asked, StandIn.guided = {}, (), ()
    return StandIn


def test_alphas_take_the_place_of_carried_masks_and_known_ones_stay(stand_in: type[StandIn]) -> None:
    given = Rle.encode(box(18, 44))
    carried = {1: box(17, 43).astype(np.float32)}
    stand_in.alphas[FIRST + 1] = 0.9 * box(20, 40)[None].astype(np.float32)
    first, second = laid(shot(2), Carried(FIRST, {}, {1: given}), Carried(FIRST + 1, carried, {}))
    assert stand_in.asked == (FIRST + 1,), "nothing was carried to the first"
    assert stand_in.guided == ((1, FIRST), (1, FIRST + 1)), "what is known guides it, too"
    assert (dict(first.soft), dict(first.known)) == ({}, {1: given})
    assert np.array_equal(second.soft[1] > 0.5, box(20, 40))


def test_who_would_become_somebody_else_stays_as_they_were(stand_in: type[StandIn]) -> None:
    carried = {1: box(10, 30).astype(np.float32), 2: box(40, 60).astype(np.float32)}
    stand_in.alphas[FIRST] = np.stack([box(40, 60), box(41, 60)]).astype(np.float32)
    (only,) = laid(shot(1), Carried(FIRST, carried, {}))
    assert np.array_equal(only.soft[1] > 0.5, box(10, 30))
    assert np.array_equal(only.soft[2] > 0.5, box(41, 60))


def test_where_nobody_was_carried_nothing_is_asked(stand_in: type[StandIn]) -> None:
    nobody = {1: np.zeros((HEIGHT, WIDTH), np.float32)}
    frames = laid(shot(2), Carried(FIRST, nobody, {}), Carried(FIRST + 1, {}, {1: None}))
    assert stand_in.asked == ()
    assert [frame.number for frame in frames] == [FIRST, FIRST + 1]
    assert not frames[0].soft[1].any()


def test_the_weights_that_ship_lay_a_rough_mask_along_somebodys_outline() -> None:
    rough = {1: box(16, 43).astype(np.float32)}
    (only,) = laid(shot(1), Carried(FIRST, rough, {}))
    before, after = (mask_iou(m > 0.5, box(20, 40)) for m in (rough[1], only.soft[1]))
    assert after > 0.9 > before
