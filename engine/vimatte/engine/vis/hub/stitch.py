"""Instances of overlapping windows joined into people of the whole shot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from vimatte.engine.errors import ConfigError
from vimatte.engine.masks import Rle

__all__ = ["Piece", "Stitcher", "spans"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Somebody within one window."""

    masks: Mapping[int, Rle]
    """Frame number -> mask; no entry: not seen."""
    score: float


@dataclass(slots=True)
class _Person:
    masks: dict[int, Rle] = field(default_factory=dict)
    weight: float = 0.0
    frames: int = 0


def spans(count: int, *, length: int, overlap: int) -> list[tuple[int, int]]:
    """(start, end) places of windows over `count` frames; neighbours share `overlap` frames, the last may be shorter.

    Raises ConfigError when the overlap is not smaller than the window.
    """
    if not 0 < overlap < length:
        raise ConfigError(
            f"Windows of {length} frames cannot overlap by {overlap}; the overlap must be 1 to {length - 1}."
        )
    out: list[tuple[int, int]] = []
    start = 0
    while not out or out[-1][1] < count:
        out.append((start, min(start + length, count)))
        start += length - overlap
    return out


class Stitcher:
    """Takes windows in order and joins each with those before it.

    Who is who is decided on the frames that a window shares with those before it, by intersection over union of masks
    summed over these frames (3D IoU, as video instance segmentation is judged: Yang, Fan and Xu, ICCV 2019), as one
    assignment. On shared frames the earlier window's masks stay: it had seen more of the past.
    """

    def __init__(self, *, least: float = 0.3) -> None:
        self._least = least
        self._people: list[_Person] = []

    def add(self, pieces: Sequence[Piece], *, shared: Sequence[int]) -> None:
        """Join the pieces of the next window; `shared` are its frames that earlier windows had too."""
        overlap = np.array([[_iou(p.masks, q.masks, shared) for q in pieces] for p in self._people])
        joined: dict[int, int] = {}
        if overlap.size:
            rows, columns = linear_sum_assignment(-overlap)
            joined = {
                int(c): int(r) for r, c in zip(rows, columns, strict=True) if overlap[int(r), int(c)] >= self._least
            }
        seen = set(shared)
        before = {n: [p.masks[n] for p in self._people if n in p.masks] for n in shared}
        for k, piece in enumerate(pieces):
            if k in joined:
                person = self._people[joined[k]]
                person.masks.update({n: m for n, m in piece.masks.items() if n not in seen})
            else:
                person = _Person(dict(piece.masks))
                for n in seen & set(person.masks):
                    mask = person.masks[n].decode()
                    for other in before[n]:
                        mask &= ~other.decode()
                    person.masks[n] = Rle.encode(mask)
                self._people.append(person)
            person.weight += piece.score * len(piece.masks)
            person.frames += len(piece.masks)

    def people(self) -> list[tuple[dict[int, Rle], float]]:
        """(masks by frame, mean score) of everybody so far, in order of their first window."""
        return [(dict(sorted(p.masks.items())), p.weight / max(p.frames, 1)) for p in self._people]


def _iou(one: Mapping[int, Rle], other: Mapping[int, Rle], frames: Sequence[int]) -> float:
    both = union = 0
    for n in frames:
        a, b = one.get(n), other.get(n)
        if a is not None and b is not None:
            common = int(np.count_nonzero(a.decode() & b.decode()))
            both += common
            union += a.area + b.area - common
        else:
            union += (a.area if a is not None else 0) + (b.area if b is not None else 0)
    return both / union if union else 0.0
