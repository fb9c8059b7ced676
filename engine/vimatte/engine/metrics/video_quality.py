"""VIMQ: are all people of a clip found, kept apart and matted well (Li et al., 'Video Instance Matting', WACV 2024).

VIMQ = RQ TQ MQ, eq. 4. Paper and released code differ in four places, and `Definition` says which is meant:

| | as_paper | as_published_code |
|---|---|---|
| a mask is where | alpha > 0 | alpha > 0.5 |
| people are matched on a frame | true positives and their truths | all mattes and all truths |
| frames on which neither is seen | left out of the mean IoU (the paper is silent) | IoU 0 |
| the first frame's dtSSD | not counted (the paper is silent) | 0, similarity 1 |
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from vimatte.engine.metrics.alphas import Alpha, Definition, exact, plain, total

__all__ = ["LEAST_IOU", "WEIGHTS", "VimqMeter", "VimqScore", "mean_vimq"]

LEAST_IOU = 0.5
"""rho: a matched pair is a true positive above it (section 3.3)."""
WEIGHTS: Mapping[str, float] = {"mse": 50.0, "mad": 50.0, "dtssd": 10.0}
"""omega of eq. 7 in all the paper's experiments; the released code's dtSSD takes 50 unless told."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class VimqScore:
    """One clip, or the mean of several."""

    definition: Definition
    rq: float
    """Recognition quality, eq. 5, 0 to 1."""
    tq: float
    """Tracking quality, eq. 6, 0 to 1."""
    mq: Mapping[str, float]
    """'mse', 'mad', 'dtssd' -> matting quality, eq. 8, 0 to 1; dtSSD of a single frame is nan by the paper."""
    matched: Mapping[int, int] = field(default_factory=dict)
    """Row of the truth -> row of the matte, over the whole clip."""
    hits: tuple[int, ...] = ()
    """Rows of the truth that are true positives."""

    @property
    def vimq(self) -> dict[str, float]:
        """'mse', 'mad', 'dtssd' -> RQ TQ MQ."""
        return {name: self.rq * self.tq * mq for name, mq in self.mq.items()}

    def to_dict(self) -> dict[str, object]:
        """JSON values; None for nan."""
        known = {**{f"mq_{n}": v for n, v in self.mq.items()}, **{f"vimq_{n}": v for n, v in self.vimq.items()}}
        return {
            "definition": self.definition,
            "rq": self.rq,
            "tq": self.tq,
            **{name: None if math.isnan(value) else value for name, value in known.items()},
        }


def mean_vimq(scores: Sequence[VimqScore]) -> VimqScore:
    """Score a data set: the means of RQ, of TQ and of each MQ over its clips; their product is the data set's VIMQ.

    The product of the means, not the mean of the products: the paper does not say, its tables show it (Table 5:
    72.72 x 93.17 x 56.52 gives 38.29). Raises ValueError without clips, or when they follow two definitions.
    """
    if len({s.definition for s in scores}) != 1:
        raise ValueError(
            f"clips must be there, and follow one definition; found {sorted({s.definition for s in scores})}"
        )
    return VimqScore(
        definition=scores[0].definition,
        rq=_mean([s.rq for s in scores]),
        tq=_mean([s.tq for s in scores]),
        mq={name: _mean([s.mq[name] for s in scores]) for name in WEIGHTS},
    )


class VimqMeter:
    """Adds up a clip frame by frame; holds the frame before and, for every pair on every frame, five numbers."""

    def __init__(self, definition: Definition, *, weights: Mapping[str, float] = WEIGHTS) -> None:
        """`weights` are omega of eq. 7 for 'mse', 'mad' and 'dtssd'."""
        self.definition: Definition = definition
        self._weights = dict(weights)
        self._at = 0.0 if definition == "as_paper" else 0.5
        self._before: tuple[Tensor, Tensor] | None = None
        self._l1: list[Floats] = []
        self._iou: list[Floats] = []
        self._errors: dict[str, list[Floats]] = {name: [] for name in WEIGHTS}

    def add(self, mattes: Alpha, *, truth: Alpha) -> None:
        """Take in the next frame: (m, h, w) mattes and (n, h, w) truths, the same people in the same rows throughout.

        Raises ValueError when sizes differ.
        """
        p, g = plain(mattes), plain(truth)
        if p.ndim != 3 or g.ndim != 3 or p.shape[1:] != g.shape[1:]:
            raise ValueError(f"the mattes are {tuple(p.shape)}, the truth {tuple(g.shape)}; give (n, h, w) of one size")
        if self._before is not None and (len(p), len(g)) != (len(self._before[0]), len(self._before[1])):
            raise ValueError("the number of people changed; a person off screen is a row of zeros")
        shape, area = (len(g), len(p)), p.shape[1] * p.shape[2]
        l1, squares, changes, iou = (np.zeros(shape) for _ in range(4))
        before = self._before or (p, g)
        boxes_p, boxes_g = (
            [_box(now, old) for now, old in zip(a, b, strict=True)] for a, b in ((p, before[0]), (g, before[1]))
        )
        for i in range(shape[0]):
            for j in range(shape[1]):
                # Beyond both boxes all four planes are zero.
                box = _around(boxes_g[i], boxes_p[j])
                one, two = exact(g[i][box]), exact(p[j][box])
                difference = two - one
                l1[i, j] = total(difference.abs())
                squares[i, j] = total(difference.square()) / area
                changes[i, j] = math.sqrt(
                    total((difference - (exact(before[0][j][box]) - exact(before[1][i][box]))).square()) / area
                )
                both, either = (one > self._at) & (two > self._at), (one > self._at) | (two > self._at)
                union = int(either.sum())
                iou[i, j] = int(both.sum()) / union if union else math.nan
        self._l1.append(l1)
        self._iou.append(iou)
        if self._before is None and self.definition == "as_paper":
            changes[:] = math.nan
        for name, errors in (("mse", squares), ("mad", l1 / area), ("dtssd", changes)):
            self._errors[name].append(errors)
        self._before = p, g

    def result(self) -> VimqScore:
        """Score the frames so far. Raises ValueError when there are none."""
        if not self._l1:
            raise ValueError("there is no frame to score")
        l1 = np.stack(self._l1)
        pairs = _pairs(l1.mean(axis=0))
        iou = self._mean_iou()
        hits = {i: j for i, j in pairs.items() if iou[i, j] > LEAST_IOU}
        n, m = iou.shape
        misses = (n - len(hits)) + (m - len(hits))
        if not hits:
            return VimqScore(
                definition=self.definition, rq=0.0, tq=0.0, mq=dict.fromkeys(WEIGHTS, 0.0), matched=pairs, hits=()
            )
        rq = math.fsum(iou[i, j] for i, j in hits.items()) / (len(hits) + misses / 2)
        return VimqScore(
            definition=self.definition,
            rq=rq,
            tq=self._tracking(l1, hits),
            mq={name: self._matting(name, hits) for name in WEIGHTS},
            matched=pairs,
            hits=tuple(hits),
        )

    def _mean_iou(self) -> Floats:
        iou = np.stack(self._iou)
        seen = ~np.isnan(iou)
        count = seen.sum(axis=0) if self.definition == "as_paper" else np.full(iou.shape[1:], len(iou))
        return np.asarray(np.where(seen, iou, 0.0).sum(axis=0) / np.maximum(count, 1))

    def _tracking(self, l1: Floats, hits: Mapping[int, int]) -> float:
        """1 less the share of frames on which a true positive is nearer to somebody else's truth."""
        rows, columns = list(hits), list(hits.values())
        kept = 0
        for cost in l1:
            if self.definition == "as_published_code":
                found = _pairs(cost)
                kept += sum(found.get(i) == j for i, j in hits.items())
            else:
                # Of assignments that cost the same, as among people off screen, the clip's own counts.
                among = cost[np.ix_(rows, columns)]
                among = among - np.eye(len(rows)) * (1e-9 * (1.0 + float(among.max())))
                kept += sum(i == j for i, j in _pairs(among).items())
        return kept / (len(l1) * len(hits))

    def _matting(self, name: str, hits: Mapping[int, int]) -> float:
        errors = [e[i, j] for e in self._errors[name] for i, j in hits.items()]
        return _mean([1 - min(1.0, self._weights[name] * e) for e in errors if not math.isnan(e)])


def _pairs(cost: Floats) -> dict[int, int]:
    rows, columns = linear_sum_assignment(cost)
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True)}


Box = tuple[int, int, int, int]


def _box(now: Tensor, before: Tensor) -> Box:
    """Top, bottom, left and right of what is not zero in either."""
    there = (now != 0) | (before != 0)
    rows, columns = there.any(dim=1).nonzero(), there.any(dim=0).nonzero()
    if not rows.numel():
        return 0, 0, 0, 0
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _around(one: Box, two: Box) -> tuple[slice, slice]:
    boxes = [b for b in (one, two) if b[1]]
    if not boxes:
        return slice(0, 0), slice(0, 0)
    top, bottom, left, right = zip(*boxes, strict=True)
    return slice(min(top), max(bottom)), slice(min(left), max(right))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
