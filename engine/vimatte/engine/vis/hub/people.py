"""From found people to tracks: who is kept, what they are called, whom the artist named, and no pixel twice."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.events import Progress, Warned
from vimatte.engine.masks import BoolMask, Rle
from vimatte.engine.shot import Shot
from vimatte.engine.tracks import Instance, TrackSet
from vimatte.engine.vis.artist import free_name, matched
from vimatte.engine.vis.backend import KeyMasks, Tracking, VisOptions
from vimatte.engine.vis.propagate import propagate
from vimatte.ocio.layer_name import safe_name

__all__ = ["Found", "apart", "finish", "in_order", "lasting"]


@dataclass(frozen=True, slots=True)
class Found:
    """One person (or thing) over the shot."""

    masks: Mapping[int, Rle | None]
    """Frame number -> mask at the shot's size; None for known to be away; no entry where nothing is known."""
    score: float
    """0 to 1."""
    name: str | None = None
    """Layer name where somebody gave one."""
    given: tuple[int, ...] | None = None
    """Frames whose mask was given or found on its own rather than followed; None for all that are seen."""
    label: str | None = None
    """What it is, where a finder looks for several things."""

    @property
    def seen(self) -> dict[int, Rle]:
        """Frame number -> mask, where there is one."""
        return {n: m for n, m in sorted(self.masks.items()) if m is not None and m.area}


def apart(soft: NDArray[np.float32]) -> list[BoolMask]:
    """(n, h, w) logits of one frame as masks: above zero, and each pixel to the strongest."""
    if len(soft) < 2:
        return [one > 0 for one in soft]
    best = soft.argmax(axis=0)
    return [(best == k) & (soft[k] > 0) for k in range(len(soft))]


def lasting(found: Sequence[Found], *, shot: Shot, options: VisOptions) -> list[Found]:
    """Keep what is large enough, lasts long enough and, where too many are left, covers most pixels over the shot."""
    numbers = shot.frames.numbers
    place = {number: at for at, number in enumerate(numbers)}
    least = options.min_area * shot.info.width * shot.info.height
    kept: list[Found] = []
    for one in found:
        seen = one.seen
        if not seen or float(np.median([m.area for m in seen.values()])) < least:
            continue
        at = [place[n] for n in seen]
        if max(at) - min(at) + 1 >= options.min_duration or len(numbers) < options.min_duration:
            kept.append(one)
    if options.max_instances is not None and len(kept) > options.max_instances:
        order = sorted(range(len(kept)), key=lambda k: (-sum(m.area for m in kept[k].seen.values()), k))
        chosen = set(order[: options.max_instances])
        kept = [one for k, one in enumerate(kept) if k in chosen]
    return kept


def in_order(found: Sequence[Found], *, shot: Shot) -> list[Found]:
    """By first appearance, then left to right, then top to bottom."""
    place = {number: at for at, number in enumerate(shot.frames.numbers)}

    def key(one: Found) -> tuple[int, float, float]:
        number, mask = next(iter(one.seen.items()))
        rows, columns = np.nonzero(mask.decode())
        return place[number], float(columns.mean()), float(rows.mean())

    return sorted((one for one in found if one.seen), key=key)


def finish(
    shot: Shot,
    *,
    found: Sequence[Found],
    keys: KeyMasks | None,
    label: str,
    source: Mapping[str, object],
) -> Tracking:
    """Turn found people into tracks: the artist's first, in their order; frames nobody knows are propagated.

    Masks of the artist come back as they are. `source` is written into the tracks.
    """
    numbers = shot.frames.numbers
    people = _with_artist(found, keys, label)
    if not people:
        yield Warned(message=f"No {label} was found in {shot.info.path.name}.")
        masks: dict[int, dict[int, Rle]] = {}
    else:
        anchors = {i: {n: m for n, m in one.masks.items() if n in set(numbers)} for i, one in enumerate(people, 1)}
        complete = all(n in by for by in anchors.values() for n in numbers)
        masks = _disjoint(anchors, numbers) if complete else (yield from _propagated(shot, anchors))
    return TrackSet(
        width=shot.info.width,
        height=shot.info.height,
        frames=numbers,
        instances=tuple(
            Instance(id=i, name=str(one.name), label=one.label or label, score=min(1.0, max(0.0, one.score)))
            for i, one in enumerate(people, 1)
        ),
        masks=masks,
        keys={
            i: tuple(n for n in (one.given if one.given is not None else one.seen) if n in masks.get(i, {}))
            for i, one in enumerate(people, 1)
        },
        source=dict(source),
    )


def _disjoint(anchors: Mapping[int, Mapping[int, Rle | None]], numbers: Sequence[int]) -> dict[int, dict[int, Rle]]:
    """Known masks of every frame; a pixel that two claim is the first one's."""
    out: dict[int, dict[int, Rle]] = {i: {} for i in anchors}
    for n in numbers:
        taken: BoolMask | None = None
        for i, by in anchors.items():
            rle = by[n]
            if rle is None or not rle.area:
                continue
            mask = rle.decode()
            free = mask if taken is None else mask & ~taken
            taken = mask if taken is None else taken | mask
            if free.any():
                out[i][n] = Rle.encode(free)
    return out


def _propagated(
    shot: Shot, anchors: Mapping[int, Mapping[int, Rle | None]]
) -> Generator[Progress, None, dict[int, dict[int, Rle]]]:
    given = {i: {n: m if m is not None and m.area else None for n, m in by.items()} for i, by in anchors.items()}
    return (yield from propagate(shot, anchors=given))


def _with_artist(found: Sequence[Found], keys: KeyMasks | None, label: str) -> list[Found]:
    """The artist's people in their order, joined with whom they match on key frames; then the others found."""
    names = keys.names if keys is not None else ()
    given = [keys.of(name) if keys is not None else {} for name in names]
    match = matched(keys, [one.masks for one in found])
    people: list[Found] = []
    for k, name in enumerate(names):
        other = found[match[k]] if k in match else Found({}, 1.0)
        score = keys.scores.get(name, 1.0) if keys is not None else 1.0
        people.append(Found({**other.masks, **given[k]}, score, name, label=other.label))
    for f, one in enumerate(found):
        if f not in match.values():
            taken = {str(p.name) for p in people}
            name = free_name(taken, place=len(people) + 1, stem=safe_name(one.label or label))
            people.append(replace(one, name=one.name or name))
    return _given_first(people, given)


def _given_first(people: Sequence[Found], given: Sequence[Mapping[int, Rle | None]]) -> list[Found]:
    """Take the artist's pixels away from everybody else: masks that were given come back as they are."""
    out: list[Found] = []
    for k, one in enumerate(people):
        masks = dict(one.masks)
        for n in sorted({n for by in given for n in by} & set(masks)):
            mine = masks[n]
            if mine is None or (k < len(given) and n in given[k]):
                continue
            mask = mine.decode()
            for by in given:
                other = by.get(n)
                if other is not None:
                    mask &= ~other.decode()
            masks[n] = Rle.encode(mask) if mask.any() else None
        out.append(replace(one, masks=masks))
    return out
