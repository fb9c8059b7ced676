"""What is known of a detection once its frame has been looked at, and of a chain of detections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

__all__ = ["Chain", "Sight", "ahead_of"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """Somebody on one frame."""

    at: int
    """Place of the frame in the shot."""
    index: int
    """Place among the frame's detections."""
    score: float
    area: int
    """Pixels, as all lengths here at the small size that motion is measured at."""
    x: float
    y: float
    """Centre."""
    tall: float
    """Height of its box."""
    colour: NDArray[np.float32]
    """Colour histogram whose squares sum to 1."""


class Chain:
    """Sights that are one person, by frame; never two on one."""

    __slots__ = ("colour", "score", "sights", "size")

    def __init__(self, sights: Sequence[Sight]) -> None:
        best: dict[int, Sight] = {}
        for one in sights:
            if one.at not in best or one.score > best[one.at].score:
                best[one.at] = one
        self.sights = tuple(best[at] for at in sorted(best))
        self.size = float(np.median([s.tall for s in self.sights]))
        self.score = float(np.mean([s.score for s in self.sights]))
        # Where somebody is half hidden their colours are half somebody else's: judge by the large sights.
        large = 0.7 * float(np.quantile([s.area for s in self.sights], 0.8))
        mean = np.mean([s.colour for s in self.sights if s.area >= large], axis=0)
        self.colour = np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-6), np.float32)

    def __len__(self) -> int:
        return len(self.sights)

    @property
    def first(self) -> Sight:
        """Its beginning."""
        return self.sights[0]

    @property
    def last(self) -> Sight:
        """Its end."""
        return self.sights[-1]

    def meets(self, other: Chain) -> bool:
        """Whether both are there at one time, seen or not: then they are two people."""
        return self.first.at <= other.last.at and other.first.at <= self.last.at

    def ahead(self, gap: int, *, few: int = 10) -> tuple[float, float]:
        """Where it will be `gap` frames after its end."""
        return ahead_of(self.sights[-few:], self.last, gap)

    def before(self, gap: int, *, few: int = 10) -> tuple[float, float]:
        """Where it was `gap` frames before its beginning."""
        return ahead_of(self.sights[:few], self.first, -gap)


def ahead_of(sights: Sequence[Sight], start: Sight, gap: int) -> tuple[float, float]:
    """Median of all pairs' slopes (Theil and Sen), slowing down: a speed is not kept for long."""
    pairs = [(a, b) for k, b in enumerate(sights) for a in sights[:k]]
    if not pairs:
        return start.x, start.y
    reach = np.sign(gap) * 20.0 * (1.0 - np.exp(-abs(gap) / 20.0))
    u = median((b.x - a.x) / (b.at - a.at) for a, b in pairs)
    v = median((b.y - a.y) / (b.at - a.at) for a, b in pairs)
    x = median(s.x + u * (start.at - s.at) for s in sights)
    y = median(s.y + v * (start.at - s.at) for s in sights)
    return x + u * float(reach), y + v * float(reach)
