"""IDF1: for how long everybody is who they are (Ristani et al., ECCV Workshops 2016)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from vimatte.engine.metrics.alphas import Mask, as_mask

__all__ = ["IdentityScore", "Idf1Meter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityScore:
    """Counts of person-frames under the one matching of people and tracks that leaves the fewest errors."""

    right: int
    """IDTP: frames on which a person's own track covers them."""
    false: int
    """IDFP: frames of tracks that do not."""
    missed: int
    """IDFN: frames of people that are not covered by their own track."""

    @property
    def idf1(self) -> float:
        """2 IDTP / (2 IDTP + IDFP + IDFN), eq. 9; 1 where there is nobody and nobody was tracked."""
        total = 2 * self.right + self.false + self.missed
        return 2 * self.right / total if total else 1.0


class Idf1Meter:
    """Adds up frames; holds counts, no masks."""

    def __init__(self, truths: Sequence[str], *, tracks: Sequence[str], least: float = 0.5) -> None:
        """Names of the true people and of the tracks; from an IoU of `least` on a track covers a person."""
        self._truths, self._tracks, self._least = tuple(truths), tuple(tracks), least
        self._hits = np.zeros((len(self._truths), len(self._tracks)), np.int64)
        self._truth_frames = np.zeros(len(self._truths), np.int64)
        self._track_frames = np.zeros(len(self._tracks), np.int64)

    def add(self, truth: Mapping[str, Mask], *, tracks: Mapping[str, Mask]) -> None:
        """Take in one frame; who lacks a mask, or has an empty one, is absent."""
        people = {name: as_mask(mask) for name, mask in truth.items()}
        found = {name: as_mask(mask) for name, mask in tracks.items()}
        truth_area = [int(np.count_nonzero(people[n])) if n in people else 0 for n in self._truths]
        track_area = [int(np.count_nonzero(found[n])) if n in found else 0 for n in self._tracks]
        self._truth_frames += np.array(truth_area, np.int64) > 0
        self._track_frames += np.array(track_area, np.int64) > 0
        for i in np.flatnonzero(truth_area):
            for k in np.flatnonzero(track_area):
                both = int(np.count_nonzero(people[self._truths[i]] & found[self._tracks[k]]))
                if both >= self._least * (truth_area[i] + track_area[k] - both):
                    self._hits[i, k] += 1

    def result(self) -> IdentityScore:
        """Match whole trajectories for the fewest false and missed person-frames, which is for the most hits."""
        rows, columns = linear_sum_assignment(-self._hits)
        right = int(self._hits[rows, columns].sum())
        return IdentityScore(
            right=right, false=int(self._track_frames.sum()) - right, missed=int(self._truth_frames.sum()) - right
        )
