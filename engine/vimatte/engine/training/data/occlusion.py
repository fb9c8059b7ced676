"""Who is seen where several people stand one before the other: alphas that sum to at most 1, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["STEP", "hidden", "overlap", "seen_through", "visible"]

Floats = NDArray[np.float32]

STEP = np.float32(2.0**-16)
"""Visible alphas are whole multiples of this: then every sum and difference of them is exact in float32."""


def visible(alphas: Floats) -> Floats:
    """Give what is seen of (n, ...) alphas, the front one first: v_i = a_i prod_(j before i) (1 - a_j).

    InstMatt (CVPR 2022), equations 13 and 14; rounded down to multiples of `STEP`, so over n they sum to at most 1 in
    whatever order they are added.
    """
    out = np.empty(alphas.shape, np.float32)
    rest = np.ones(alphas.shape[1:], np.float32)
    for into, alpha in zip(out, alphas, strict=True):
        into[:] = seen_through(alpha, rest)
        rest -= into
    return out


def seen_through(alpha: Floats, rest: Floats) -> Floats:
    """Give what is seen of one person, where `rest`, a multiple of `STEP`, is left over by those in front."""
    out = alpha * rest
    out *= 1 / STEP
    np.floor(out, out=out)
    out *= STEP
    return out


def hidden(alphas: Floats) -> NDArray[np.float64]:
    """Give (n,): the share of each person's own area, of (n, h, w) with the front one first, that others cover.

    0 for somebody who is not in the picture.
    """
    own = alphas.sum(axis=(1, 2), dtype=np.float64)
    seen = visible(alphas).sum(axis=(1, 2), dtype=np.float64)
    return np.where(own > 0, 1 - seen / np.maximum(own, 1e-9), 0.0)


def overlap(alphas: Floats) -> float:
    """Give the largest intersection over union of any two of (n, h, w), alpha above a half, whoever is in front."""
    masks = (alphas > 0.5).reshape(len(alphas), -1).astype(np.float64)
    both = masks @ masks.T
    area = both.diagonal()
    either = np.maximum(area[:, None] + area[None] - both, 1)
    return float(np.triu(both / either, k=1).max(initial=0.0))
