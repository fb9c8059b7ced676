"""Atrous spatial pyramid pooling (Chen et al., 2017): one map seen with four reaches and as a whole."""

# ruff: noqa: N803 - names carry shapes: N pictures, C channels, H height, W width

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Aspp"]

_BRANCH = 256


class Aspp(nn.Module):
    """(n, channels, h, w) to the same shape. In training n must be above 1: the pooled branch has one cell each."""

    def __init__(self, channels: int = 512) -> None:
        super().__init__()
        self.aspp1 = nn.Conv2d(channels, _BRANCH, 1, bias=False)
        self.aspp2 = nn.Conv2d(channels, _BRANCH, 3, padding=2, dilation=2, bias=False)
        self.aspp3 = nn.Conv2d(channels, _BRANCH, 3, padding=4, dilation=4, bias=False)
        self.aspp4 = nn.Conv2d(channels, _BRANCH, 3, padding=8, dilation=8, bias=False)
        self.aspp5 = nn.Conv2d(channels, _BRANCH, 1, bias=False)
        self.aspp1_bn = nn.BatchNorm2d(_BRANCH)
        self.aspp2_bn = nn.BatchNorm2d(_BRANCH)
        self.aspp3_bn = nn.BatchNorm2d(_BRANCH)
        self.aspp4_bn = nn.BatchNorm2d(_BRANCH)
        self.aspp5_bn = nn.BatchNorm2d(_BRANCH)
        self.conv2 = nn.Conv2d(5 * _BRANCH, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Pool."""
        branches = [
            self.aspp1_bn(self.aspp1(x_NCHW)).relu_(),
            self.aspp2_bn(self.aspp2(x_NCHW)).relu_(),
            self.aspp3_bn(self.aspp3(x_NCHW)).relu_(),
            self.aspp4_bn(self.aspp4(x_NCHW)).relu_(),
        ]
        whole = x_NCHW.mean((2, 3), keepdim=True)
        branches.append(self.aspp5_bn(self.aspp5(whole)).relu_().expand_as(branches[0]))
        out: Tensor = self.bn2(self.conv2(torch.cat(branches, dim=1)))
        return out.relu_()
