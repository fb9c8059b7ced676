"""Networks made ready for evaluation: spectral and batch norms folded into convolutions, exact to rounding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import nn

from vimatte.engine.matting.common.spectral import SpectralConv

__all__ = ["fold"]

_CONVS = (nn.Conv2d, nn.ConvTranspose2d)


def fold(network: nn.Module) -> nn.Module:
    """Replace, in place, spectral convolutions by plain ones and take batch norms into the convolution before them.

    A batch norm follows the convolution it is named after (`bn1` and `conv1`, `aspp1_bn` and `aspp1`), and in an
    `nn.Sequential` the one right before it; others stay. Convolutions that step on every call take one step here.
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
                _absorb(conv, norm)
                setattr(module, after, nn.Identity())
    return network.requires_grad_(False)


def _pairs(module: nn.Module) -> Iterator[tuple[str, str]]:
    names = [name for name, _ in module.named_children()]
    if isinstance(module, nn.Sequential):
        yield from pairwise(names)
    for name in names:
        norm = re.sub(r"^conv(\d+)$", r"bn\1", name) if name.startswith("conv") else f"{name}_bn"
        if norm in names:
            yield name, norm


def _absorb(conv: nn.Conv2d | nn.ConvTranspose2d, norm: nn.BatchNorm2d) -> None:
    """Let `conv` do what both did: weight * g and (bias - mean) * g + shift, with g = scale / sqrt(var + eps)."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without running statistics cannot be folded")
    with torch.no_grad():
        gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        shape = (1, -1, 1, 1) if isinstance(conv, nn.ConvTranspose2d) else (-1, 1, 1, 1)
        old = conv.bias.double() if conv.bias is not None else 0.0
        bias = (old - norm.running_mean.double()) * gain + norm.bias.double()
        conv.weight.copy_(conv.weight.double() * gain.reshape(shape))
        conv.bias = nn.Parameter(bias.to(conv.weight.dtype))
