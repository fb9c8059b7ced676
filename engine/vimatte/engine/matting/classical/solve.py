"""All people of one picture solved together: one matrix, one factorisation, one right-hand side each."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as sla
from numpy.typing import NDArray

from vimatte.engine.masks import BoolMask
from vimatte.engine.matting.classical.laplacian import matting_system
from vimatte.engine.refine.trimap import Trimap
from vimatte.engine.shot import Picture

__all__ = ["solve"]

_FLOOR = 1e-7
"""Pull towards the prior where nothing else decides; keeps the matrix regular where no certain pixel is near."""
_MOST = 120_000
"""Open pixels solved at once; a fat blob of so many takes 4 s and 0.7 GB, and cost grows faster than the number."""
_TILE = 256
_OVERLAP = 24


def solve(
    picture: Picture,
    areas: Trimap,
    *,
    prior: NDArray[np.floating],
    pull: NDArray[np.floating] | float = 0.0,
    epsilon: float = 1e-5,
) -> NDArray[np.float64]:
    """Find alphas (n, h, w) on the open pixels that follow the picture's colours and agree with the certain ones.

    `prior` (n, h, w) is what each open pixel is pulled to with the weight `pull` (a number or (h, w)). Row sums of the
    Laplacian are 0, so the solutions of all people and of the background add to 1 before any clipping. Not clipped.
    A sparse direct solver: exact, no tolerance, the same bytes on every run. More open pixels than fit are solved in
    overlapping tiles that hold the prior around them.
    """
    alphas = np.where(areas.open, prior, areas.core).astype(np.float64)
    if alphas.shape[0] == 0:
        return alphas
    weight = np.broadcast_to(np.asarray(pull, np.float64), areas.open.shape) + _FLOOR
    if np.count_nonzero(areas.open) <= _MOST:
        return _solve_open(picture, areas.open, alphas, weight, epsilon)
    out = alphas.copy()
    height, width = areas.open.shape
    for y in range(0, height, _TILE):
        for x in range(0, width, _TILE):
            top, left = max(0, y - _OVERLAP), max(0, x - _OVERLAP)
            part = np.s_[top : y + _TILE + _OVERLAP, left : x + _TILE + _OVERLAP]
            inner = np.s_[:, y - top : y - top + _TILE, x - left : x - left + _TILE]
            open_ = areas.open[part].copy()
            # The two outermost pixels of a tile hold the prior still, but for those at the picture's own border.
            _hold(open_, top > 0, y + _TILE + _OVERLAP < height, left > 0, x + _TILE + _OVERLAP < width)
            tile = _solve_open(picture[part], open_, alphas[(slice(None), *part)], weight[part], epsilon)
            out[:, y : y + _TILE, x : x + _TILE] = tile[inner]
    return out


def _solve_open(
    picture: Picture, open_: BoolMask, values: NDArray[np.float64], weight: NDArray[np.float64], epsilon: float
) -> NDArray[np.float64]:
    """Solve for the open pixels; `values` (n, h, w) are what the others are, and the prior of the open ones."""
    out = values.copy()
    system = matting_system(picture, open_, epsilon=epsilon)
    if system.pixels.size == 0:
        return out
    pulls = weight.reshape(-1)[system.pixels]
    wanted = values.reshape(values.shape[0], -1)[:, system.pixels]
    right = np.stack([system.pull(v) for v in values]) + pulls * wanted
    matrix = sp.csc_array(system.matrix + sp.diags_array(pulls))
    factors = sla.splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    out.reshape(out.shape[0], -1)[:, system.pixels] = factors.solve(np.ascontiguousarray(right.T)).T
    return out


def _hold(open_: BoolMask, top: bool, bottom: bool, left: bool, right: bool) -> None:
    if top:
        open_[:2] = False
    if bottom:
        open_[-2:] = False
    if left:
        open_[:, :2] = False
    if right:
        open_[:, -2:] = False
