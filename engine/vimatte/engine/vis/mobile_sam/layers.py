"""Layers that several parts of SAM share."""

# ruff: noqa: N803 - names carry shapes

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["LayerNorm2d", "Perceptron"]


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of (n, c, h, w)."""

    def __init__(self, channels: int, *, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Normalise each cell."""
        centred = x_NCHW - x_NCHW.mean(1, keepdim=True)
        scaled = centred / torch.sqrt(centred.square().mean(1, keepdim=True) + self.eps)
        return scaled * self.weight[:, None, None] + self.bias[:, None, None]


class Perceptron(nn.Module):
    """Three linear layers with ReLU between them."""

    def __init__(self, inward: int, inner: int, outward: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(inward, inner), nn.Linear(inner, inner), nn.Linear(inner, outward)])

    def forward(self, x: Tensor) -> Tensor:
        """(..., inward) to (..., outward)."""
        for at, layer in enumerate(self.layers):
            x = layer(x) if at == 0 else layer(torch.relu(x))
        return x
