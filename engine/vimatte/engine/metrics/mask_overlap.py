"""How well tracked masks cover the true people, and whether everybody stays who they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from vimatte.engine.metrics.alphas import Mask, as_mask

__all__ = ["FOUND_IOU", "OverlapMeter", "PersonOverlap", "match_people"]

FOUND_IOU = 0.5
"""From this overlap on a person counts as found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonOverlap:
    """One true person."""

    matched: str | None
    """The track that overlaps most over the whole shot; None when no track is left for this person."""
    iou: float
    """Intersection over union, both summed over the shot; 0 without a match."""
    j: float
    """Mean over the frames on which either is seen of that frame's IoU (DAVIS 2017, Pont-Tuset et al., region J)."""
    found: bool
    """`iou` of at least `FOUND_IOU`."""
    switches: int
    """How often another track took this person over (CLEAR MOT, Bernardin and Stiefelhagen 2008, mismatches)."""


def match_people(iou: np.ndarray) -> list[tuple[int, int]]:
    """Pair rows with columns for the largest sum of IoU (Hungarian); pairs that do not overlap are left out.

    `iou` is (n, m) in [0, 1]. Returns (row, column) by ascending row.
    """
    rows, columns = linear_sum_assignment(-iou)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if iou[r, c] > 0]


class OverlapMeter:
    """Adds up overlaps frame by frame; holds counts, no masks."""

    def __init__(self, truths: Sequence[str], *, tracks: Sequence[str]) -> None:
        """Names of the true people and of the tracks that are judged."""
        self._truths, self._tracks = tuple(truths), tuple(tracks)
        shape = (len(self._truths), len(self._tracks))
        self._both = np.zeros(shape, np.int64)
        self._truth_area = np.zeros(shape[0], np.int64)
        self._track_area = np.zeros(shape[1], np.int64)
        self._j = np.zeros(shape, np.float64)
        self._j_frames = np.zeros(shape, np.int64)
        self._holder: dict[int, int] = {}
        self._switches = np.zeros(shape[0], np.int64)

    def add(self, truth: Mapping[str, Mask], *, tracks: Mapping[str, Mask]) -> None:
        """Take in one frame, in the order of the shot; who lacks a mask is absent."""
        people = {name: as_mask(mask) for name, mask in truth.items()}
        found = {name: as_mask(mask) for name, mask in tracks.items()}
        both = np.zeros_like(self._both)
        truth_area = np.array([np.count_nonzero(people[n]) if n in people else 0 for n in self._truths], np.int64)
        track_area = np.array([np.count_nonzero(found[n]) if n in found else 0 for n in self._tracks], np.int64)
        for i in np.flatnonzero(truth_area):
            for k in np.flatnonzero(track_area):
                both[i, k] = np.count_nonzero(people[self._truths[i]] & found[self._tracks[k]])
        union = truth_area[:, None] + track_area[None, :] - both
        iou = np.divide(both, union, out=np.zeros(both.shape), where=union > 0)
        self._both += both
        self._truth_area += truth_area
        self._track_area += track_area
        self._j += iou
        self._j_frames += union > 0
        self._follow(iou)

    def _follow(self, iou: np.ndarray) -> None:
        """Keep a person with the track that holds them while it overlaps; match the rest; count who changed hands."""
        held = {i: k for i, k in self._holder.items() if iou[i, k] >= FOUND_IOU}
        free = np.where(iou >= FOUND_IOU, iou, 0.0)
        free[list(held), :] = 0
        free[:, list(held.values())] = 0
        for i, k in match_people(free):
            if i in self._holder and self._holder[i] != k:
                self._switches[i] += 1
            self._holder[i] = k

    @property
    def iou(self) -> np.ndarray:
        """(truths, tracks) float64: intersection over union, both summed over the frames so far."""
        union = self._truth_area[:, None] + self._track_area[None, :] - self._both
        return np.asarray(np.divide(self._both, union, out=np.zeros(union.shape), where=union > 0))

    def result(self) -> dict[str, PersonOverlap]:
        """True person -> how well they were followed, matched over the whole shot."""
        iou, pairs = self.iou, dict(match_people(self.iou))
        people = {}
        for i, name in enumerate(self._truths):
            k = pairs.get(i)
            people[name] = PersonOverlap(
                matched=None if k is None else self._tracks[k],
                iou=0.0 if k is None else float(iou[i, k]),
                j=0.0 if k is None else float(self._j[i, k] / max(1, self._j_frames[i, k])),
                found=k is not None and bool(iou[i, k] >= FOUND_IOU),
                switches=int(self._switches[i]),
            )
        return people

    def false_people(self) -> tuple[str, ...]:
        """Tracks that are nobody: not the match of a person who was found."""
        taken = {p.matched for p in self.result().values() if p.found}
        return tuple(n for n in self._tracks if n not in taken)
