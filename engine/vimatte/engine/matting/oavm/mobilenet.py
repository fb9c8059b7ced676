"""MobileNetV3-Large as a pyramid of four features: a half, a quarter, an eighth and a sixteenth of the picture.

Howard et al., ICCV 2019, table 1. The last stage is dilated instead of strided, as video matting does with this network
(Lin et al., WACV 2022). Keys are those of torchvision's file of ImageNet weights, without its `classifier`.
"""

# ruff: noqa: N803 - names carry shapes

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["MobileNetV3Large"]

_ROWS = (
    # kernel, widened, outs, gated, swish, stride, dilation
    (3, 16, 16, False, False, 1, 1),
    (3, 64, 24, False, False, 2, 1),
    (3, 72, 24, False, False, 1, 1),
    (5, 72, 40, True, False, 2, 1),
    (5, 120, 40, True, False, 1, 1),
    (5, 120, 40, True, False, 1, 1),
    (3, 240, 80, False, True, 2, 1),
    (3, 200, 80, False, True, 1, 1),
    (3, 184, 80, False, True, 1, 1),
    (3, 184, 80, False, True, 1, 1),
    (3, 480, 112, True, True, 1, 1),
    (3, 672, 112, True, True, 1, 1),
    (5, 672, 160, True, True, 1, 2),
    (5, 960, 160, True, True, 1, 2),
    (5, 960, 160, True, True, 1, 2),
)
_ENDS = (1, 3, 6)
"""The last of `features` at a half, a quarter and an eighth; the very last one is at a sixteenth."""


class MobileNetV3Large(nn.Module):
    """(b, 3, h, w), normalised, to features of 16, 24, 40 and 960 channels."""

    channels = (16, 24, 40, 960)

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolution(3, 16, 3, stride=2, activation=nn.Hardswish())]
        ins = 16
        for kernel, wide, outs, gated, swish, stride, dilation in _ROWS:
            activation = nn.Hardswish if swish else nn.ReLU
            layers.append(
                _Inverted(ins, wide, outs, kernel, activation=activation, gated=gated, stride=stride, dilation=dilation)
            )
            ins = outs
        layers.append(_convolution(ins, 960, 1, activation=nn.Hardswish()))
        self.features = nn.ModuleList(layers)

    def forward(self, picture_BCHW: Tensor) -> list[Tensor]:
        """Return the four features, finest first."""
        x = picture_BCHW
        found = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in _ENDS:
                found.append(x)
        return [*found, x]


class _Inverted(nn.Module):
    """Inverted residual: widen, filter each channel, gate the channels, narrow."""

    def __init__(
        self,
        ins: int,
        wide: int,
        outs: int,
        kernel: int,
        *,
        activation: type[nn.Module],
        gated: bool,
        stride: int,
        dilation: int,
    ) -> None:
        super().__init__()
        parts: list[nn.Module] = [] if wide == ins else [_convolution(ins, wide, 1, activation=activation())]
        parts.append(
            _convolution(wide, wide, kernel, stride=stride, dilation=dilation, groups=wide, activation=activation())
        )
        if gated:
            parts.append(_Gate(wide, _to_eights(wide // 4)))
        parts.append(_convolution(wide, outs, 1))
        self.block = nn.Sequential(*parts)
        self._residual = stride == 1 and ins == outs

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.block(x)
        return x + out if self._residual else out


class _Gate(nn.Module):
    """Squeeze and excitation: a factor for each channel from the means of all."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        factor = self.fc2(self.fc1(x.mean((2, 3), keepdim=True)).relu())
        return x * nn.functional.hardsigmoid(factor)


def _convolution(
    ins: int,
    outs: int,
    kernel: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    activation: nn.Module | None = None,
) -> nn.Sequential:
    padding = (kernel - 1) // 2 * dilation
    layers: list[nn.Module] = [
        nn.Conv2d(ins, outs, kernel, stride, padding, dilation, groups, bias=False),
        # These two numbers are the ones the published weights were trained with; PyTorch's own are others.
        nn.BatchNorm2d(outs, eps=0.001, momentum=0.01),
    ]
    return nn.Sequential(*layers, *([] if activation is None else [activation]))


def _to_eights(channels: int) -> int:
    """The nearest multiple of 8, at least 8, and no more than a tenth below (Howard et al.'s rule)."""
    near = max(8, (channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near
