"""An artist's people and found people: who is the same, and what the others are called."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from vimatte.engine.masks import Rle, mask_iou
from vimatte.engine.vis.backend import KeyMasks

__all__ = ["free_name", "matched"]

_SAME = 0.3
"""Mean IoU on key frames from which a found person is the artist's."""


def matched(keys: KeyMasks | None, found: Sequence[Mapping[int, Rle | None]]) -> dict[int, int]:
    """Index among `keys.names` -> index among `found`, for those who are the same; one assignment over all of them.

    `found` are masks by frame number, None where somebody is known to be away.
    """
    names = keys.names if keys is not None else ()
    agreement = np.zeros((len(names), len(found)))
    for k, name in enumerate(names):
        given = keys.of(name) if keys is not None else {}
        for f, masks in enumerate(found):
            common = [
                mask_iou(mine.decode(), theirs.decode())
                for frame, mine in given.items()
                if mine is not None and (theirs := masks.get(frame)) is not None
            ]
            agreement[k, f] = float(np.mean(common)) if common else 0.0
    rows, columns = linear_sum_assignment(-agreement)
    return {int(k): int(f) for k, f in zip(rows, columns, strict=True) if agreement[k, f] >= _SAME}


def free_name(taken: Collection[str], *, place: int, stem: str = "person") -> str:
    """The name `stem_NN` of the person at a place counted from 1, or the next one that nobody has."""
    while f"{stem}_{place:02d}" in taken:
        place += 1
    return f"{stem}_{place:02d}"
