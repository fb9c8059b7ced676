"""Who is in front of whom, decided where two people claim the same place, and remembered."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vimatte.engine.vis.propagation.layer import Moved
from vimatte.engine.vis.propagation.soft import Probability

__all__ = ["FrontOrder"]


class FrontOrder:
    """Pairwise scores; positive: the lower id is in front."""

    def __init__(self) -> None:
        self._scores: dict[tuple[int, int], float] = {}

    def watch(self, moved: Mapping[int, Moved]) -> None:
        """Gather evidence from overlaps of predicted layers of one window: whose colours are there, who was seen."""
        ids = sorted(moved)
        for at, one in enumerate(ids):
            for two in ids[at + 1 :]:
                first, second = moved[one], moved[two]
                both = np.minimum(first.shape, second.shape) > 0.4
                area = int(np.count_nonzero(both))
                old = self._scores.get((one, two), 0.0)
                if area < 20:
                    self._scores[one, two] = 0.95 * old
                    continue
                colours = np.clip((second.mismatch - first.mismatch)[both] / 200.0, -1, 1).mean()
                before = (first.seen - second.seen)[both].mean()
                new = (float(colours) + 0.5 * float(before)) * min(1.0, area / 300)
                self._scores[one, two] = float(np.clip(0.85 * old + new, -3, 3))

    def in_front(self, one: int, two: int, *, feet: Mapping[int, float]) -> float:
        """Positive when `one` is in front of `two`; `feet`: lowest row of each, as who stands lower is often nearer."""
        score = self._scores.get((min(one, two), max(one, two)), 0.0) * (1 if one < two else -1)
        return score + 0.4 * float(np.clip((feet[one] - feet[two]) / 12.0, -1, 1))

    def stack(self, moved: Mapping[int, Moved]) -> dict[int, Probability]:
        """Id -> (h, w) probability of being seen: each layer with those in front of it taken away."""
        feet: dict[int, float] = {}
        for one, layer in moved.items():
            rows = np.flatnonzero((layer.shape > 0.5).any(axis=1))
            feet[one] = float(rows[-1]) if rows.size else 0.0
        seen: dict[int, Probability] = {}
        for one, layer in sorted(moved.items()):
            left = layer.shape.copy()
            for two, other in sorted(moved.items()):
                if two != one:
                    left *= 1.0 - other.shape / (1.0 + np.exp(4.0 * self.in_front(one, two, feet=feet)))
            seen[one] = left
        return seen
