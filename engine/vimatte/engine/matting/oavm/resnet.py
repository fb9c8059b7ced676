"""ResNet-50 as a pyramid of four features: a half, a quarter, an eighth and a sixteenth of the picture.

He et al., CVPR 2016, with the stride of each bottleneck in its 3x3 convolution and a dilated last stage. Keys are those
of torchvision's file of ImageNet weights, without its `fc`.
"""

# ruff: noqa: N803 - names carry shapes

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["ResNet50"]


class ResNet50(nn.Module):
    """(b, 3, h, w), normalised, to features of 64, 256, 512 and 2048 channels."""

    channels = (64, 256, 512, 2048)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _stage(64, 64, 3)
        self.layer2 = _stage(256, 128, 4, stride=2)
        self.layer3 = _stage(512, 256, 6, stride=2)
        self.layer4 = _stage(1024, 512, 3, dilation=2)

    def forward(self, picture_BCHW: Tensor) -> list[Tensor]:
        """Return the four features, finest first; the third stage ends at a sixteenth too, and is passed through."""
        f2 = self.bn1(self.conv1(picture_BCHW)).relu()
        f4 = self.layer1(nn.functional.max_pool2d(f2, 3, stride=2, padding=1))
        f8 = self.layer2(f4)
        return [f2, f4, f8, self.layer4(self.layer3(f8))]


def _stage(ins: int, middle: int, count: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    # The first block of a dilated stage is not dilated: its input still comes at the former spacing.
    first = _Bottleneck(ins, middle, stride=stride, dilation=1)
    return nn.Sequential(
        first, *(_Bottleneck(4 * middle, middle, stride=1, dilation=dilation) for _ in range(count - 1))
    )


class _Bottleneck(nn.Module):
    def __init__(self, ins: int, middle: int, *, stride: int, dilation: int) -> None:
        super().__init__()
        outs = 4 * middle
        self.conv1 = nn.Conv2d(ins, middle, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv3 = nn.Conv2d(middle, outs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outs)
        self.downsample = (
            nn.Sequential(nn.Conv2d(ins, outs, 1, stride, bias=False), nn.BatchNorm2d(outs)) if ins != outs else None
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn1(self.conv1(x)).relu()
        out = self.bn2(self.conv2(out)).relu()
        out = self.bn3(self.conv3(out))
        return nn.functional.relu(out + (x if self.downsample is None else self.downsample(x)))
