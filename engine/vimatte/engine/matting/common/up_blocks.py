"""The decoder's blocks: residual ones, of which the first of a stage doubles the size; and the heads."""

# ruff: noqa: N803 - names carry shapes: N pictures, C channels, H height, W width

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor, nn

from vimatte.engine.matting.common.spectral import PowerSteps, SpectralConv

__all__ = ["SLOPE", "UpBlock", "head", "up_stage"]

SLOPE = 0.2
"""Of every leaky ReLU in the decoders."""


class UpBlock(nn.Module):
    """Two convolutions and an identity path. The first block of a stage doubles the size and changes the channels."""

    def __init__(self, inward: int, outward: int, *, doubles: bool, steps: PowerSteps = "training") -> None:
        super().__init__()
        self.conv1 = (
            SpectralConv(inward, inward, 4, stride=2, padding=1, transposed=True, steps=steps)
            if doubles
            else SpectralConv(inward, inward, 3, padding=1, steps=steps)
        )
        self.bn1 = nn.BatchNorm2d(inward)
        self.conv2 = SpectralConv(inward, outward, 3, padding=1, steps=steps)
        self.bn2 = nn.BatchNorm2d(outward)
        self.upsample = _Doubled(inward, outward, steps=steps) if doubles else None

    def forward(self, x_NCHW: Tensor, *, guide: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Apply to (n, inward, h, w); `guide` is what happens to the identity path before it is added."""
        identity = x_NCHW if self.upsample is None else self.upsample(x_NCHW)
        if guide is not None:
            identity = guide(identity)
        inner = F.leaky_relu_(self.bn1(self.conv1(x_NCHW)), SLOPE)
        out: Tensor = self.bn2(self.conv2(inner))
        return F.leaky_relu_(out.add_(identity), SLOPE)


class _Doubled(nn.Sequential):
    """Nearest neighbours twice the size, 1x1 convolution, batch norm."""

    def __init__(self, inward: int, outward: int, *, steps: PowerSteps) -> None:
        super().__init__(
            nn.Upsample(scale_factor=2, mode="nearest"),
            SpectralConv(inward, outward, 1, steps=steps),
            nn.BatchNorm2d(outward),
        )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(n, inward, h, w) to (n, outward, 2h, 2w)."""
        larger, conv, norm = self
        if self.training:
            return cast(Tensor, norm(conv(larger(x_NCHW))))
        # Both act on each pixel alone, so a quarter of the work gives the same. In training the order counts: the
        # running variance is that of four times as many values.
        return cast(Tensor, larger(norm(conv(x_NCHW))))


def up_stage(inward: int, outward: int, count: int, *, steps: PowerSteps = "training") -> nn.Sequential:
    """A stage of `count` blocks, the first of which doubles the size."""
    first = UpBlock(inward, outward, doubles=True, steps=steps)
    return nn.Sequential(first, *(UpBlock(outward, outward, doubles=False, steps=steps) for _ in range(count - 1)))


def head(inward: int, outward: int) -> nn.Sequential:
    """Logits (n, outward, h, w) from features (n, inward, h, w)."""
    return nn.Sequential(
        nn.Conv2d(inward, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.LeakyReLU(SLOPE, inplace=True),
        nn.Conv2d(32, outward, 3, padding=1),
    )
