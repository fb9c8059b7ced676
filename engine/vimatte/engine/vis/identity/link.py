"""From sights to people: sure tracklets, then links by motion and looks, then old acquaintances by looks alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from vimatte.engine.vis.identity.cover import path_cover
from vimatte.engine.vis.identity.looks import colour_distance
from vimatte.engine.vis.identity.motion import Overlap
from vimatte.engine.vis.identity.sight import Chain, Sight

__all__ = ["SETTINGS", "link", "mixed", "recognise", "tracklets", "weave"]

SETTINGS: Mapping[str, str | int | float] = {
    "identity": "whole shot 2",
    "near": 4,
    "mixed_near": 4,
    "mixed_spread": 1.15,
    "mixed_on_iou": 0.75,
    "mixed_on_area": 1.2,
    "sure_iou": 0.25,
    "sure_margin": 0.6,
    "sure_area": 1.8,
    "sure_looks": 0.7,
    "sure_skip": 0.1,
    "contest": 0.3,
    "contest_iou": 0.45,
    "sure_cost": 1.1,
    "link_gap": 40,
    "link_lap": 6,
    "link_cost": 6.0,
    "link_place": 1.5,
    "link_place_area": 2.0,
    "doubt": 1.0,
    "scraps_trust": 3.0,
    "scraps_least": 10,
    "known_looks": 0.5,
    "known_margin": 0.12,
    "known_score": 0.8,
    "rival_score": 0.8,
    "guess_looks": 0.8,
    "guess_margin": 0.25,
    "weave_inside_alike": 0.35,
    "weave_inside": 0.6,
    "weave_place": 0.93,
    "weave_looks": 0.6,
    "weave_looks_often": 0.9,
}
Overlaps = Mapping[tuple[int, int], Overlap]
"""(earlier place, later place) -> overlap."""


def mixed(
    count: Sequence[int], overlaps: Overlaps, own: Sequence[np.ndarray], *, every: int = 1
) -> set[tuple[int, int]]:
    """(place, index) of detections that swallow two people: two masks of a near frame lie inside them.

    `count` and `own` are by frame: how many masks, and the pixels they have in common. Somebody looked on every
    `every`-th frame only.
    """
    found: set[tuple[int, int]] = set()
    for (early, late), lap in sorted(overlaps.items()):
        if late - early > max(int(SETTINGS["mixed_near"]), every):
            continue
        for at, other, both, part, whole in (
            (late, early, lap.both.T, lap.carried, lap.now),
            (early, late, lap.both, lap.now, lap.carried),
        ):
            inside = both / np.maximum(part[None], 1.0)
            for k in range(count[at]):
                # Carried through a crossing, the mask of whoever is in front spreads over who is behind.
                if whole[k] > float(SETTINGS["mixed_spread"]) * own[at][k, k]:
                    continue
                mine = np.flatnonzero((inside[k] > 0.65) & (part > 0.15 * whole[k]) & (part < 0.87 * whole[k]))
                for a in range(len(mine)):
                    for b in range(a):
                        p, q = int(mine[a]), int(mine[b])
                        apart = own[other][p, q] < 0.25 * min(own[other][p, p], own[other][q, q])
                        if apart and both[k, p] + both[k, q] > 0.6 * whole[k]:
                            found.add((at, k))
    return _going_on(found, overlaps, range(len(count)))


def _going_on(found: set[tuple[int, int]], overlaps: Overlaps, places: range) -> set[tuple[int, int]]:
    """Those, and whatever goes on from one of them to the next frame, or the one before, as much the same mask."""
    every = set(found)
    for order, step in ((places, 1), (places[::-1], -1)):
        for at in order:
            lap = overlaps.get((min(at, at + step), max(at, at + step)))
            if lap is None:
                continue
            iou = lap.iou if step > 0 else lap.iou.T
            mine, theirs = (lap.carried, lap.now) if step > 0 else (lap.now, lap.carried)
            for k, n in zip(*np.nonzero(iou > float(SETTINGS["mixed_on_iou"])), strict=True):
                if (at, int(k)) in every and _ratio(mine[k], theirs[n]) < float(SETTINGS["mixed_on_area"]):
                    every.add((at + step, int(n)))
    return every


def tracklets(sights: Sequence[Sequence[Sight]], overlaps: Overlaps, *, every: int = 1) -> list[Chain]:
    """Join sights of near frames where flow carries one onto the other and nobody else comes close.

    Done twice: the first time tells how different the people of this shot look. Somebody looked on every `every`-th
    frame only.
    """
    looks = spread(_tracklets(sights, overlaps, 0.6, every))
    return _tracklets(sights, overlaps, float(SETTINGS["sure_looks"]) * looks, every)


def _contested(overlaps: Overlaps) -> set[tuple[int, int]]:
    """(place, index) of detections onto which two of some near frame fall: people are close, and links doubtful."""
    found: set[tuple[int, int]] = set()
    for (early, late), lap in overlaps.items():
        least = np.minimum(lap.carried[:, None], lap.now[None])
        near = lap.both > float(SETTINGS["contest"]) * np.maximum(least, 1.0)
        near &= least > 0.2 * np.maximum(lap.carried[:, None], lap.now[None])
        found |= {(early, int(k)) for k in np.flatnonzero(near.sum(axis=1) > 1)}
        found |= {(late, int(k)) for k in np.flatnonzero(near.sum(axis=0) > 1)}
    return found


def _tracklets(sights: Sequence[Sequence[Sight]], overlaps: Overlaps, strange: float, every: int) -> list[Chain]:
    nodes = [s for frame in sights for s in frame]
    number = {(s.at, s.index): k for k, s in enumerate(nodes)}
    costs: dict[tuple[int, int], float] = {}
    contested = _contested(overlaps)
    for (early, late), lap in sorted(overlaps.items()):
        iou = lap.iou
        rows = [s.index for s in sights[early]]
        columns = [s.index for s in sights[late]]
        for a in sights[early]:
            for b in sights[late]:
                best = float(iou[a.index, b.index])
                if best < float(SETTINGS["sure_iou"]) or _ratio(a.area, b.area) > float(SETTINGS["sure_area"]):
                    continue
                rival = max(
                    max((float(iou[a.index, c]) for c in columns if c != b.index), default=0.0),
                    max((float(iou[r, b.index]) for r in rows if r != a.index), default=0.0),
                )
                looks = colour_distance(a.colour, b.colour)
                if {(a.at, a.index), (b.at, b.index)} & contested and (
                    best < float(SETTINGS["contest_iou"]) or late - early > 2 * every or looks > 0.7 * strange
                ):
                    continue
                if rival <= float(SETTINGS["sure_margin"]) * best and looks < strange:
                    cost = 1.0 - best + 0.5 * looks + float(SETTINGS["sure_skip"]) * ((late - early) / every - 1)
                    costs[number[a.at, a.index], number[b.at, b.index]] = cost
    chains = path_cover(len(nodes), costs, alone=float(SETTINGS["sure_cost"]))
    return [Chain([nodes[k] for k in chain]) for chain in chains]


def weave(chains: Sequence[Chain], overlaps: Overlaps) -> list[Chain]:
    """Join chains that run side by side in one place and are never seen on one frame: one person, seen by turns."""
    looks = spread(chains)
    woven = list(chains)
    while True:
        pairs = [
            (cost, a, b)
            for a in range(len(woven))
            for b in range(a)
            if (cost := _turns(woven[a], woven[b], overlaps, looks)) is not None
        ]
        if not pairs:
            return woven
        _, a, b = min(pairs)
        woven[b] = Chain(woven[a].sights + woven[b].sights)
        del woven[a]


def _turns(one: Chain, other: Chain, overlaps: Overlaps, looks: float) -> float | None:
    """How far apart two chains are where they take turns, 0 to 1; None when they are two people, or do not."""
    if not one.meets(other):
        return None
    mine, theirs = {s.at for s in one.sights}, {s.at for s in other.sights}
    if mine & theirs:
        return None
    order = sorted((*one.sights, *other.sights), key=lambda s: s.at)
    turns = sum((a.at in mine) != (b.at in mine) for a, b in pairwise(order))
    laps = [
        overlaps[a.at, b.at].within(a.index, b.index) if (a.at, b.at) in overlaps else 0.0
        for a, b in pairwise(order)
        if (a.at in mine) != (b.at in mine)
    ]
    inside = float(np.median(laps))
    if inside >= float(SETTINGS["weave_place"]):
        return 1.0 - inside
    gap = colour_distance(one.colour, other.colour) / looks
    if gap > float(SETTINGS["weave_looks" if turns < 4 else "weave_looks_often"]):
        return None
    sure = turns >= 4 and gap < float(SETTINGS["known_looks"])
    return 1.0 - inside if inside >= float(SETTINGS["weave_inside_alike" if sure else "weave_inside"]) else None


def _ratio(one: float, other: float) -> float:
    small, large = sorted((max(one, 1e-6), max(other, 1e-6)))
    return large / small


def spread(chains: Sequence[Chain]) -> float:
    """How different people of this shot look: the median colour distance of those who are there at one time."""
    long = [c for c in chains if len(c) >= 4]
    gaps = [colour_distance(a.colour, b.colour) for k, a in enumerate(long) for b in long[:k] if a.meets(b)]
    return float(np.clip(np.median(gaps), 0.25, 0.8)) if gaps else 0.5


def link(
    chains: Sequence[Chain], overlaps: Overlaps, *, scene: Sequence[int], gap: int, trust: float = 1.0
) -> list[Chain]:
    """Link chains of one scene that end and begin at most `gap` frames apart, by motion, looks and size.

    Or because a mask lies in the place of the other: a finder now and then adds a chair to somebody, which changes
    their size, their middle and their colours all at once.

    `trust` is how much one sight says for a chain being somebody.
    """
    looks = spread(chains)
    costs: dict[tuple[int, int], float] = {}
    for k, a in enumerate(chains):
        for n, b in enumerate(chains):
            wait = b.first.at - a.last.at
            if wait > gap or scene[a.last.at] != scene[b.first.at]:
                continue
            if wait >= 1:
                costs[k, n] = min(_cost(a, b, wait, looks), _in_place(a.last, b.first, overlaps))
            elif wait > -int(SETTINGS["link_lap"]) and (cut := _handover(a, b)) is not None:
                costs[k, n] = _cost(cut, b, b.first.at - cut.last.at, looks)
    doubt = [trust * float(SETTINGS["doubt"]) * sum(s.score for s in c.sights) for c in chains]
    covers = path_cover(len(chains), costs, alone=float(SETTINGS["link_cost"]), doubt=doubt)
    return [Chain([s for k in cover for s in chains[k].sights]) for cover in covers]


def _in_place(a: Sight, b: Sight, overlaps: Overlaps) -> float:
    lap = overlaps.get((a.at, b.at))
    if lap is None or _ratio(lap.carried[a.index], lap.now[b.index]) > float(SETTINGS["link_place_area"]):
        return 1e6
    beyond = 1.0 - lap.within(a.index, b.index)
    return float(SETTINGS["link_place"]) * (1.0 + 10.0 * beyond)


def _handover(a: Chain, b: Chain) -> Chain | None:
    """What is before `b` of an `a` that ends in the midst of it; None where that cannot be one person."""
    before = [s for s in a.sights if s.at < b.first.at]
    shared = {s.at for s in a.sights} & {s.at for s in b.sights}
    return Chain(before) if before and not shared and a.last.at < b.last.at else None


def _cost(a: Chain, b: Chain, wait: int, looks: float) -> float:
    size = float(np.sqrt(a.size * b.size))
    ahead, back = a.ahead(wait), b.before(wait)
    end, start = (b.first.x, b.first.y), (a.last.x, a.last.y)
    miss = min(float(np.hypot(p[0] - q[0], p[1] - q[1])) for p, q in ((ahead, end), (back, start), (start, end)))
    motion = miss / size / min(0.12 + 0.025 * wait, 0.6)
    # Few sights tell less about somebody's colours.
    slack = looks * (0.45 + 0.25 / np.sqrt(min(len(a), len(b), 9)))
    colour = colour_distance(a.colour, b.colour) / slack
    if motion > 3.5:
        return 1e6
    # The longer nobody saw them, the less their motion says and the more their looks must.
    weight = 2.0 + min(wait, 20) / 10.0
    return 0.5 * motion**2 + weight * float(colour) ** 2 + abs(float(np.log(a.size / b.size))) + 0.02 * wait


def recognise(chains: Sequence[Chain], *, scene: Sequence[int]) -> list[Chain]:
    """Link chains however far apart, over cuts too, that look alike and like nobody who is there beside either.

    Chains of much less sure sights than the two to be linked are no rivals: a finder that sees people in pillows.
    """
    looks = spread(chains)
    long = [k for k, c in enumerate(chains) if len(c) >= 4]
    distance = {(k, n): colour_distance(chains[k].colour, chains[n].colour) for k in long for n in long if k != n}
    costs: dict[tuple[int, int], float] = {}
    for (k, n), gap in distance.items():
        a, b = chains[k], chains[n]
        wait = b.first.at - a.last.at
        if wait < 1 or gap > float(SETTINGS["guess_looks"]) * looks:
            continue
        doubtful, surer = sorted((a.score, b.score))
        if doubtful < float(SETTINGS["known_score"]) * surer:
            continue
        others = [c for c in long if c not in (k, n) and chains[c].score >= float(SETTINGS["rival_score"]) * doubtful]
        rivals = [distance[k, c] for c in others if chains[c].meets(b) and not chains[c].meets(a)]
        rivals += [distance[c, n] for c in others if chains[c].meets(a) and not chains[c].meets(b)]
        sure = gap <= float(SETTINGS["known_looks"]) * looks
        if any(r < gap + float(SETTINGS["known_margin" if sure else "guess_margin"]) * looks for r in rivals):
            continue
        far = float(np.hypot(b.first.x - a.last.x, b.first.y - a.last.y))
        if scene[a.last.at] == scene[b.first.at] and far > 0.6 * wait * max(a.size, b.size):
            continue
        costs[k, n] = gap / looks + 1e-4 * wait
    covers = path_cover(len(chains), costs, alone=2.0)
    return [Chain([s for k in cover for s in chains[k].sights]) for cover in covers]
