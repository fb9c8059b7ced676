"""The matting decoder: from a sixteenth to the full size, each person's mask and alpha.

Section 3.4 of the paper: "mainly comprises layers of convolution, Batch Normalization and activation". Its sizes are
ours. Names carry shapes: B clips, N people, A = B N, C channels, h w cells of some scale, H W of the picture.
"""

# ruff: noqa: N803, N806 - names carry shapes

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["MattingDecoder"]

_OUTS = (80, 40, 32, 16)
"""Channels at an eighth, a quarter, a half and the full size."""


class MattingDecoder(nn.Module):
    """Enlarge, join with the backbone's features of that size, convolve; four times."""

    def __init__(self, ins: int, *, skips: Sequence[int]) -> None:
        """`skips` are the channels of the backbone's features at a half, a quarter and an eighth."""
        super().__init__()
        stages: list[_Up] = []
        for skip, outs in zip((*reversed(skips), 3), _OUTS, strict=True):
            stages.append(_Up(ins, skip, outs))
            ins = outs
        self.stages = nn.ModuleList(stages)
        self.alpha = nn.Conv2d(ins, 1, 3, padding=1)
        self.mask = nn.Conv2d(ins, 1, 3, padding=1)

    def sides(self, picture_BCHW: Tensor, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """What the frame adds at each size, coarsest first: computed once, whoever is asked for."""
        skips = (*reversed(features), picture_BCHW)
        return tuple(stage.get_submodule("side")(skip) for stage, skip in zip(self.stages, skips, strict=True))

    def forward(self, feature_BNChw: Tensor, sides: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """F_r to logits of alpha and mask, (b, n, h, w) each at the picture's size."""
        B, N = feature_BNChw.shape[:2]
        x = feature_BNChw.flatten(0, 1)
        for stage, side in zip(self.stages, sides, strict=True):
            x = stage(x, side, people=N)
        return torch.unflatten(self.alpha(x)[:, 0], 0, (B, N)), torch.unflatten(self.mask(x)[:, 0], 0, (B, N))


class _Up(nn.Module):
    """Twice the size; a convolution of both inputs side by side, written as the sum of one of each."""

    def __init__(self, ins: int, skip: int, outs: int) -> None:
        super().__init__()
        self.side = nn.Conv2d(skip, outs, 3, padding=1, bias=False)
        self.deep = nn.Conv2d(ins, outs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outs)
        self.again = nn.Conv2d(outs, outs, 3, padding=1, bias=False)
        self.again_norm = nn.BatchNorm2d(outs)

    def forward(self, x: Tensor, side_BChw: Tensor, *, people: int) -> Tensor:
        up = functional.interpolate(x, size=side_BChw.shape[2:], mode="bilinear", align_corners=False)
        both = torch.unflatten(self.deep(up), 0, (-1, people)) + side_BChw[:, None]
        x = self.norm(both.flatten(0, 1)).relu_()
        out: Tensor = self.again_norm(self.again(x)).relu_()
        return out
