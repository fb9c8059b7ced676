"""Networks made ready for evaluation: spectral and batch norms folded into convolutions, exact to rounding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

from vimatte.engine.matting.common.spectral import SpectralConv

__all__ = ["Bounded", "fold"]

_CONVS = (nn.Conv2d, nn.ConvTranspose2d)
N = TypeVar("N", bound=nn.Module)


def fold(network: N) -> N:
    """Replace, in place, spectral convolutions by plain ones and take batch norms into the convolution before them.

    A batch norm follows the convolution it is named after (`bn1` and `conv1`, `aspp1_bn` and `aspp1`), and in an
    `nn.Sequential` the one right before it, a ReLU between them or not; others stay. Convolutions that take a power
    step on every call take one here, for good. Weights are laid out channels last, which is faster nearly everywhere.
    Returns `network`, for evaluation only: its keys are no longer those of the checkpoint. Raises ValueError when the
    network is in training mode.
    """
    if network.training:
        raise ValueError("a network in training mode cannot be folded; call eval() first")
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, SpectralConv):
                setattr(module, name, child.plain())
    for module in list(network.modules()):
        for before, after in _pairs(module):
            conv, norm = getattr(module, before), getattr(module, after)
            if isinstance(conv, _CONVS) and isinstance(norm, nn.BatchNorm2d):
                _rescale(conv, *_affine(norm))
                setattr(module, after, nn.Identity())
        if isinstance(module, nn.Sequential):
            _fold_over_relu(module)
    for module in network.modules():
        if isinstance(module, _CONVS):
            module.weight = nn.Parameter(module.weight.contiguous(memory_format=torch.channels_last))
    return network.requires_grad_(False)


class Bounded(nn.Module):
    """What is left of a ReLU and a batch norm after it: the norm's shift bounds each channel, from below or above."""

    low: Tensor
    high: Tensor

    def __init__(self, low: Tensor, high: Tensor) -> None:
        """Take (c,) bounds."""
        super().__init__()
        self.register_buffer("low", low[:, None, None])
        self.register_buffer("high", high[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """Clamp (n, c, h, w) in place."""
        return x.clamp_(self.low.to(x.dtype), self.high.to(x.dtype))


def _pairs(module: nn.Module) -> Iterator[tuple[str, str]]:
    names = [name for name, _ in module.named_children()]
    if isinstance(module, nn.Sequential):
        yield from pairwise(names)
    for name in names:
        norm = re.sub(r"^conv(\d+)$", r"bn\1", name) if name.startswith("conv") else f"{name}_bn"
        if norm in names:
            yield name, norm


def _fold_over_relu(module: nn.Sequential) -> None:
    """Take g max(y, 0) + s into y's convolution: it is max(g y + s, s) where g > 0, else min(g y + s, s)."""
    for at in range(len(module) - 2):
        conv, relu, norm = module[at], module[at + 1], module[at + 2]
        if isinstance(conv, _CONVS) and isinstance(relu, nn.ReLU) and isinstance(norm, nn.BatchNorm2d):
            gain, shift = _affine(norm)
            _rescale(conv, gain, shift)
            bound = shift.to(conv.weight.dtype)
            far = torch.full_like(bound, torch.inf)
            module[at + 1] = Bounded(torch.where(gain > 0, bound, -far), torch.where(gain > 0, far, bound))
            module[at + 2] = nn.Identity()


@torch.no_grad()
def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Gain and shift, float64, of what a batch norm does in evaluation."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without running statistics cannot be folded")
    gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return gain, norm.bias.double() - norm.running_mean.double() * gain


@torch.no_grad()
def _rescale(conv: nn.Conv2d | nn.ConvTranspose2d, gain: Tensor, shift: Tensor) -> None:
    """Change `conv` so that it gives gain * y + shift where it gave y."""
    shape = (1, -1, 1, 1) if isinstance(conv, nn.ConvTranspose2d) else (-1, 1, 1, 1)
    bias = shift if conv.bias is None else conv.bias.double() * gain + shift
    conv.weight.mul_(gain.to(conv.weight.dtype).reshape(shape))
    conv.bias = nn.Parameter(bias.to(conv.weight.dtype))
