"""All people of one picture solved together: one matrix, one factorisation, one right-hand side each."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as sla
from numpy.typing import NDArray

from vimatte.engine.matting.classical.laplacian import matting_system
from vimatte.engine.refine.trimap import Trimap
from vimatte.engine.shot import Picture

__all__ = ["solve"]

_FLOOR = 1e-7
"""Pull towards the prior where nothing else decides; keeps the matrix regular where no certain pixel is near."""


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
    A sparse direct solver: exact, no tolerance, the same bytes on every run.
    """
    alphas = areas.core.astype(np.float64)
    system = matting_system(picture, areas.open, epsilon=epsilon)
    if system.pixels.size == 0 or alphas.shape[0] == 0:
        return alphas
    flat = alphas.reshape(alphas.shape[0], -1)
    weight = np.broadcast_to(np.asarray(pull, np.float64), areas.open.shape).reshape(-1)[system.pixels] + _FLOOR
    wanted = prior.reshape(alphas.shape[0], -1)[:, system.pixels]
    right = np.stack([system.pull(a) for a in alphas]) + weight * wanted
    matrix = sp.csc_array(system.matrix + sp.diags_array(weight))
    factors = sla.splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    flat[:, system.pixels] = factors.solve(np.ascontiguousarray(right.T)).T
    return alphas
