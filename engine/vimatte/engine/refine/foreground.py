"""The colour of each person alone, without what shows through: what an artist puts over another background.

Multi-level estimation after Germer, Uelwer, Conrad, Harmeling, 'Fast Multi-Level Foreground Estimation', ICPR 2020,
extended from two layers to any number: at every pixel the layers j with weights a_j must mix to the plate,
(sum_j a_j F_j - I)^2, and each layer's colour should be like its neighbours', (eps + |a_j - a_j'|) (F_j - F_j')^2.
For one pixel that is a diagonal matrix plus a rank-one matrix, solved in closed form (Sherman-Morrison).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.refine.crops import groups

__all__ = ["estimate_foreground"]

_SMOOTH = np.float32(1e-4)
"""Weight of smoothness where alpha is flat (the paper's epsilon_r)."""
_SMALL = 32
"""Levels up to this size get many rounds, larger ones few."""
_ROUNDS_SMALL, _ROUNDS_BIG = 10, 3
_HALF_MAX = np.float32(65504.0)
_MARGIN = 8

Layers = NDArray[np.float32]
"""(layers, h, w, 3): the colour of each layer, the background last."""


def estimate_foreground(plate: NDArray[np.float32], alphas: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (n, h, w, 3): each person's own colour, premultiplied by the person's alpha.

    `plate` is (h, w, 3) in any linear or coded space, any range (above 1 and below 0 included); `alphas` is (n, h, w)
    in [0, 1], over n summing to at most 1. All people and the background are found together, so for one person the
    others are background. The people and the background add up to the plate. NaN in the plate counts as 0, infinity
    as the largest half float.
    """
    if plate.ndim != 3 or plate.shape[2] != 3 or alphas.ndim != 3 or alphas.shape[1:] != plate.shape[:2]:
        raise ValueError(f"plate must be (h, w, 3) and alphas (n, h, w), found {plate.shape} and {alphas.shape}")
    clean = np.nan_to_num(plate, nan=0.0, posinf=float(_HALF_MAX), neginf=-float(_HALF_MAX)).astype(np.float32)
    out = np.zeros((*alphas.shape, 3), np.float32)
    for rows, (x0, y0, x1, y1) in groups(alphas > 0, margin=_MARGIN):
        weights = np.ascontiguousarray(alphas[rows, y0:y1, x0:x1], np.float32)
        out[rows, y0:y1, x0:x1] = _group(clean[y0:y1, x0:x1], weights)
    return out


def _group(plate: NDArray[np.float32], alphas: NDArray[np.float32]) -> NDArray[np.float32]:
    """Solve one crop: the people of `alphas` and the background."""
    weights = np.concatenate([alphas, 1.0 - alphas.sum(axis=0, keepdims=True)]).clip(0.0, 1.0).astype(np.float32)
    if not ((alphas > 0) & (alphas < 1)).any():
        return np.asarray(alphas[..., None] * plate, np.float32)
    height, width = plate.shape[:2]
    layers = _first_guess(plate, weights)
    for level_height, level_width in _sizes(height, width):
        size = (level_width, level_height)
        layers = np.stack([_resize(layer, size) for layer in layers])
        small_weights = np.stack([_resize(w, size) for w in weights])
        rounds = _ROUNDS_SMALL if max(size) <= _SMALL else _ROUNDS_BIG
        layers = _relax(_resize(plate, size), small_weights, layers, rounds)
    return _premultiply(plate, weights, layers)[:-1]


def _first_guess(plate: NDArray[np.float32], weights: NDArray[np.float32]) -> Layers:
    """Mean colour of each layer where it is purest: (layers, 1, 1, 3)."""
    power = (weights.reshape(len(weights), -1) ** 4).astype(np.float64)
    mean = (power @ plate.reshape(-1, 3).astype(np.float64)) / np.maximum(power.sum(axis=1, keepdims=True), 1e-9)
    return np.asarray(mean, np.float32).reshape(len(weights), 1, 1, 3)


def _sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes from 1 pixel to full, each at most twice the one before."""
    levels = int(np.ceil(np.log2(max(height, width, 2))))
    steps = [i / levels for i in range(levels + 1)]
    return [(max(1, round(height**s)), max(1, round(width**s))) for s in steps]


def _resize(image: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Nearest pixel: a mixture of averaged colours is not the average of the mixtures."""
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_NEAREST), np.float32).reshape(
        size[1], size[0], *image.shape[2:]
    )


def _relax(plate: NDArray[np.float32], weights: NDArray[np.float32], layers: Layers, rounds: int) -> Layers:
    """Rounds of exact per-pixel solutions with the neighbours held (Jacobi)."""
    down = _SMOOTH + np.abs(np.diff(weights, axis=1))
    right = _SMOOTH + np.abs(np.diff(weights, axis=2))
    diagonal = np.zeros_like(weights)
    diagonal[:, 1:] += down
    diagonal[:, :-1] += down
    diagonal[:, :, 1:] += right
    diagonal[:, :, :-1] += right
    diagonal = np.maximum(diagonal, _SMOOTH)
    down, right = down[..., None], right[..., None]
    inverse = (1.0 / diagonal)[..., None]
    share = weights[..., None] * inverse
    gain = share / (1.0 + (weights[..., None] * share).sum(axis=0))
    for _ in range(rounds):
        around = np.zeros_like(layers)
        around[:, 1:] += down * layers[:, :-1]
        around[:, :-1] += down * layers[:, 1:]
        around[:, :, 1:] += right * layers[:, :, :-1]
        around[:, :, :-1] += right * layers[:, :, 1:]
        around *= inverse
        layers = around + gain * (plate - (weights[..., None] * around).sum(axis=0))
    return layers


def _premultiply(plate: NDArray[np.float32], weights: NDArray[np.float32], layers: Layers) -> NDArray[np.float32]:
    """Multiply by the weights and share what is left of the plate by their squares (the smallest change that fits)."""
    mixed = weights[..., None] * layers
    square = weights**2
    square /= np.maximum(square.sum(axis=0), np.float32(1e-12))
    mixed += square[..., None] * (plate - mixed.sum(axis=0))
    solid = weights == 1.0
    mixed[solid] = np.broadcast_to(plate, mixed.shape)[solid]
    return np.asarray(mixed, np.float32)
