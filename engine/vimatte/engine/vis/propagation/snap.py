"""Soft masks drawn to the picture's edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.vis.appearance import Lab, colour_gap

__all__ = ["snap"]

_OFFSETS = ((0, 1), (1, 0), (1, 1), (1, -1))


def snap(planes: NDArray[np.float32], lab: Lab, *, rounds: int = 6, strength: float = 1.2) -> NDArray[np.float32]:
    """Mean field of a contrast-sensitive Potts model (Boykov and Jolly, ICCV 2001) for each of (n, h, w) people.

    Each person is decided against the rest within the window where they may be.
    """
    out = np.zeros_like(planes)
    for plane, result in zip(planes, out, strict=True):
        rows, cols = np.flatnonzero((plane > 0.05).any(axis=1)), np.flatnonzero((plane > 0.05).any(axis=0))
        if rows.size == 0:
            continue
        pad = 4
        window = (
            slice(max(0, rows[0] - pad), rows[-1] + 1 + pad),
            slice(max(0, cols[0] - pad), cols[-1] + 1 + pad),
        )
        start = np.clip(plane[window], 0.005, 0.995)
        unary = np.log(start / (1 - start))
        ties = _ties(lab[window], strength)
        q = start
        for _ in range(rounds):
            q = 1.0 / (1.0 + np.exp(-(unary + _pull(2 * q - 1, ties))))
        result[window] = q
    total = out.sum(axis=0)
    return np.asarray(out / np.maximum(total, 1.0))


def _ties(lab: Lab, strength: float) -> list[NDArray[np.float32]]:
    height, width = lab.shape[:2]
    gaps = []
    for dy, dx in _OFFSETS:
        one, two = _pairs(height, width, dy, dx)
        gaps.append(colour_gap(lab[one], lab[two]))
    scale = 2.0 * float(np.mean([g.mean() for g in gaps])) + 1e-3
    return [
        (strength * np.exp(-g / scale) / (1.0 if 0 in o else 1.414)).astype(np.float32)
        for g, o in zip(gaps, _OFFSETS, strict=True)
    ]


def _pull(sign: NDArray[np.float32], ties: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    height, width = sign.shape
    total = np.zeros_like(sign)
    for (dy, dx), tie in zip(_OFFSETS, ties, strict=True):
        one, two = _pairs(height, width, dy, dx)
        total[one] += tie * sign[two]
        total[two] += tie * sign[one]
    return total


def _pairs(height: int, width: int, dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    left, right = (slice(0, width - dx), slice(dx, width)) if dx >= 0 else (slice(-dx, width), slice(0, width + dx))
    return (slice(0, height - dy), left), (slice(dy, height), right)
