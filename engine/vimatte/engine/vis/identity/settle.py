"""Who is who, once more with whole lives known: people whose tails fit each other's heads better exchange them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.vis.identity.sight import Chain, Sight, ahead_of

__all__ = ["SETTINGS", "settle"]

SETTINGS: Mapping[str, str | int | float] = {
    "settle_looks": 6.0,
    "settle_near": 1.0,
    "settle_gain": 0.15,
    "settle_cap": 6.0,
    "settle_run": 12,
    "settle_alone": 3.0,
    "settle_known": 8,
    "settle_wait": 40,
}
_DIMENSIONS = 64


def settle(chains: Sequence[Chain], *, scene: Sequence[int]) -> list[Chain]:
    """Exchange tails, and short runs, of pairs of people who come near each other, as long as that lowers an energy.

    The energy of one person: `settle_looks` times how much their sights' colours differ from their mean, plus how
    badly each sight is foretold by those before and after it. Steepest descent over the move "switch" of Oh,
    Russell and Sastry (Markov chain Monte Carlo data association, IEEE TAC 2009), and the same for a short run:
    deterministic, and each move judges with everything known of both lives, where linking knows their ends alone.
    """
    lives = _Lives(chains, scene)
    best = {(i, j): lives.best(i, j) for i in range(len(chains)) for j in range(i)}
    made: set[tuple[tuple[int, int], int, int]] = set()
    while best:
        pair, move = min(best.items(), key=lambda item: (item[1].change, item[0]))
        if move.change > -float(SETTINGS["settle_gain"]) or (pair, move.start, move.end) in made:
            break
        made.add((pair, move.start, move.end))
        lives.make(pair, move)
        for other in best:
            if set(other) & set(pair):
                best[other] = lives.best(*other)
    return [Chain(life) for life in lives.sights if life]


@dataclass(frozen=True, slots=True)
class _Move:
    """Everything after `start` and up to `end` changes places between two people."""

    change: float
    """Of the energy; negative is better."""
    start: int
    end: int


_NONE = _Move(0.0, 0, 0)


class _Lives:
    """People's sights, with what is needed again and again."""

    def __init__(self, chains: Sequence[Chain], scene: Sequence[int]) -> None:
        self.sights: list[list[Sight]] = [list(c.sights) for c in chains]
        self._scene = scene
        self._colour, self._weight = _compressed(chains)
        self._size = [c.size for c in chains]

    def make(self, pair: tuple[int, int], move: _Move) -> None:
        """Carry a move out."""
        i, j = pair
        inside = [[s for s in self.sights[k] if move.start < s.at <= move.end] for k in pair]
        outside = [[s for s in self.sights[k] if not move.start < s.at <= move.end] for k in pair]
        self.sights[i] = sorted(outside[0] + inside[1], key=lambda s: s.at)
        self.sights[j] = sorted(outside[1] + inside[0], key=lambda s: s.at)
        for k in pair:
            if self.sights[k]:
                self._size[k] = float(np.median([s.tall for s in self.sights[k]]))

    def best(self, i: int, j: int) -> _Move:
        """The move of two people that lowers the energy most; one that changes nothing where none does."""
        if not self.sights[i] or not self.sights[j] or not (times := self._meetings(i, j)):
            return _NONE
        sums = [self._sums(k, times) for k in (i, j)]
        whole = [s[-1] for s in sums]
        now = sum(float(np.linalg.norm(w)) for w in whole)
        looks = float(SETTINGS["settle_looks"])
        last = max(self.sights[i][-1].at, self.sights[j][-1].at)
        run = int(SETTINGS["settle_run"])
        known = min(len(self.sights[i]), len(self.sights[j])) >= int(SETTINGS["settle_known"])
        found = _NONE
        for a, start in enumerate(times):
            for b in range(a + 1, len(times) + 1):
                end = times[b] if b < len(times) else last
                fewer = self._fewer(i, j, start, end)
                if not fewer and (not known or (end != last and self._between(i, j, start, end) > run)):
                    continue
                moved = [s[b] - s[a] for s in sums]
                apart = sum(float(np.linalg.norm(whole[k] - moved[k] + moved[1 - k])) for k in (0, 1))
                change = looks * (now - apart)
                # Motion alone may tell tails apart; a few sights it may not, being what detectors shake most.
                if not fewer and end != last and change > -0.1:
                    continue
                if change - 4 * float(SETTINGS["settle_cap"]) > found.change:
                    continue
                change += self._bends(i, j, start, end) - fewer * float(SETTINGS["settle_alone"])
                if change < found.change:
                    found = _Move(change, start, end)
        return found

    def _fewer(self, i: int, j: int, start: int, end: int) -> bool:
        """Whether a move leaves one of the two without a sight: it was a piece of the other's life.

        Pieces of much the same length are left to those who link ends: two ghosts are not yet a person.
        """
        short, long = sorted((self.sights[i], self.sights[j]), key=len)
        if len(long) < int(SETTINGS["settle_known"]) or len(short) > 0.5 * len(long):
            return False
        return all(start < s.at <= end for s in short) and not any(start < s.at <= end for s in long)

    def _bends(self, i: int, j: int, start: int, end: int) -> float:
        """What the motion says to a move: positive when it says no."""
        size = float(np.sqrt(self._size[i] * self._size[j]))
        lives = (self.sights[i], self.sights[j])
        before = [[s for s in life if s.at <= start] for life in lives]
        inside = [[s for s in life if start < s.at <= end] for life in lives]
        after = [[s for s in life if s.at > end] for life in lives]
        stays = sum(_bend(_runs(before[k], inside[k], after[k]), size) for k in (0, 1))
        moves = sum(_bend(_runs(before[k], inside[1 - k], after[k]), size) for k in (0, 1))
        return moves - stays

    def _between(self, i: int, j: int, start: int, end: int) -> int:
        return sum(start < s.at <= end for k in (i, j) for s in self.sights[k])

    def _meetings(self, i: int, j: int) -> list[int]:
        """Frames after which the two could have been taken for each other: they are near, in one scene."""
        one, other = self.sights[i], self.sights[j]
        wait = int(SETTINGS["settle_wait"])
        first = max(one[0].at, other[0].at) - wait
        last = min(one[-1].at, other[-1].at) + wait
        times = sorted({s.at for s in (*one, *other)})
        out = []
        reach = float(SETTINGS["settle_near"]) * max(self._size[i], self._size[j])
        for t, after in zip(times, [*times[1:], times[-1] + 1], strict=True):
            if not first <= t <= last or after == times[-1] + 1:
                continue
            if self._scene[t] != self._scene[min(after, len(self._scene) - 1)]:
                continue
            middle = 0.5 * (t + after)
            gaps = [float(np.hypot(*np.subtract(_place(one, m), _place(other, m)))) for m in (t, middle, after)]
            if min(gaps) < reach:
                out.append(t)
        return out

    def _sums(self, k: int, times: Sequence[int]) -> list[NDArray[np.float64]]:
        """Sum of colours up to each of `times`, and of all."""
        total = np.zeros_like(next(iter(self._colour.values())))
        out: list[NDArray[np.float64]] = []
        rest = list(self.sights[k])
        for t in (*times, rest[-1].at + 1):
            while rest and rest[0].at <= t:
                s = rest.pop(0)
                total = total + self._weight[s.at, s.index] * self._colour[s.at, s.index]
            out.append(total)
        return out


def _runs(*runs: Sequence[Sight]) -> list[Sequence[Sight]]:
    return [run for run in runs if run] if any(runs) else []


def _bend(runs: Sequence[Sequence[Sight]], size: float) -> float:
    """How badly the ends of runs that follow each other foretell each other."""
    return sum(_miss(runs[: k + 1], runs[k + 1 :], size) for k in range(len(runs) - 1))


def _miss(earlier: Sequence[Sequence[Sight]], later: Sequence[Sequence[Sight]], size: float) -> float:
    before, after = [s for run in earlier for s in run][-6:], [s for run in later for s in run][:6]
    a, b = before[-1], after[0]
    wait = b.at - a.at
    near = [s for s in before if a.at - s.at <= 12]
    far = [s for s in after if s.at - b.at <= 12]
    scale = size * min(0.12 + 0.025 * wait, 0.6)
    x, y = ahead_of(near, a, wait)
    u, v = ahead_of(far, b, -wait)
    misses = (x - b.x) ** 2 + (y - b.y) ** 2 + (u - a.x) ** 2 + (v - a.y) ** 2
    return min(float(SETTINGS["settle_cap"]), 0.25 * misses / scale**2 + 0.5 * abs(float(np.log(a.tall / b.tall))))


def _place(life: Sequence[Sight], at: float) -> tuple[float, float]:
    times = [s.at for s in life]
    return float(np.interp(at, times, [s.x for s in life])), float(np.interp(at, times, [s.y for s in life]))


Key = tuple[int, int]


def _compressed(chains: Sequence[Chain]) -> tuple[dict[Key, NDArray[np.float64]], dict[Key, float]]:
    """Colours with few numbers each (their scalar products are kept), and how much each sight says of its person."""
    sights = [s for c in chains for s in c.sights]
    if not sights:
        return {}, {}
    table = np.array([s.colour for s in sights], np.float64)
    _, axes = np.linalg.eigh(table.T @ table)
    short = table @ axes[:, ::-1][:, :_DIMENSIONS]
    colours = {(s.at, s.index): row for s, row in zip(sights, short, strict=True)}
    weights: dict[Key, float] = {}
    for c in chains:
        large = float(np.quantile([s.area for s in c.sights], 0.8))
        weights |= {(s.at, s.index): min(1.0, s.area / max(0.7 * large, 1.0)) for s in c.sights}
    return colours, weights
