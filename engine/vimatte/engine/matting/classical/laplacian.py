"""The matting Laplacian over the open pixels of a picture, and the linear system it makes.

Levin, Lischinski, Weiss, 'A Closed-Form Solution to Natural Image Matting', PAMI 2008, equation 12: within a 3x3
window alpha is an affine function of colour. Only windows that touch an open pixel are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vimatte.engine.masks import BoolMask
from vimatte.engine.shot import Picture

__all__ = ["MattingSystem", "matting_system"]

_WINDOW = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
_BOX = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class MattingSystem:
    """Rows of the Laplacian for the open pixels, split into open and known columns."""

    pixels: NDArray[np.int64]
    """(u,) flat indices of the open pixels, ascending."""
    matrix: sp.csr_array
    """(u, u): the open columns."""
    known_index: NDArray[np.int64]
    """(u, 25) flat indices of the neighbours."""
    known_weight: NDArray[np.float64]
    """(u, 25) Laplacian entries of the known neighbours, 0 elsewhere."""

    def pull(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the right-hand side that known (h, w) values give to the open pixels: (u,)."""
        flat = values.reshape(-1).astype(np.float64)
        pulled: NDArray[np.float64] = -(self.known_weight * flat[self.known_index]).sum(axis=1)
        return pulled


def matting_system(picture: Picture, open_: BoolMask, *, epsilon: float) -> MattingSystem:
    """Assemble the system for the open pixels of (h, w, 3). `epsilon` regularises the variance of colour."""
    height, width = open_.shape
    centres = cv2.dilate(open_.astype(np.uint8), _BOX, borderValue=0).astype(bool)
    # Windows hang over no border: they are moved inside, which counts the border pixels in the nearest full window.
    centres[[0, -1]] = False
    centres[:, [0, -1]] = False
    touched = cv2.dilate(centres.astype(np.uint8), _BOX, borderValue=0).astype(bool) | open_
    place = np.full(height * width, -1, np.int64)
    place[np.flatnonzero(touched)] = np.arange(np.count_nonzero(touched))
    stencil = _stencil(picture, np.flatnonzero(centres), place, int(np.count_nonzero(touched)), epsilon)

    pixels = np.flatnonzero(open_)
    rank = np.full(height * width, -1, np.int64)
    rank[pixels] = np.arange(pixels.size)
    step_y, step_x = np.repeat(np.arange(-2, 3), 5), np.tile(np.arange(-2, 3), 5)
    y, x = (pixels // width)[:, None] + step_y, (pixels % width)[:, None] + step_x
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    neighbour = np.where(inside, y * width + x, 0)
    weight = np.where(inside, stencil[place[pixels]], 0.0)
    column = np.where(inside, rank[neighbour], -1)
    stored = (column >= 0) & (weight != 0.0)
    starts = np.concatenate(([0], np.cumsum(stored.sum(axis=1))))
    return MattingSystem(
        pixels=pixels,
        matrix=sp.csr_array((weight[stored], column[stored], starts), shape=(pixels.size, pixels.size)),
        known_index=neighbour,
        known_weight=np.where(column < 0, weight, 0.0),
    )


def _stencil(
    picture: Picture, centres: NDArray[np.int64], place: NDArray[np.int64], count: int, epsilon: float
) -> NDArray[np.float64]:
    """Sum the 9x9 blocks of all windows into 25 diagonals: (count, 25), by place of the row's pixel."""
    width = picture.shape[1]
    # Windows last: what is done to all of them at once then runs through memory in order.
    stencil = np.zeros((25, count), np.float64)
    if centres.size == 0:
        return stencil.T
    pixels = [centres + dy * width + dx for dy, dx in _WINDOW]
    flat = picture.reshape(-1, 3)
    colour = np.stack([flat[at].T for at in pixels]).astype(np.float64)
    colour -= colour.mean(axis=0)
    inverse = _inverse(colour, epsilon / 9.0)
    inverse *= -1.0 / 9.0
    rows = [place[at] for at in pixels]
    for a, (ya, xa) in enumerate(_WINDOW):
        red, green, blue = (_dot(row, colour[a]) for row in inverse)
        for b in range(a, 9):
            yb, xb = _WINDOW[b]
            entry = _dot((red, green, blue), colour[b])
            entry += (8.0 if a == b else -1.0) / 9.0
            step = (yb - ya + 2) * 5 + xb - xa + 2
            stencil[step][rows[a]] += entry
            if a != b:
                stencil[24 - step][rows[b]] += entry
    return stencil.T


def _dot(one: Sequence[NDArray[np.float64]] | NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Products (n,) of two (3, n): much quicker so than `einsum` is."""
    total: NDArray[np.float64] = one[0] * other[0]
    total += one[1] * other[1]
    total += one[2] * other[2]
    return total


def _inverse(colour: NDArray[np.float64], more: float) -> NDArray[np.float64]:
    """Inverses (3, 3, n) of the covariances of (9, 3, n) whose mean is 0, with `more` added to variances."""
    red, green, blue = colour[:, 0], colour[:, 1], colour[:, 2]
    pairs = ((red, red), (red, green), (red, blue), (green, green), (green, blue), (blue, blue))
    rr, rg, rb, gg, gb, bb = ((one * other).sum(axis=0) / 9.0 for one, other in pairs)
    rr, gg, bb = rr + more, gg + more, bb + more
    # Cofactors: what is regularised is symmetric and positive, so the determinant is never near 0 for its size.
    first = np.stack([gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb])
    second = np.stack([first[1], rr * bb - rb * rb, rg * rb - rr * gb])
    third = np.stack([first[2], second[2], rr * gg - rg * rg])
    inverse = np.stack([first, second, third])
    inverse /= rr * first[0] + rg * first[1] + rb * first[2]
    return inverse
