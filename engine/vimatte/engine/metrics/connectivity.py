"""Connectivity error: whether specks float about or holes are torn (Rhemann et al., CVPR 2009, section 4)."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import torch
from torch import Tensor

from vimatte.engine.metrics.alphas import Alpha, box_of, exact, plain, total

__all__ = ["connectivity_differences", "connectivity_error", "connectivity_error_over_union"]

_THRESHOLDS = tuple(float(np.float32(k / 10)) for k in range(11))
"""0, 0.1, … 1 as float32: alphas of 51 k / 255 stand exactly on one."""
_IGNORED = 0.15
"""theta: smaller distances to the level at which a pixel hangs together with the rest do not count."""


def connectivity_error(matte: Alpha, *, truth: Alpha) -> float:
    """Sum over all pixels of |phi(matte) - phi(truth)|, in thousands.

    phi(alpha) = 1 - d [d >= 0.15], d = alpha - l, and l the highest of 0, 0.1, … 1 at which the pixel belongs to the
    largest 4-connected component of {matte >= l and truth >= l}. The formula's weight lambda, a mean distance to that
    component, is 1 here: the evaluation codes in use have it so, and published figures were made with them.
    """
    return total(connectivity_differences(matte, truth=truth)) / 1000


def connectivity_error_over_union(matte: Alpha, *, truth: Alpha) -> float:
    """Mean over U = {matte > 0 or truth > 0}, divided by |U| + 1: IMQ's released code (Sun et al., CVPR 2022)."""
    p, g = exact(matte), exact(truth)
    union = (p > 0) | (g > 0)
    return total(connectivity_differences(p, truth=g) * union) / (int(union.sum()) + 1)


def connectivity_differences(matte: Alpha, *, truth: Alpha) -> Tensor:
    """(h, w) float64: |phi(matte) - phi(truth)| at every pixel. Components are found on the CPU."""
    p, g = plain(matte), plain(truth)
    differences = torch.zeros(p.shape, dtype=torch.float64)
    # Where both are under the first threshold the level is 0 and both distances are too small to count.
    box = box_of((p >= _THRESHOLDS[1]) | (g >= _THRESHOLDS[1]))
    p, g = exact(p[box]), exact(g[box])
    differences = differences.to(p.device)
    if p.numel():
        levels = torch.from_numpy(_levels(torch.minimum(p, g).cpu().numpy())).to(p.device)
        differences[box] = (_phi(p, levels) - _phi(g, levels)).abs()
    return differences


def _levels(both: np.ndarray) -> np.ndarray:
    """(h, w) float64: the level l of every pixel of the smaller of two alphas; 1 where it is never left out."""
    levels = np.full(both.shape, -1.0)
    for below, threshold in pairwise(_THRESHOLDS):
        levels[(levels < 0) & ~_largest(both >= threshold)] = below
    levels[levels < 0] = 1.0
    return levels


def _largest(mask: np.ndarray) -> np.ndarray:
    """Keep the largest 4-connected component; of several as large, the one met first row by row."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count < 2:
        return np.zeros_like(mask)
    return np.asarray(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()))


def _phi(alpha: Tensor, levels: Tensor) -> Tensor:
    distance = alpha - levels
    return 1 - distance * (distance >= _IGNORED)
