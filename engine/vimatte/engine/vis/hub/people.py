"""From found people to tracks: who is kept, what they are called, whom the artist named, and no pixel twice."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from vimatte.engine.events import Progress, Warned
from vimatte.engine.masks import Rle, mask_iou
from vimatte.engine.shot import Shot
from vimatte.engine.tracks import Instance, TrackSet
from vimatte.engine.vis.backend import KeyMasks, Tracking, VisOptions
from vimatte.engine.vis.propagate import propagate
from vimatte.ocio.layer_name import safe_name

__all__ = ["Found", "finish", "in_order", "lasting"]

_SAME = 0.3
"""Mean IoU on key frames from which a found person is the artist's."""


@dataclass(frozen=True, slots=True)
class Found:
    """One person (or thing) over the shot."""

    masks: Mapping[int, Rle | None]
    """Frame number -> mask at the shot's size; None for known to be away; no entry where nothing is known."""
    score: float
    """0 to 1."""
    name: str | None = None
    """Layer name where somebody gave one."""

    @property
    def seen(self) -> dict[int, Rle]:
        """Frame number -> mask, where there is one."""
        return {n: m for n, m in sorted(self.masks.items()) if m is not None and m.area}


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
    people = _with_artist(found, keys, stem=safe_name(label))
    if not people:
        yield Warned(message=f"No {label} was found in {shot.info.path.name}.")
        masks: dict[int, dict[int, Rle]] = {}
    else:
        anchors = {i: {n: m for n, m in one.masks.items() if n in set(numbers)} for i, one in enumerate(people, 1)}
        masks = yield from _propagated(shot, anchors)
    return TrackSet(
        width=shot.info.width,
        height=shot.info.height,
        frames=numbers,
        instances=tuple(
            Instance(id=i, name=str(one.name), label=label, score=min(1.0, max(0.0, one.score)))
            for i, one in enumerate(people, 1)
        ),
        masks=masks,
        keys={i: tuple(n for n in one.seen if n in masks.get(i, {})) for i, one in enumerate(people, 1)},
        source=dict(source),
    )


def _propagated(
    shot: Shot, anchors: Mapping[int, Mapping[int, Rle | None]]
) -> Generator[Progress, None, dict[int, dict[int, Rle]]]:
    given = {i: {n: m if m is not None and m.area else None for n, m in by.items()} for i, by in anchors.items()}
    return (yield from propagate(shot, anchors=given))


def _with_artist(found: Sequence[Found], keys: KeyMasks | None, *, stem: str) -> list[Found]:
    """The artist's people in their order, joined with whom they match on key frames; then the others found."""
    names = keys.names if keys is not None else ()
    given = [keys.of(name) if keys is not None else {} for name in names]
    agreement = np.zeros((len(names), len(found)))
    for k, masks in enumerate(given):
        for f, one in enumerate(found):
            common = [
                mask_iou(mine.decode(), theirs.decode())
                for n, mine in masks.items()
                if mine is not None and (theirs := one.masks.get(n)) is not None
            ]
            agreement[k, f] = float(np.mean(common)) if common else 0.0
    rows, columns = linear_sum_assignment(-agreement)
    match = {int(k): int(f) for k, f in zip(rows, columns, strict=True) if agreement[k, f] >= _SAME}
    people: list[Found] = []
    for k, name in enumerate(names):
        own = found[match[k]].masks if k in match else {}
        score = keys.scores.get(name, 1.0) if keys is not None else 1.0
        people.append(Found({**own, **given[k]}, score, name))
    for f, one in enumerate(found):
        if f not in match.values():
            number = len(people) + 1
            while f"{stem}_{number:02d}" in {p.name for p in people} | set(names):
                number += 1
            people.append(Found(one.masks, one.score, one.name or f"{stem}_{number:02d}"))
    return people
