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
    "settle_motion": 0.3,
    "settle_cap": 6.0,
    "settle_run": 12,
    "settle_alone": 3.0,
    "settle_known": 8,
    "settle_wait": 40,
}
_DIMENSIONS = 64
_NEAR = 6
"""As many sights on each side say where somebody goes."""


def settle(chains: Sequence[Chain], *, scene: Sequence[int], every: int = 1) -> list[Chain]:
    """Exchange tails, and short runs, of pairs of people who come near each other, as long as that lowers an energy.

    The energy of one person: `settle_looks` times how much their sights' colours differ from their mean, plus how
    badly each sight is foretold by those before and after it. Steepest descent over the move "switch" of Oh,
    Russell and Sastry (Markov chain Monte Carlo data association, IEEE TAC 2009), and the same for a short run:
    deterministic, and each move judges with everything known of both lives, where linking knows their ends alone.
    Somebody looked on every `every`-th frame only.
    """
    lives = _Lives(chains, scene, known=max(2, int(SETTINGS["settle_known"]) // every))
    best = {(i, j): lives.best(i, j) for i in range(len(chains)) for j in range(i)}
    made: set[tuple[tuple[int, int], int, int]] = set()
    while best:
        pair, move = min(best.items(), key=lambda item: (item[1].change, item[0]))
        if move is _NONE or (pair, move.start, move.end) in made:
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

    def __init__(self, chains: Sequence[Chain], scene: Sequence[int], *, known: int) -> None:
        self.sights: list[list[Sight]] = [list(c.sights) for c in chains]
        self._scene = np.asarray(scene)
        self._known = known
        self._colour, self._weight = _compressed(chains)
        self._size = [c.size for c in chains]
        self._path = [_path(life) for life in self.sights]
        self._joints = [_joints(life, size) for life, size in zip(self.sights, self._size, strict=True)]

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
                self._path[k] = _path(self.sights[k])
                self._joints[k] = _joints(self.sights[k], self._size[k])

    def best(self, i: int, j: int) -> _Move:
        """The move of two people that lowers the energy most; one that changes nothing where none does."""
        one, other = self.sights[i], self.sights[j]
        if not one or not other or not (times := self._meetings(i, j)):
            return _NONE
        short, long = sorted((one, other), key=len)
        known = len(short) >= self._known
        # Pieces of much the same length are left to those who link ends: two ghosts are not yet a person.
        piece = len(long) >= self._known and len(short) <= 0.5 * len(long)
        if not known and not piece:
            return _NONE
        last = max(one[-1].at, other[-1].at)
        ends = [*times, last]
        sums = [self._sums(k, ends) for k in (i, j)]
        count = [np.searchsorted(self._path[k][0], ends, side="right") for k in (i, j)]
        looks, run = float(SETTINGS["settle_looks"]), int(SETTINGS["settle_run"])
        norms = [np.linalg.norm(s[-1]) for s in sums]
        found = _Move(-float(SETTINGS["settle_gain"]), 0, 0)
        for a, start in enumerate(times):
            moved = [s[a + 1 :] - s[a] for s in sums]
            apart = [np.linalg.norm(sums[k][-1] - moved[k] + moved[1 - k], axis=1) for k in (0, 1)]
            changes = looks * (sum(norms) - apart[0] - apart[1])
            for b in range(a + 1, len(ends)):
                end, change = ends[b], float(changes[b - a - 1])
                held = [int(c[b] - c[a]) for c in count]
                fewer = piece and (held == [len(one), 0] if one is short else held == [0, len(other)])
                if fewer:
                    change -= float(SETTINGS["settle_alone"])
                # Motion alone may tell tails apart; a few sights it may not, being what detectors shake most.
                elif not known or (end != last and (sum(held) > run or change > -0.1)):
                    continue
                cuts = [(int(c[a]), int(c[b])) for c in count]
                # At the very best the new lives have no bends at all.
                least = sum(self._around(k, *cut) for k, cut in zip((i, j), cuts, strict=True))
                if change - float(SETTINGS["settle_motion"]) * least < found.change:
                    change += self._bends((i, j), cuts)
                    if change < found.change:
                        found = _Move(change, start, end)
        return found if found.start != found.end else _NONE

    def _bends(self, pair: tuple[int, int], cuts: Sequence[tuple[int, int]]) -> float:
        """What the motion says to a move: positive when it says no. `cuts` are the run's ends within each life."""
        change = 0.0
        for k, n in ((0, 1), (1, 0)):
            life, other = self.sights[pair[k]], self.sights[pair[n]]
            (a, b), (c, d) = cuts[k], cuts[n]
            new = life[:a] + other[c:d] + life[b:]
            size = float(np.sqrt(self._size[pair[k]] * self._size[pair[n]]))
            ends = {a} if b == len(life) else {a, a + d - c}
            touched = {at for e in ends for at in range(e - _NEAR + 1, e + _NEAR)}
            change += sum(_miss(new, at, size) for at in sorted(touched) if 0 < at < len(new))
            change -= self._around(pair[k], a, b)
        return float(SETTINGS["settle_motion"]) * change

    def _around(self, k: int, start: int, end: int) -> float:
        """How badly a life bends now where a move of its sights from `start` up to `end` would touch it."""
        ends = {start} if end == len(self.sights[k]) else {start, end}
        touched = {at for e in ends for at in range(max(0, e - _NEAR + 1), e + _NEAR) if at < len(self._joints[k])}
        return float(self._joints[k][sorted(touched)].sum())

    def _meetings(self, i: int, j: int) -> list[int]:
        """Frames after which the two could have been taken for each other: they are near, in one scene."""
        wait = int(SETTINGS["settle_wait"])
        reach = float(SETTINGS["settle_near"]) * max(self._size[i], self._size[j])
        paths = (self._path[i], self._path[j])
        times = np.union1d(paths[0][0], paths[1][0]).astype(int)
        now, after = times[:-1], times[1:]
        near = np.zeros(len(now), bool)
        for at in (now, 0.5 * (now + after), after):
            places = [np.array([np.interp(at, t, x), np.interp(at, t, y)]) for t, x, y in paths]
            near |= np.hypot(*(places[0] - places[1])) < reach
        near &= self._scene[now] == self._scene[after]
        near &= (now >= max(t[0] for t, _, _ in paths) - wait) & (now <= min(t[-1] for t, _, _ in paths) + wait)
        return [int(t) for t in now[near]]

    def _sums(self, k: int, times: Sequence[int]) -> NDArray[np.float64]:
        """(times, colours): sum of colours up to each of `times`."""
        life = self.sights[k]
        each = np.array([self._weight[s.at, s.index] * self._colour[s.at, s.index] for s in life])
        total = np.concatenate([np.zeros((1, each.shape[1])), each.cumsum(axis=0)])
        return np.asarray(total[np.searchsorted(self._path[k][0], times, side="right")])


def _path(life: Sequence[Sight]) -> tuple[NDArray[np.float64], ...]:
    """Frames, x and y of a life."""
    return tuple(np.array([(s.at, s.x, s.y) for s in life], np.float64).reshape(-1, 3).T)


def _joints(life: Sequence[Sight], size: float) -> NDArray[np.float64]:
    """How badly a life bends before its k-th sight; nothing at its ends."""
    return np.array([0.0, *(_miss(life, k, size) for k in range(1, len(life))), 0.0])


def _miss(life: Sequence[Sight], at: int, size: float) -> float:
    """How badly the sights before and after the `at`-th foretell each other."""
    a, b = life[at - 1], life[at]
    wait = b.at - a.at
    near = [s for s in life[max(0, at - _NEAR) : at] if a.at - s.at <= 2 * _NEAR]
    far = [s for s in life[at : at + _NEAR] if s.at - b.at <= 2 * _NEAR]
    scale = size * min(0.12 + 0.025 * wait, 0.6)
    x, y = ahead_of(near, a, wait)
    u, v = ahead_of(far, b, -wait)
    misses = (x - b.x) ** 2 + (y - b.y) ** 2 + (u - a.x) ** 2 + (v - a.y) ** 2
    return min(float(SETTINGS["settle_cap"]), 0.25 * misses / scale**2 + 0.5 * abs(float(np.log(a.tall / b.tall))))


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
