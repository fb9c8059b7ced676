"""Found people and an artist's masks brought together: names win, masks win."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vimatte.engine.masks import Rle
from vimatte.engine.vis.artist import free_name, matched
from vimatte.engine.vis.backend import KeyMasks

__all__ = ["Cast", "cast"]


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
    match = matched(keys, [one.masks for one in found])
    people: list[Cast] = []
    for k, name in enumerate(keys.names):
        given = keys.of(name)
        own = found[match[k]] if k in match else Cast(None, {}, 0.0, frozenset())
        best = own.best | frozenset(given)
        people.append(Cast(name, {**own.masks, **given}, keys.scores.get(name, 1.0), best))
    for f, one in enumerate(found):
        if f not in match.values():
            taken = {str(p.name) for p in people}
            people.append(replace(one, name=free_name(taken, place=len(people) + 1)))
    return people
