"""Who is followed on a frame: groups of people who began together, each with the state the network handed on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vimatte.engine.matting.oavm.network import OavmState
from vimatte.engine.tracks import TrackSet

__all__ = ["Group", "kept", "newcomers", "present"]


@dataclass(frozen=True, slots=True)
class Group:
    """People whose first frame is the same one, and so the long-term memory."""

    ids: tuple[int, ...]
    """In order of the state's rows."""
    state: OavmState


def present(tracks: TrackSet, number: int) -> tuple[int, ...]:
    """The ids of those with a mask on a frame, in the track set's order."""
    return tuple(one for one in tracks.ids if number in tracks.masks[one])


def kept(groups: Iterable[Group], here: Sequence[int]) -> list[Group]:
    """The groups without those who are not here: who comes back begins anew."""
    left = []
    for group in groups:
        rows = [row for row, one in enumerate(group.ids) if one in here]
        if len(rows) == len(group.ids):
            left.append(group)
        elif rows:
            left.append(Group(tuple(group.ids[row] for row in rows), group.state.pick(rows)))
    return left


def newcomers(groups: Iterable[Group], here: Sequence[int], *, most: int) -> list[tuple[int, ...]]:
    """Those here who are in no group yet, in order, at most `most` together."""
    known = {one for group in groups for one in group.ids}
    new = tuple(one for one in here if one not in known)
    return [new[start : start + most] for start in range(0, len(new), most)]
