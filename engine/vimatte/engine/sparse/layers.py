"""Sparse convolutions as modules: they hold a kernel as the published sparse networks store it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vimatte.engine.sparse.active_set import ActiveSet
from vimatte.engine.sparse.convolution import inverse, pointwise, submanifold

__all__ = ["InverseConv2d", "PointwiseConv2d", "SubmanifoldConv2d"]


class _SparseConv2d(nn.Module):
    """A kernel (out, k, k, in) and perhaps a bias (out,)."""

    def __init__(self, inputs: int, outputs: int, *, size: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, size, size, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        bound = 1.0 / math.sqrt(size * size * inputs)
        nn.init.uniform_(self.weight, -bound, bound)

    @torch.no_grad()
    def absorb(self, norm: nn.BatchNorm1d) -> None:
        """Do from now on what this layer and a batch norm right after it do in evaluation, to rounding.

        Raises ValueError for a norm without running statistics.
        """
        if norm.running_mean is None or norm.running_var is None:
            raise ValueError("a batch norm without running statistics cannot be absorbed")
        gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        old = self.bias.double() if self.bias is not None else 0.0
        bias = (old - norm.running_mean.double()) * gain + norm.bias.double()
        self._scale(gain)
        self.bias = nn.Parameter(bias.to(self.weight.dtype))

    def _scale(self, gain: Tensor) -> None:
        self.weight.copy_(self.weight.double() * gain[:, None, None, None])


class SubmanifoldConv2d(_SparseConv2d):
    """3x3 at the active cells; inactive neighbours count as 0."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = False) -> None:
        super().__init__(inputs, outputs, size=3, bias=bias)

    def forward(self, x: Tensor, *, active: ActiveSet) -> Tensor:
        """(R, in) of `active` to (R, out)."""
        return submanifold(x, self.weight, self.bias, active=active)


class InverseConv2d(_SparseConv2d):
    """From the coarser set back to the set it was made from."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = False) -> None:
        super().__init__(inputs, outputs, size=3, bias=bias)

    def forward(self, x: Tensor, *, active: ActiveSet) -> Tensor:
        """(S, in) of `active.coarser` to (R, out) of `active`."""
        return inverse(x, self.weight, self.bias, active=active)


class PointwiseConv2d(_SparseConv2d):
    """1x1; the kernel's memory is read as an (in, out) matrix, see `pointwise`."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = False) -> None:
        super().__init__(inputs, outputs, size=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(R, in) to (R, out)."""
        return pointwise(x, self.weight, self.bias)

    def _scale(self, gain: Tensor) -> None:
        outputs, _, _, inputs = self.weight.shape
        self.weight.copy_((self.weight.double().reshape(inputs, outputs) * gain).reshape(self.weight.shape))
