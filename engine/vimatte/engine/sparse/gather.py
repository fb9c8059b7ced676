"""Gather, multiply, write: the one operation under every sparse convolution, and its gradient.

Every output row is one row of a matrix product over gathered input rows and is written once, so nothing is summed by
atomics, forward or backward. Two runs on one device give the same bits wherever a matrix product does: on the CPU
always, on CUDA with the cuBLAS workspace that torch sets up for a single stream.

Legend: R output rows, S input rows, K taps, I input channels, O output channels.
"""

# ruff: noqa: N803, N806 - names carry shapes
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["Group", "Plan", "gather_matmul"]

_CPU_BYTES = 4 << 20
"""Gathered rows held at once on a CPU: what stays in the cache between the gather and the product."""
_GPU_BYTES = 256 << 20
"""Gathered rows held at once on a GPU: enough to fill it, little beside the features themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Output rows that hear the same taps."""

    rows: Tensor | None
    """(R,) int64, which output rows; None: all of them, in order."""
    taps: tuple[int, ...]
    """Which taps of the kernel, K of them."""
    table: Tensor
    """(R, K) int32: input row under each tap; the number of input rows where nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """From which input rows every output row is made."""

    groups: tuple[Group, ...]
    """Together they hold every output row once."""
    reverse: Callable[[], Tensor]
    """Makes (S, 9) int32: output row that hears each input row through each tap; R where none does."""


def gather_matmul(x_SI: Tensor, weight_KIO: Tensor, bias_O: Tensor | None, plan: Plan, *, rows: int) -> Tensor:
    """Return (rows, O): for each row the sum over taps of `x[table] @ weight[tap]`, plus the bias; differentiable."""
    if weight_KIO.shape[2] * 4 <= weight_KIO.shape[1] and len(plan.groups) == 1:
        # Few channels out of many: multiply first, then gather products instead of features.
        return _multiply_first(x_SI, weight_KIO, bias_O, plan)
    out: Tensor = _GatherMatmul.apply(x_SI, weight_KIO, bias_O, plan, rows)  # type: ignore[no-untyped-call]
    return out


class _GatherMatmul(torch.autograd.Function):
    """Keeps features and weights only; gathers again in the backward pass rather than hold 9 times the features."""

    @staticmethod
    def forward(ctx: Any, x_SI: Tensor, weight_KIO: Tensor, bias_O: Tensor | None, plan: Plan, rows: int) -> Tensor:
        ctx.save_for_backward(x_SI, weight_KIO)
        ctx.plan, ctx.biased = plan, bias_O is not None
        out_RO = x_SI.new_empty((rows, weight_KIO.shape[2]))
        padded = _with_zero_row(x_SI)
        for group in plan.groups:
            weight = weight_KIO[list(group.taps)].flatten(0, 1)
            for part, gathered in _gather(padded, group.table):
                if group.rows is None:
                    _product(gathered, weight, bias_O, out=out_RO[part])
                else:
                    out_RO.index_copy_(0, group.rows[part], _product(gathered, weight, bias_O))
        return out_RO

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_RO: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        x_SI, weight_KIO = ctx.saved_tensors
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.empty_like(x_SI)
            transposed = weight_KIO.transpose(1, 2).flatten(0, 1)
            for part, gathered in _gather(_with_zero_row(grad_RO), ctx.plan.reverse()):
                _product(gathered, transposed, None, out=grad_x[part])
        if ctx.needs_input_grad[1]:
            grad_weight = torch.zeros_like(weight_KIO)
            padded = _with_zero_row(x_SI)
            for group in ctx.plan.groups:
                total = weight_KIO.new_zeros((len(group.taps) * weight_KIO.shape[1], weight_KIO.shape[2]))
                for part, gathered in _gather(padded, group.table):
                    own = grad_RO[part] if group.rows is None else grad_RO.index_select(0, group.rows[part])
                    total.addmm_(gathered.t(), own)
                # A tap is in several groups: each adds its own rows' share.
                for tap, share in zip(group.taps, total.view(len(group.taps), *weight_KIO.shape[1:]), strict=True):
                    grad_weight[tap] += share
        if ctx.biased and ctx.needs_input_grad[2]:
            grad_bias = grad_RO.sum(0)
        return grad_x, grad_weight, grad_bias, None, None


def _gather(padded: Tensor, table_RK: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield (output rows, gathered (rows, K * I)) in runs that fit the buffer; the buffer is used again."""
    count, taps = table_RK.shape
    room = _CPU_BYTES if padded.device.type == "cpu" else _GPU_BYTES
    run = max(256, room // (taps * padded.shape[1] * padded.element_size()))
    buffer = padded.new_empty((min(run, count) * taps, padded.shape[1]))
    for start in range(0, count, run):
        table = table_RK[start : start + run].reshape(-1)
        gathered = torch.index_select(padded, 0, table, out=buffer[: table.shape[0]])
        yield slice(start, start + run), gathered.view(-1, taps * padded.shape[1])


def _product(gathered: Tensor, weight: Tensor, bias: Tensor | None, *, out: Tensor | None = None) -> Tensor:
    if bias is None:
        return torch.mm(gathered, weight, out=out)
    return torch.addmm(bias, gathered, weight, out=out)


def _with_zero_row(x: Tensor) -> Tensor:
    """Append the row that stands for inactive cells."""
    return torch.cat([x, x.new_zeros((1, x.shape[1]))])


def _multiply_first(x_SI: Tensor, weight_KIO: Tensor, bias_O: Tensor | None, plan: Plan) -> Tensor:
    taps, inputs, outputs = weight_KIO.shape
    products_SKO = (x_SI @ weight_KIO.transpose(0, 1).reshape(inputs, taps * outputs)).view(-1, taps, outputs)
    out: Tensor = _Collect.apply(products_SKO, plan)  # type: ignore[no-untyped-call]
    return out if bias_O is None else out + bias_O


class _Collect(torch.autograd.Function):
    """Sum, for every output row, the products made for it; each product goes to one row at most."""

    @staticmethod
    def forward(ctx: Any, products_SKO: Tensor, plan: Plan) -> Tensor:
        ctx.plan = plan
        taps, outputs = products_SKO.shape[1:]
        table_RK = plan.groups[0].table * taps + torch.arange(taps, dtype=torch.int32, device=products_SKO.device)
        padded = torch.cat([products_SKO.reshape(-1, outputs), products_SKO.new_zeros((taps, outputs))])
        return padded.index_select(0, table_RK.view(-1)).view(-1, taps, outputs).sum(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_RO: Tensor) -> tuple[Tensor, None]:
        table_SK = ctx.plan.reverse()
        gathered = _with_zero_row(grad_RO).index_select(0, table_SK.reshape(-1))
        return gathered.view(*table_SK.shape, grad_RO.shape[1]), None
