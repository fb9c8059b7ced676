"""The encoder: a ResNet-34-like trunk of 29 layers with a strided stem, and a branch of detail at every scale."""

# ruff: noqa: N803 - names carry shapes: N pictures, C channels, H height, W width; x2 is a map of 1/2 the size

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from vimatte.engine.matting.common.spectral import PowerSteps, SpectralConv

__all__ = ["Encoded", "Encoder"]


class Encoded(NamedTuple):
    """What the encoder gives."""

    deep: Tensor
    """(n, 512, h/32, w/32), not negative."""
    details: tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
    """f1 to f5 with 32, 32, 64, 128, 256 channels at 1, 1/2, 1/4, 1/8, 1/16 of the size; of either sign."""


class Encoder(nn.Module):
    """Pictures with guidance of `inward` channels in all; height and width must be multiples of 32."""

    def __init__(self, inward: int, *, steps: PowerSteps = "training") -> None:
        super().__init__()
        self.conv1 = _conv3(inward, 32, stride=2, steps=steps)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = _conv3(32, 32, steps=steps)
        self.bn2 = nn.BatchNorm2d(32)
        self.conv3 = _conv3(32, 64, stride=2, steps=steps)
        self.bn3 = nn.BatchNorm2d(64)
        self.layer1 = _stage(64, 64, 3, stride=1, steps=steps)
        self.layer2 = _stage(64, 128, 4, stride=2, steps=steps)
        self.layer3 = _stage(128, 256, 4, stride=2, steps=steps)
        self.layer_bottleneck = _stage(256, 512, 2, stride=2, steps=steps)
        widths = ((inward, 32), (32, 32), (64, 64), (128, 128), (256, 256))
        self.shortcut = nn.ModuleList(_detail(one, other, steps=steps) for one, other in widths)

    def forward(self, x_NCHW: Tensor) -> Encoded:
        """Encode (n, inward, h, w)."""
        x2, x4, x8, x16 = self.trunk(x_NCHW)
        f1, f2, f3, f4, f5 = (d(x) for d, x in zip(self.shortcut, (x_NCHW, x2, x4, x8, x16), strict=True))
        return Encoded(self.layer_bottleneck(x16), (f1, f2, f3, f4, f5))

    def trunk(self, x_NCHW: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Give the maps at 1/2 to 1/16 of the size that the branches of detail and the bottleneck start from."""
        x2 = self.bn1(self.conv1(x_NCHW)).relu_()
        x2 = self.bn2(self.conv2(x2)).relu_()
        x4 = self.bn3(self.conv3(x2)).relu_()
        x4 = self.layer1(x4)
        x8 = self.layer2(x4)
        return x2, x4, x8, self.layer3(x8)


class _Block(nn.Module):
    """Two convolutions and an identity path, which averages 2x2 cells where the block halves the size."""

    def __init__(self, inward: int, outward: int, *, stride: int, steps: PowerSteps) -> None:
        super().__init__()
        self.conv1 = _conv3(inward, outward, stride=stride, steps=steps)
        self.bn1 = nn.BatchNorm2d(outward)
        self.conv2 = _conv3(outward, outward, steps=steps)
        self.bn2 = nn.BatchNorm2d(outward)
        self.downsample = (
            None
            if stride == 1
            else nn.Sequential(
                nn.AvgPool2d(2, 2), SpectralConv(inward, outward, 1, steps=steps), nn.BatchNorm2d(outward)
            )
        )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Apply to (n, inward, h, w)."""
        identity = x_NCHW if self.downsample is None else self.downsample(x_NCHW)
        out: Tensor = self.bn2(self.conv2(self.bn1(self.conv1(x_NCHW)).relu_()))
        return out.add_(identity).relu_()


def _stage(inward: int, outward: int, count: int, *, stride: int, steps: PowerSteps) -> nn.Sequential:
    first = _Block(inward, outward, stride=stride, steps=steps)
    return nn.Sequential(first, *(_Block(outward, outward, stride=1, steps=steps) for _ in range(count - 1)))


def _detail(inward: int, outward: int, *, steps: PowerSteps) -> nn.Sequential:
    # Rectified before it is normalised, unlike everywhere else; the published weights were trained so.
    return nn.Sequential(
        _conv3(inward, outward, steps=steps),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(outward),
        _conv3(outward, outward, steps=steps),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(outward),
    )


def _conv3(inward: int, outward: int, *, stride: int = 1, steps: PowerSteps) -> SpectralConv:
    return SpectralConv(inward, outward, 3, stride=stride, padding=1, steps=steps)
