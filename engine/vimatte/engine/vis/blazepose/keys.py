"""Found people and an artist's masks brought together: names win, masks win."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from vimatte.engine.masks import Rle, mask_iou
from vimatte.engine.vis.backend import KeyMasks

__all__ = ["Cast", "cast"]

_SAME = 0.3


@dataclass(frozen=True, slots=True)
class Cast:
    """A person before propagation."""

    name: str | None
    """The artist's name; None for `person_NN`."""
    masks: Mapping[int, Rle | None]
    """Frame number -> mask, None where known to be away."""
    score: float


def cast(found: Sequence[Cast], keys: KeyMasks | None) -> list[Cast]:
    """The artist's people in their order, joined with whom they match on key frames, then the others found."""
    if keys is None or not keys.names:
        return list(found)
    agreement = np.zeros((len(keys.names), len(found)))
    for k, name in enumerate(keys.names):
        for f, one in enumerate(found):
            common = [
                mask_iou(given[name].decode(), mask.decode())
                for frame, given in sorted(keys.masks.items())
                if name in given and (mask := one.masks.get(frame)) is not None
            ]
            agreement[k, f] = float(np.mean(common)) if common else 0.0
    rows, columns = linear_sum_assignment(-agreement)
    match = {int(k): int(f) for k, f in zip(rows, columns, strict=True) if agreement[k, f] >= _SAME}
    people: list[Cast] = []
    for k, name in enumerate(keys.names):
        given: dict[int, Rle | None] = {frame: masks.get(name) for frame, masks in keys.masks.items()}
        own = found[match[k]].masks if k in match else {}
        people.append(Cast(name, {**own, **given}, keys.scores.get(name, 1.0)))
    taken = {p.name for p in people}
    for f, one in enumerate(found):
        if f not in match.values():
            number = len(people) + 1
            while f"person_{number:02d}" in taken:
                number += 1
            taken.add(f"person_{number:02d}")
            people.append(Cast(f"person_{number:02d}", one.masks, one.score))
    return people
