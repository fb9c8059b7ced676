"""Where mattes of several people do not add up: square windows for the refinement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["TRAINING_WINDOW", "Box", "disagreement", "find_boxes", "window_side"]

TRAINING_WINDOW = 128
_STEP = 10
_SCORE = 0.01
_IOU = 0.3


@dataclass(frozen=True, slots=True)
class Box:
    """A window of pixels; `right` and `bottom` are the first column and row outside it."""

    left: int
    top: int
    right: int
    bottom: int
    score: float
    """How far the mattes are from adding up to 1 where the window was put."""


def window_side(people: int, *, height: int, width: int) -> int:
    """Return the window's side at inference: smaller for many people, and never above the frame's shorter side."""
    side = 320 if people <= 8 else 256 if people <= 14 else 128
    return min(side, height, width)


def disagreement(mattes: Tensor) -> Tensor:
    """Return (h, w): |1 - sum of the targets - mean of the backgrounds| of tri-mattes (n, 3, h, w)."""
    return (1.0 - mattes[:, 0].sum(dim=0) - mattes[:, 2].mean(dim=0)).abs()


def find_boxes(distance: Tensor, *, side: int) -> tuple[Box, ...]:
    """Choose windows of `side` pixels over a map (h, w) of disagreement, the worst place first; always at least one.

    A candidate sits around every tenth pixel, shifted to lie inside. Those above 0.01 are kept, or the single best;
    then a candidate goes where a better window overlaps it (IoU above 0.3) with a centre less than half a side away in
    x and in y. Of equal scores the upper, then the left one is first; the authors' choice among those is arbitrary.
    """
    height, width = distance.shape
    rows, columns = max(height // _STEP, 1), max(width // _STEP, 1)
    # A map on the GPU is looked at by the CPU; a list of a few thousand candidates is no work for it.
    sampled = distance.detach()[::_STEP, ::_STEP][:rows, :columns].cpu().numpy().astype(np.float64)
    y, x = np.divmod(np.arange(rows * columns), columns)
    scores = sampled.reshape(-1)
    left = np.clip(x * _STEP - -(-side // 2), 0, width - side)
    top = np.clip(y * _STEP - -(-side // 2), 0, height - side)
    order = np.argsort(-scores, kind="stable")
    good = order[scores[order] > _SCORE]
    return tuple(
        Box(int(left[k]), int(top[k]), int(left[k]) + side, int(top[k]) + side, float(scores[k]))
        for k in _apart(good if good.size else order[:1], left, top, side=side)
    )


def _apart(order: NDArray[np.intp], left: NDArray[np.intp], top: NDArray[np.intp], *, side: int) -> tuple[int, ...]:
    """Greedy non-maximum suppression over squares of one size, best first."""
    kept: list[int] = []
    # Sides and overlaps count one pixel more than they have: the authors' convention decides which windows stay.
    area = (side + 1) ** 2
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        apart_x, apart_y = np.abs(left[rest] - left[best]), np.abs(top[rest] - top[best])
        shared = np.maximum(side + 1 - apart_x, 0) * np.maximum(side + 1 - apart_y, 0)
        iou = shared / (2 * area - shared)
        near = (apart_x < side // 2) & (apart_y < side // 2)
        order = rest[~((iou > _IOU) & near)]
    return tuple(kept)
