"""Who is in front of whom, decided where two people claim the same place, and remembered."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vimatte.engine.vis.propagation.layer import Moved
from vimatte.engine.vis.propagation.soft import Probability

__all__ = ["FrontOrder", "stacked"]


class FrontOrder:
    """Pairwise scores; positive: the lower id is in front."""

    def __init__(self) -> None:
        self._scores: dict[tuple[int, int], float] = {}

    def watch(self, moved: Mapping[int, Moved], height: int, width: int) -> None:
        """Gather evidence from the overlaps of the predicted layers: whose colours are there, who was seen there."""
        ids = sorted(moved)
        full = {}
        for one in ids:
            shape, seen = np.zeros((2, height, width), np.float32)
            gap = np.full((height, width), 1e4, np.float32)
            shape[moved[one].window], seen[moved[one].window] = moved[one].shape, moved[one].seen
            gap[moved[one].window] = moved[one].mismatch
            full[one] = (shape, seen, gap)
        for at, one in enumerate(ids):
            for two in ids[at + 1 :]:
                both = np.minimum(full[one][0], full[two][0]) > 0.4
                area = int(np.count_nonzero(both))
                old = self._scores.get((one, two), 0.0)
                if area < 20:
                    self._scores[one, two] = 0.95 * old
                    continue
                colours = np.clip((full[two][2] - full[one][2])[both] / 200.0, -1, 1).mean()
                before = (full[one][1] - full[two][1])[both].mean()
                new = (float(colours) + 0.5 * float(before)) * min(1.0, area / 300)
                self._scores[one, two] = float(np.clip(0.85 * old + new, -3, 3))

    def in_front(self, one: int, two: int, *, feet: Mapping[int, float]) -> float:
        """Positive when `one` is in front of `two`; `feet`: lowest row of each, as who stands lower is often nearer."""
        score = self._scores.get((min(one, two), max(one, two)), 0.0) * (1 if one < two else -1)
        return score + 0.4 * float(np.clip((feet[one] - feet[two]) / 12.0, -1, 1))


def stacked(
    moved: Mapping[int, Moved], order: FrontOrder, height: int, width: int
) -> tuple[dict[int, Probability], dict[int, Probability]]:
    """(id -> (h, w) probability to be seen, id -> whole shape): layers with those in front taken away."""
    shapes: dict[int, Probability] = {}
    feet: dict[int, float] = {}
    for one, layer in sorted(moved.items()):
        shapes[one] = np.zeros((height, width), np.float32)
        shapes[one][layer.window] = layer.shape
        rows = np.flatnonzero((layer.shape > 0.5).any(axis=1))
        feet[one] = float(rows[-1] + layer.window[0].start) if rows.size else 0.0
    seen: dict[int, Probability] = {}
    for one, shape in shapes.items():
        left = shape.copy()
        for two, other in shapes.items():
            if two != one:
                score = order.in_front(one, two, feet=feet)
                left *= 1.0 - other / (1.0 + np.exp(4.0 * score))
        seen[one] = left
    return seen, shapes
