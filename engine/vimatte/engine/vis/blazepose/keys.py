"""Found people and an artist's masks brought together: names win, masks win."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
    best: frozenset[int]
    """Frames whose masks are good enough to be carried to the others."""

    @property
    def anchors(self) -> dict[int, Rle | None]:
        """What propagation starts from: the best masks, and where the person is away."""
        return {frame: mask for frame, mask in self.masks.items() if mask is None or frame in self.best}


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
        given = keys.of(name)
        own = found[match[k]] if k in match else Cast(None, {}, 0.0, frozenset())
        best = own.best | frozenset(given)
        people.append(Cast(name, {**own.masks, **given}, keys.scores.get(name, 1.0), best))
    taken = {p.name for p in people}
    for f, one in enumerate(found):
        if f not in match.values():
            number = len(people) + 1
            while f"person_{number:02d}" in taken:
                number += 1
            taken.add(f"person_{number:02d}")
            people.append(replace(one, name=f"person_{number:02d}"))
    return people
