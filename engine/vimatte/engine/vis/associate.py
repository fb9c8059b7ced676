"""Who is who over a whole shot: sightings on single frames become people, looking at all frames at once.

1. Sightings that swallow two people (two separate sightings of a near frame lie inside them) are set apart.
2. Tracklets: sightings of neighbouring frames are joined where flow carries one mask onto the other and nobody else
   comes near; any doubt ends a tracklet.
3. Tracklets are linked into people by one assignment over the whole shot (min-cost path cover as in Zhang, Li and
   Nevatia, CVPR 2008, solved as a bipartite matching) by motion, size, colour and length of the gap.
4. Two chains that take turns in one place are one person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vimatte.engine.masks import BoolMask, Rle

__all__ = ["SETTINGS", "Carry", "Sighting", "Tracklet", "associate", "colour_distance"]

SETTINGS = {
    "join_iou": 0.5,
    "join_area": 1.5,
    "join_colour": 0.4,
    "join_margin": 0.6,
    "merge_window": 4,
    "merge_inside": 0.65,
    "link_cost": 1.5,
    "link_gap": 300,
    "turn_common": 0.2,
    "turn_gap": 10,
    "turn_step": 1.0,
    "turn_colour": 0.35,
    "turn_inside": 0.7,
}
_JOIN_GAP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Somebody on one frame."""

    at: int
    """Place of the frame in the shot's list of frames."""
    index: int
    """Place among the sightings of that frame, for the caller to find it again."""
    mask: Rle
    """At the small size that `Carry` works in."""
    quality: float
    """0 to 1."""
    x: float
    """Hip centre in pixels of the small size."""
    y: float
    reach: float
    """Radius of the body's circle, same pixels."""
    colour: NDArray[np.float32]
    """Colour histogram whose squares sum to 1 (square roots of shares)."""


@dataclass(frozen=True, slots=True)
class Tracklet:
    """Sightings that are surely one person, by frame; the unit that is linked."""

    sightings: tuple[Sighting, ...]

    @property
    def first(self) -> Sighting:
        """Its beginning."""
        return self.sightings[0]

    @property
    def last(self) -> Sighting:
        """Its end."""
        return self.sightings[-1]

    @property
    def colour(self) -> NDArray[np.float32]:
        """Mean histogram, again with squares that sum to 1."""
        mean = np.mean([s.colour for s in self.sightings], axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-6), np.float32)


class Carry(Protocol):
    """Moves a mask along the picture's motion."""

    def __call__(self, mask: BoolMask, start: int, end: int) -> BoolMask:
        """The mask of the frame at place `start` as it would lie on the frame at place `end`, either way in time."""
        ...


def colour_distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Hellinger distance of two histograms given as square roots: 0 same, 1 nothing in common."""
    return float(np.sqrt(max(0.0, 1.0 - float(one @ other))))


def associate(sightings: Sequence[Sequence[Sighting]], carry: Carry) -> list[Tracklet]:
    """People of a shot from the sightings of each frame, in order of first appearance, then left to right.

    Sightings that swallow two people belong to nobody. Nobody is filtered: that is for the caller.
    """
    mixed = _mixed(sightings, carry)
    clean = [[s for k, s in enumerate(frame) if (i, k) not in mixed] for i, frame in enumerate(sightings)]
    people = _merge(_link(_tracklets(clean, carry)), carry)
    return sorted(people, key=lambda t: (t.first.at, t.first.x, t.first.y))


def _inside(small: BoolMask, large: BoolMask) -> float:
    return int(np.count_nonzero(small & large)) / max(int(np.count_nonzero(small)), 1)


def _iou(one: BoolMask, other: BoolMask) -> float:
    both = int(np.count_nonzero(one & other))
    return both / max(int(np.count_nonzero(one)) + int(np.count_nonzero(other)) - both, 1)


def _mixed(sightings: Sequence[Sequence[Sighting]], carry: Carry) -> set[tuple[int, int]]:
    """Places of sightings that cover two people, and of those that continue such a one."""
    found: set[tuple[int, int]] = set()
    for step in (1, -1):
        order = range(len(sightings)) if step > 0 else range(len(sightings) - 1, -1, -1)
        for i in order:
            for k, one in enumerate(sightings[i]):
                if (i, k) not in found and (
                    _swallows(one, i, sightings, found, carry, step) or _goes_on(one, i, sightings, found, carry, step)
                ):
                    found.add((i, k))
    return found


def _swallows(
    one: Sighting,
    i: int,
    sightings: Sequence[Sequence[Sighting]],
    found: set[tuple[int, int]],
    carry: Carry,
    step: int,
) -> bool:
    mask = one.mask.decode()
    area = max(one.mask.area, 1)
    for back in range(1, int(SETTINGS["merge_window"]) + 1):
        j = i - step * back
        if not 0 <= j < len(sightings) or len(sightings[j]) < 2:
            continue
        parts: list[BoolMask] = []
        for k, other in enumerate(sightings[j]):
            if (j, k) in found or other.quality < 0.6:
                continue
            carried = carry(other.mask.decode(), j, i)
            size = int(np.count_nonzero(carried))
            if size > 0.15 * area and _inside(carried, mask) > float(SETTINGS["merge_inside"]):
                parts.append(carried)
        for a in range(len(parts)):
            for b in range(a):
                both = parts[a] | parts[b]
                # Somebody in front hides the other: then this is one person, and covers no more than that one did.
                grown = area > 1.15 * max(np.count_nonzero(parts[a]), np.count_nonzero(parts[b]))
                if grown and _iou(parts[a], parts[b]) < 0.3 and _inside(mask, both) > 0.5:
                    return True
    return False


def _goes_on(
    one: Sighting,
    i: int,
    sightings: Sequence[Sequence[Sighting]],
    found: set[tuple[int, int]],
    carry: Carry,
    step: int,
) -> bool:
    j = i - step
    if not 0 <= j < len(sightings):
        return False
    mask = one.mask.decode()
    for k, other in enumerate(sightings[j]):
        alike = (j, k) in found and _ratio(one.mask.area, other.mask.area) < 1.2
        if alike and _iou(carry(other.mask.decode(), j, i), mask) > 0.75:
            return True
    return False


def _ratio(one: float, other: float) -> float:
    small, large = sorted((max(one, 1e-6), max(other, 1e-6)))
    return large / small


def _tracklets(sightings: Sequence[Sequence[Sighting]], carry: Carry) -> list[Tracklet]:
    running: list[list[Sighting]] = []
    done: list[list[Sighting]] = []
    for i, frame in enumerate(sightings):
        still = [t for t in running if i - t[-1].at <= _JOIN_GAP]
        done += [t for t in running if i - t[-1].at > _JOIN_GAP]
        score = np.zeros((len(still), len(frame)))
        for r, track in enumerate(still):
            carried = carry(track[-1].mask.decode(), track[-1].at, i)
            for c, one in enumerate(frame):
                score[r, c] = _iou(carried, one.mask.decode())
        taken: set[int] = set()
        rows, columns = linear_sum_assignment(-score)
        for r, c in zip(rows.tolist(), columns.tolist(), strict=True):
            if _joins(still[r][-1], frame[c], score, r, c):
                still[r].append(frame[c])
                taken.add(c)
        running = still + [[one] for c, one in enumerate(frame) if c not in taken]
    return [Tracklet(tuple(t)) for t in done + running]


def _joins(last: Sighting, one: Sighting, score: NDArray[np.float64], r: int, c: int) -> bool:
    best = score[r, c]
    rival = max(np.delete(score[r], c).max(initial=0.0), np.delete(score[:, c], r).max(initial=0.0))
    return bool(
        best >= float(SETTINGS["join_iou"])
        and rival <= float(SETTINGS["join_margin"]) * best
        and _ratio(last.mask.area, one.mask.area) <= float(SETTINGS["join_area"])
        and colour_distance(last.colour, one.colour) <= float(SETTINGS["join_colour"])
    )


def _link(tracklets: Sequence[Tracklet]) -> list[Tracklet]:
    """Chain tracklets end to start at the least total cost; staying alone costs `link_cost`."""
    count = len(tracklets)
    if count < 2:
        return list(tracklets)
    alone = float(SETTINGS["link_cost"])
    cost = np.full((2 * count, 2 * count), alone / 2)
    cost[:count, :count] = [[_cost(a, b) for b in tracklets] for a in tracklets]
    cost[count:, count:] = 0.0
    rows, columns = linear_sum_assignment(cost)
    pairs = [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if r < count and c < count]
    after = {r: c for r, c in pairs if cost[r, c] < alone}
    people: list[Tracklet] = []
    for first in sorted(set(range(count)) - set(after.values())):
        chain: list[Sighting] = []
        at: int | None = first
        while at is not None:
            chain += tracklets[at].sightings
            at = after.get(at)
        people.append(Tracklet(tuple(chain)))
    return people


def _cost(one: Tracklet, other: Tracklet) -> float:
    gap = other.first.at - one.last.at
    if gap < 1 or gap > int(SETTINGS["link_gap"]):
        return 1e6
    size = float(np.sqrt(one.last.reach * other.first.reach))
    start, end = np.array([one.last.x, one.last.y]), np.array([other.first.x, other.first.y])
    trust = np.exp(-gap / 12.0)  # a speed is not kept for long
    ahead = start + _speed(one.sightings[-6:]) * gap * trust
    back = end - _speed(other.sightings[:6]) * gap * trust
    miss = min(float(np.linalg.norm(d)) for d in (ahead - end, back - start, end - start))
    motion = miss / size / (1.0 + 0.1 * gap)
    colour = colour_distance(one.colour, other.colour)
    if motion > 1.5 or colour > 0.6:
        return 1e6
    return motion + 2.0 * colour + abs(float(np.log(other.first.reach / one.last.reach))) + 0.3 * min(gap, 60) / 60


def _speed(sightings: Sequence[Sighting]) -> NDArray[np.float64]:
    """Pixels a frame, the median of steps."""
    if len(sightings) < 2:
        return np.zeros(2)
    steps = [((b.x - a.x) / (b.at - a.at), (b.y - a.y) / (b.at - a.at)) for a, b in pairwise(sightings)]
    return np.asarray(np.median(np.array(steps), axis=0))


def _merge(people: Sequence[Tracklet], carry: Carry) -> list[Tracklet]:
    """Join chains that are hardly ever seen together and follow each other in one place, closest pairs first."""
    merged = list(people)
    while True:
        pairs = [
            (cost, a, b)
            for a in range(len(merged))
            for b in range(a)
            if (cost := _turns(merged[a], merged[b], carry)) is not None
        ]
        if not pairs:
            return merged
        _, a, b = min(pairs)
        best: dict[int, Sighting] = {}
        for one in (*merged[a].sightings, *merged[b].sightings):
            if one.at not in best or one.quality > best[one.at].quality:
                best[one.at] = one
        merged[b] = Tracklet(tuple(best[at] for at in sorted(best)))
        del merged[a]


def _turns(one: Tracklet, other: Tracklet, carry: Carry) -> float | None:
    """How far apart two chains are where one takes over from the other; None when they are two people."""
    mine, theirs = {s.at: s for s in one.sightings}, {s.at: s for s in other.sightings}
    if len(set(mine) & set(theirs)) > float(SETTINGS["turn_common"]) * min(len(mine), len(theirs)):
        return None
    common = set(mine) & set(theirs)
    turns = [(s.at, k, s) for k, chain in enumerate((mine, theirs)) for s in chain.values() if s.at not in common]
    order = sorted(turns, key=lambda t: t[:2])
    steps = [
        (a, b) for (_, j, a), (_, k, b) in pairwise(order) if j != k and 0 < b.at - a.at <= int(SETTINGS["turn_gap"])
    ]
    if not steps:
        return None
    far = float(np.median([np.hypot(b.x - a.x, b.y - a.y) / np.sqrt(a.reach * b.reach) for a, b in steps]))
    alike = colour_distance(one.colour, other.colour) <= float(SETTINGS["turn_colour"])
    if alike and far <= float(SETTINGS["turn_step"]):
        return far
    insides = [_smaller_inside(carry(a.mask.decode(), a.at, b.at), b.mask.decode()) for a, b in steps]
    return 1.0 - float(np.median(insides)) if np.median(insides) >= float(SETTINGS["turn_inside"]) else None


def _smaller_inside(one: BoolMask, other: BoolMask) -> float:
    small, large = sorted((one, other), key=lambda m: int(np.count_nonzero(m)))
    return _inside(small, large)
