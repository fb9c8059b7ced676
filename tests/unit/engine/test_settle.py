from __future__ import annotations

import numpy as np
import pytest

from vimatte.engine.vis.identity.settle import settle
from vimatte.engine.vis.identity.sight import Chain, Sight

RED, BLUE, GREEN = 0, 1, 2


def sight(at: int, x: float, look: int, *, index: int = 0, y: float = 100.0) -> Sight:
    colour = np.full(6, 0.02, np.float32)
    colour[2 * look : 2 * look + 2] = 0.5
    colour = np.sqrt(colour / colour.sum())
    return Sight(at=at, index=index, score=0.9, area=800, x=x, y=y, tall=60.0, colour=colour)


def walk(start: float, step: float, look: int, *, index: int, count: int = 30) -> list[Sight]:
    return [sight(at, start + step * at, look, index=index) for at in range(count)]


def swapped(one: list[Sight], other: list[Sight], *, after: int) -> list[Chain]:
    return [
        Chain([s for s in one if s.at <= after] + [s for s in other if s.at > after]),
        Chain([s for s in other if s.at <= after] + [s for s in one if s.at > after]),
    ]


def lives(chains: list[Chain]) -> set[tuple[tuple[int, int], ...]]:
    return {tuple((s.at, s.index) for s in c.sights) for c in chains}


def test_tails_go_back_to_those_whose_colours_they_wear() -> None:
    # Both turn back where they meet, as the wrong chains do too: only colours can tell.
    one = [sight(at, 40 + 4 * min(at, 30 - at), RED, index=0) for at in range(30)]
    other = [sight(at, 190 - 4 * min(at, 30 - at), BLUE, index=1) for at in range(30)]
    assert lives(settle(swapped(one, other, after=14), scene=[0] * 30)) == lives([Chain(one), Chain(other)])


def test_motion_tells_twins_apart() -> None:
    one, other = walk(20, 5, RED, index=0), walk(172, -5, RED, index=1)
    for chain in settle(swapped(one, other, after=14), scene=[0] * 30):
        # Where they stand in one place, nothing tells whose sight is whose.
        assert len({s.index for s in chain.sights if abs(s.at - 15) > 1}) == 1


def test_a_short_run_goes_back() -> None:
    one, other = walk(80, 1, RED, index=0), walk(110, 1, BLUE, index=1)
    wrong = [
        Chain([s for s in one if s.at not in (12, 13)] + [s for s in other if s.at in (12, 13)]),
        Chain([s for s in other if s.at not in (12, 13)] + [s for s in one if s.at in (12, 13)]),
    ]
    assert lives(settle(wrong, scene=[0] * 30)) == lives([Chain(one), Chain(other)])


def test_what_is_right_stays() -> None:
    chains = [Chain(walk(20, 5, RED, index=0)), Chain(walk(170, -5, BLUE, index=1)), Chain(walk(95, 0, RED, index=2))]
    assert lives(settle(chains, scene=[0] * 30)) == lives(chains)


def test_nothing_is_joined_over_a_cut() -> None:
    one = walk(80, 1, RED, index=0)
    chains = [Chain([s for s in one if s.at < 15]), Chain([s for s in one if 15 <= s.at < 19])]
    assert lives(settle(chains, scene=[0] * 15 + [1] * 15)) == lives(chains)
    assert lives(settle(chains, scene=[0] * 30)) == {tuple((s.at, s.index) for s in one if s.at < 19)}


def test_a_piece_of_a_life_is_taken_in() -> None:
    one = walk(80, 1, RED, index=0)
    piece = [s for s in one if 10 <= s.at < 14]
    chains = [Chain([s for s in one if not 10 <= s.at < 14]), Chain(piece)]
    assert lives(settle(chains, scene=[0] * 30)) == lives([Chain(one)])


def test_a_ghost_is_not_taken_in() -> None:
    one = walk(80, 1, RED, index=0)
    ghost = Chain([sight(at, 92, GREEN, index=5, y=140) for at in (10, 11, 12)])
    chains = [Chain([s for s in one if not 10 <= s.at < 14]), ghost]
    assert lives(settle(chains, scene=[0] * 30)) == lives(chains)


@pytest.mark.parametrize("count", [0, 1])
def test_nobody_and_one(count: int) -> None:
    chains = [Chain(walk(20, 5, RED, index=0))][:count]
    assert lives(settle(chains, scene=[0] * 30)) == lives(chains)


def test_no_sight_is_lost_or_made() -> None:
    rng = np.random.default_rng(5)
    chains = [
        Chain([sight(at, 100 + 20 * rng.normal(), int(rng.integers(3)), index=k) for at in range(k, 30, 2)])
        for k in range(5)
    ]
    before = sorted((s.at, s.index) for c in chains for s in c.sights)
    assert sorted((s.at, s.index) for c in settle(chains, scene=[0] * 30) for s in c.sights) == before
