"""Sparse convolutions on feature tables: what a dense convolution gives at the active cells, with 0 at all others.

Kernels are (out, ky, kx, in). Legend: R active cells, S those of the coarser set, I and O channels in and out.
"""

# ruff: noqa: N803, N806 - names carry shapes
from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from vimatte.engine.sparse.active_set import ActiveSet
from vimatte.engine.sparse.gather import gather_matmul

__all__ = ["inverse", "pointwise", "submanifold"]

DENSE_FROM = {"cpu": 0.8, "cuda": 0.35}
"""Density above which a dense convolution of the whole maps is cheaper than gathering nine rows for every cell.

The CPU's was measured (32 and 64 channels); the GPU's is a guess from the ninefold traffic of a gather.
"""


def submanifold(x_RI: Tensor, weight: Tensor, bias_O: Tensor | None, *, active: ActiveSet) -> Tensor:
    """Return (R, O): cross-correlation 3x3, padding 1, at the active cells alone; inactive neighbours count as 0."""
    if active.density > DENSE_FROM.get(x_RI.device.type, 1.0):
        return _dense(x_RI, weight, bias_O, active=active)
    return gather_matmul(x_RI, _taps(weight), bias_O, active.neighbours, rows=len(active))


def inverse(x_SI: Tensor, weight: Tensor, bias_O: Tensor | None, *, active: ActiveSet) -> Tensor:
    """Return (R, O): transposed cross-correlation 3x3, stride 2, padding 1, from `active.coarser` to `active`."""
    return gather_matmul(x_SI, _taps(weight), bias_O, active.from_coarser, rows=len(active))


def pointwise(x_RI: Tensor, weight: Tensor, bias_O: Tensor | None) -> Tensor:
    """Return (R, O) of a 1x1 kernel (out, 1, 1, in) whose MEMORY is read as an (in, out) matrix.

    Not the transpose: the published sparse library multiplied features by the kernel's memory as it lay, and the
    published weights were trained with that. For a square kernel the matrix acts untransposed; for others the entries
    interleave.
    """
    matrix_IO = weight.reshape(weight.shape[-1], weight.shape[0])
    out = x_RI @ matrix_IO
    return out if bias_O is None else out + bias_O


def _taps(weight: Tensor) -> Tensor:
    """(out, 3, 3, in) as (9, in, out)."""
    return weight.permute(1, 2, 3, 0).flatten(0, 1)


def _dense(x_RI: Tensor, weight: Tensor, bias_O: Tensor | None, *, active: ActiveSet) -> Tensor:
    """Scatter, convolve, gather. Cells are distinct, so that here too nothing depends on an order of sums."""
    maps, height, width = active.shape
    canvas = x_RI.new_zeros((maps * height * width, x_RI.shape[1])).index_copy(0, active.cells_R, x_RI)
    planes = canvas.view(maps, height, width, -1).permute(0, 3, 1, 2)
    out = F.conv2d(planes, weight.permute(0, 3, 1, 2), bias_O, padding=1)
    return out.permute(0, 2, 3, 1).reshape(maps * height * width, -1).index_select(0, active.cells_R)
