"""Looking again where somebody should be but was not found, with the people in front of them painted away.

The landmark network answers with the most visible person of its square. With that person's pixels filled from the
surroundings it answers with whoever is behind, as far as they can be seen.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby, pairwise

import cv2
import numpy as np

from vimatte.engine.masks import BoolMask, mask_iou
from vimatte.engine.vis.blazepose.anchors import Kept, colour_limit, looks, sized, spread
from vimatte.engine.vis.blazepose.bodies import Body
from vimatte.engine.vis.blazepose.lots import HANDS
from vimatte.engine.vis.blazepose.search import Find, Search
from vimatte.engine.vis.blazepose.sighting import Sighting
from vimatte.engine.vis.flow import WorkingImage
from vimatte.engine.vis.identity.looks import colour_distance

__all__ = ["SETTINGS", "leave_contested", "look_again", "paint_away"]

SETTINGS = {
    "again_quality": 0.6,
    "again_colour": 0.25,
    "again_colour_rival": 0.8,
    "again_agreement": 0.5,
    "again_overlap": 0.3,
    "again_off": 0.25,
    "again_size": 1.25,
    "again_beyond": 8,
    "again_rounds": 2,
    "contested_reach": 0.5,
    "contested_gap": 16,
}

_COARSE = 8
"""The fill is so blurred that it is made at an eighth of the size."""
_Looked = dict[tuple[str, int, int], tuple[object, ...]]
"""(why, who, place) -> what was known of the others then: nothing is looked at twice in the same state."""


def look_again(search: Search, people: Sequence[Kept]) -> list[Kept]:
    """The same people with more sightings, and better ones where they touch others.

    A new one must be where its person is expected, and look like this person rather than like any other.
    """
    current = list(people)
    looked: _Looked = {}
    with ThreadPoolExecutor(HANDS, thread_name_prefix="vimatte-again") as pool:
        for _ in range(int(SETTINGS["again_rounds"])):
            for who in range(len(current)):
                current[who] = _fill(search, current, who, looked, pool)
            for who in range(len(current)):
                current[who] = _part(search, current, who, looked, pool)
    return current


def leave_contested(search: Search, people: Sequence[Kept]) -> list[Kept]:
    """Take back sightings of those who stand where somebody else, not found then, is expected.

    Such a mask tends to cover a part of the hidden one, and propagation does better. Only for short absences: nothing
    is carried well for long.
    """
    known = [{s.at: search.finds[s.at][s.index] for s in p.sightings} for p in people]
    left: list[Kept] = []
    for who, person in enumerate(people):
        contested = {
            s.at
            for s in person.sightings
            for k, other in enumerate(known)
            if k != who and _hidden(s.at, other) and _meet(known[who][s.at].body, _expected(other, s.at))
        }
        if len(contested) < len(person.sightings):
            kept = tuple(s for s in person.sightings if s.at not in contested)
            person = replace(person, sightings=kept)
        left.append(person)
    return left


def _hidden(at: int, known: Mapping[int, Find]) -> bool:
    """Whether `at` lies in a short gap between sightings."""
    before = max((k for k in known if k <= at), default=None)
    after = min((k for k in known if k >= at), default=None)
    return (
        before is not None
        and after is not None
        and before < at < after
        and after - before <= int(SETTINGS["contested_gap"])
    )


def _meet(one: Body, other: Body) -> bool:
    near = SETTINGS["contested_reach"] * 0.5 * (one.reach + other.reach)
    return float(np.hypot(one.x - other.x, one.y - other.y)) < near


def paint_away(image: WorkingImage, mask: BoolMask) -> WorkingImage:
    """Fill a mask, grown a little, with the blurred colours around it."""
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    if not grown.any():
        return image
    height, width = grown.shape
    small = (max(1, width // _COARSE), max(1, height // _COARSE))
    outside = (~grown).astype(np.float32)
    colours = cv2.resize(image * outside[..., None], small, interpolation=cv2.INTER_AREA)
    weights = cv2.resize(outside, small, interpolation=cv2.INTER_AREA)
    sigma = max(image.shape[:2]) / 30 / _COARSE
    colours, weights = (cv2.GaussianBlur(v, (0, 0), sigma) for v in (colours, weights))
    blurred = cv2.resize(colours / np.maximum(weights, 1e-4)[..., None], (width, height))
    filled = image.copy()
    filled[grown] = np.clip(np.rint(blurred[grown]), 0, 255).astype(np.uint8)
    return filled


def _fill(search: Search, people: Sequence[Kept], who: int, looked: _Looked, pool: Executor) -> Kept:
    """Look where this person was not found, or not well enough."""
    person = people[who]
    known = {s.at: search.finds[s.at][s.index] for s in person.sightings}
    # Places as far from a sighting as each other are looked at at once, with what is known from those nearer by.
    for _, ring in groupby(_gaps(sorted(known), search.places), key=lambda gap: gap[0]):
        under_way: list[tuple[int, Body, Future[Find | None]]] = []
        for _, at in ring:
            body = _expected(known, at)
            state = (*_there(people, who, at), body)
            if looked.get(("fill", who, at)) != state:
                looked["fill", who, at] = state
                under_way.append((at, body, pool.submit(_look, search, at, body, _others(search, people, who, at))))
        for at, body, look in under_way:
            find = look.result()
            if find is None or not _looks_right(find.sighting, people, who):
                continue
            if _is_between(find.body, body) if _inner(at, known) else _agrees(search, find.sighting, known):
                known[at] = search.add(find)
    return _with(person, known)


def _part(search: Search, people: Sequence[Kept], who: int, looked: _Looked, pool: Executor) -> Kept:
    """Look again, without the others, where a mask touches somebody else's and is about to be carried to others."""
    person = people[who]
    known = {s.at: search.finds[s.at][s.index] for s in person.sightings}
    begun: dict[int, Future[Find | None]] = {}
    for at in (s.at for s in spread(person.sightings)):
        state = _there(people, who, at)
        if not state or looked.get(("part", who, at)) == state:
            continue
        looked["part", who, at] = state
        others = _others(search, people, who, at)
        own = known[at].mask.decode()
        near = cv2.dilate(own.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
        if (near & others).any():
            begun[at] = pool.submit(_look, search, at, known[at].body, others)
    for at, look in begun.items():
        find = look.result()
        if (
            find is not None
            and find.sighting.quality >= known[at].sighting.quality
            and _looks_right(find.sighting, people, who)
            and _is_between(find.body, known[at].body)
        ):
            known[at] = search.add(find)
    return _with(person, known)


def _with(person: Kept, known: Mapping[int, Find]) -> Kept:
    return replace(
        person,
        sightings=tuple(known[at].sighting for at in sorted(known)),
        doubtful=tuple(s for s in person.doubtful if s.at not in known),
    )


def _looks_right(one: Sighting, people: Sequence[Kept], who: int) -> bool:
    if not sized(one, people[who].sightings):
        return False
    own = colour_distance(one.colour, looks(people[who].sightings))
    rivals = [colour_distance(one.colour, looks(p.sightings)) for k, p in enumerate(people) if k != who]
    rival = min(rivals, default=1.0)
    limit = max(SETTINGS["again_colour"], colour_limit(people[who].sightings))
    return own <= limit and own <= SETTINGS["again_colour_rival"] * rival


def _is_between(body: Body, expected: Body) -> bool:
    off = float(np.hypot(body.x - expected.x, body.y - expected.y)) / max(expected.reach, 1.0)
    size = body.reach / max(expected.reach, 1.0)
    return off <= SETTINGS["again_off"] and 1.0 / SETTINGS["again_size"] <= size <= SETTINGS["again_size"]


def _inner(at: int, known: Mapping[int, Find]) -> bool:
    return min(known) < at < max(known)


def _gaps(known: Sequence[int], places: Sequence[int]) -> list[tuple[int, int]]:
    """(Frames to the nearest sighting, place) of those without one, nearest first: each leans on those before."""
    beyond = int(SETTINGS["again_beyond"])
    wanted: list[tuple[int, int]] = []
    for a, b in pairwise([None, *known, None]):
        first = known[0] - beyond if a is None else a + 1
        last = known[-1] + beyond if b is None else b - 1
        inner = places[bisect_left(places, first) : bisect_right(places, last)]
        wanted += [(min(abs(at - k) for k in (a, b) if k is not None), at) for at in inner]
    return sorted(wanted)


def _expected(known: Mapping[int, Find], at: int) -> Body:
    before = max((k for k in known if k < at), default=None)
    after = min((k for k in known if k > at), default=None)
    if before is None or after is None:
        only = before if before is not None else after
        assert only is not None
        return known[only].body
    return known[before].body.blend(known[after].body, (at - before) / (after - before))


def _there(people: Sequence[Kept], who: int, at: int) -> tuple[int, ...]:
    """Indices of the finds of everybody else on a frame."""
    others = [p for k, p in enumerate(people) if k != who]
    return tuple(s.index for p in others for s in (*p.sightings, *p.doubtful) if s.at == at)


def _others(search: Search, people: Sequence[Kept], who: int, at: int) -> BoolMask:
    mask = np.zeros(search.image(at).shape[:2], bool)
    for index in _there(people, who, at):
        mask |= search.finds[at][index].mask.decode()
    return mask


def _look(search: Search, at: int, body: Body, others: BoolMask) -> Find | None:
    image = search.image(at)
    seen = search.finder.follow(paint_away(image, others), expected=[body])
    if not seen or seen[0].quality < SETTINGS["again_quality"]:
        return None
    height, width = image.shape[:2]
    whole = seen[0].paint(height, width) > 0.5
    if np.count_nonzero(whole & others) > SETTINGS["again_overlap"] * np.count_nonzero(whole):
        return None
    found = search.describe(at, image, seen[:1], without=others)
    return found[0] if found else None


def _agrees(search: Search, one: Sighting, known: Mapping[int, Find]) -> bool:
    """Flow carries the nearest known sighting onto this one (somebody hidden more and more still keeps this much)."""
    nearest = min(known, key=lambda k: (abs(k - one.at), k))
    mask = one.mask.decode()
    carried = search.thumbs(known[nearest].sighting.mask.decode(), nearest, one.at)
    return mask_iou(carried, mask) >= SETTINGS["again_agreement"]
