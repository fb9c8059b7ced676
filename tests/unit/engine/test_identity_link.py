"""Joining chains by the place of their masks, and masks over two people; nothing moves, so overlaps are exact."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from vimatte.engine.vis.identity.link import link, mixed, weave
from vimatte.engine.vis.identity.looks import colour_distance
from vimatte.engine.vis.identity.motion import Overlap
from vimatte.engine.vis.identity.sight import Chain, Sight

HEIGHT, WIDTH = 40, 60
GREY, BLUE = 0, 1


def box(x0: int, x1: int, y0: int = 10, y1: int = 30) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def table(masks: list[np.ndarray]) -> sparse.csr_array:
    return sparse.csr_array(np.array([m.ravel() for m in masks], np.int32).T.reshape(HEIGHT * WIDTH, len(masks)))


def overlaps(frames: list[list[np.ndarray]], back: int) -> dict[tuple[int, int], Overlap]:
    return {
        (a, b): Overlap(table(frames[a]), table(frames[b]))
        for b in range(len(frames))
        for a in range(max(0, b - back), b)
    }


def sight(at: int, mask: np.ndarray, look: int) -> Sight:
    rows, columns = np.nonzero(mask)
    colour = np.zeros(2, np.float32)
    colour[look] = 1.0
    return Sight(
        at=at,
        index=0,
        score=0.9,
        area=int(mask.sum()),
        x=float(columns.mean()),
        y=float(rows.mean()),
        tall=float(np.ptp(rows)) + 1,
        colour=colour,
    )


PERSON = box(30, 40)
WITH_CHAIR = PERSON | box(20, 30, 16, 30)


def test_a_chair_in_the_mask_makes_nobody_else() -> None:
    frames = [[WITH_CHAIR if at < 6 else PERSON] for at in range(12)]
    chains = [
        Chain([sight(at, frames[at][0], BLUE) for at in range(6)]),
        Chain([sight(at, frames[at][0], GREY) for at in range(6, 12)]),
    ]
    (whole,) = link(chains, overlaps(frames, 4), scene=[0] * 12, gap=6)
    assert [s.at for s in whole.sights] == list(range(12))


def test_somebody_else_beside_is_somebody_else() -> None:
    frames = [[PERSON if at < 6 else box(42, 52)] for at in range(12)]
    chains = [
        Chain([sight(at, frames[at][0], BLUE) for at in range(6)]),
        Chain([sight(at, frames[at][0], GREY) for at in range(6, 12)]),
    ]
    assert len(link(chains, overlaps(frames, 4), scene=[0] * 12, gap=6)) == 2


def test_with_and_without_a_chair_by_turns_is_one() -> None:
    order = [WITH_CHAIR] * 5 + [PERSON, WITH_CHAIR, PERSON] + [PERSON] * 4
    chains = [
        Chain([sight(at, m, BLUE) for at, m in enumerate(order) if m is WITH_CHAIR]),
        Chain([sight(at, m, GREY) for at, m in enumerate(order) if m is PERSON]),
    ]
    (whole,) = weave(chains, overlaps([[m] for m in order], 4))
    assert [s.at for s in whole.sights] == list(range(12))


def test_a_mask_over_two_belongs_to_nobody_for_as_long_as_it_stays() -> None:
    left, right, both = box(5, 20), box(25, 40), box(5, 40)
    frames = [[left, right], [both], [both], [both], [left, right]]
    laps = overlaps(frames, 1)
    own = [np.array([[float((a & b).sum()) for b in masks] for a in masks]) for masks in frames]
    # Frame 2 has no near frame with the two apart: it goes on from those that have.
    assert mixed([len(f) for f in frames], laps, own) == {(1, 0), (2, 0), (3, 0)}


def test_one_person_is_no_mixture() -> None:
    frames = [[box(5, 20)], [box(5, 20)], [box(5, 20)]]
    own = [np.array([[300.0]])] * 3
    assert mixed([1, 1, 1], overlaps(frames, 2), own) == set()


def test_colour_distance_runs_from_zero_to_one() -> None:
    one, other = np.eye(2, dtype=np.float32)
    assert colour_distance(one, one) == 0.0
    assert colour_distance(one, other) == 1.0
