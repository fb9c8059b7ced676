"""Robust Video Matting: a recurrent network that finds the alpha of all people in a picture together.

Lin, Yang, Saleemi, Sengupta, 'Robust High-Resolution Video Matting with Temporal Guidance', WACV 2022, section 3, on
MobileNetV3-Large (Howard et al., ICCV 2019, table 1). Written for evaluation: batch norms are part of the
convolutions, as in the published ONNX file. Convolutions are registered in the order they are run in, by which
`weights.py` finds theirs.

Names carry shapes: N pictures, C channels, H W of the picture, h w of the smaller picture the recurrent part works on,
and 2, 4, 8, 16 for what is that many times smaller still (rounded up).
"""
# ruff: noqa: N803, N806 - names carry shapes

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Found", "Recurrent", "RvmNetwork"]

Recurrent = tuple[Tensor, Tensor, Tensor, Tensor]
"""What one frame hands to the next: hidden maps of the four ConvGRUs, from half to a sixteenth of the size."""

Activation = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the network says about one frame."""

    alpha: Tensor
    """(N, 1, H, W) in [0, 1]: everybody."""
    foreground: Tensor
    """(N, 3, H, W) in [0, 1]: the people's own colour, straight; means something where alpha is above 0."""
    state: Recurrent
    """For the next frame."""


class RvmNetwork(nn.Module):
    """Encoder, LR-ASPP, recurrent decoder and guided-filter refiner."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _Encoder()
        self.aspp = _LrAspp(960, 128)
        self.decoder = _Decoder()
        self.project = nn.Conv2d(16, 4, 1)
        self.refiner = _Refiner()

    def forward(self, full_NCHW: Tensor, small_NChw: Tensor, state: Recurrent | None) -> Found:
        """Look at one frame.

        `full_NCHW` is sRGB-encoded in [0, 1]; `small_NChw` is the same picture as small as the recurrent part shall see
        it, or of the same size. `state` is the last frame's, None on the first.
        """
        f2, f4, f8, f16 = self.encoder(small_NChw)
        hidden_NChw, new_state = self.decoder(small_NChw, (f2, f4, f8, self.aspp(f16)), state)
        coarse_N4hw = self.project(hidden_NChw)
        fine_N4HW = self.refiner(full_NCHW, small_NChw, coarse_N4hw, hidden_NChw)
        residual, alpha = fine_N4HW.split([3, 1], dim=1)
        return Found(alpha=alpha.clamp(0.0, 1.0), foreground=(residual + full_NCHW).clamp(0.0, 1.0), state=new_state)


class _Encoder(nn.Module):
    """MobileNetV3-Large whose last stage is dilated instead of strided: features at 1/2, 1/4, 1/8 and 1/16."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        # ImageNet's statistics, by which the backbone was trained; constants, so not in the state.
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)
        relu, swish = functional.relu, functional.hardswish
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.to2 = _Inverted(16, 16, 16, 3, relu)
        self.to4 = nn.Sequential(_Inverted(16, 64, 24, 3, relu, stride=2), _Inverted(24, 72, 24, 3, relu))
        self.to8 = nn.Sequential(
            _Inverted(24, 72, 40, 5, relu, stride=2, gate=24),
            _Inverted(40, 120, 40, 5, relu, gate=32),
            _Inverted(40, 120, 40, 5, relu, gate=32),
        )
        self.to16 = nn.Sequential(
            _Inverted(40, 240, 80, 3, swish, stride=2),
            _Inverted(80, 200, 80, 3, swish),
            _Inverted(80, 184, 80, 3, swish),
            _Inverted(80, 184, 80, 3, swish),
            _Inverted(80, 480, 112, 3, swish, gate=120),
            _Inverted(112, 672, 112, 3, swish, gate=168),
            _Inverted(112, 672, 160, 5, swish, dilation=2, gate=168),
            _Inverted(160, 960, 160, 5, swish, dilation=2, gate=240),
            _Inverted(160, 960, 160, 5, swish, dilation=2, gate=240),
        )
        self.last = nn.Conv2d(160, 960, 1)

    def forward(self, small_NChw: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x = functional.hardswish(self.stem((small_NChw - self.mean) / self.deviation))
        f2 = self.to2(x)
        f4 = self.to4(f2)
        f8 = self.to8(f4)
        return f2, f4, f8, functional.hardswish(self.last(self.to16(f8)))


class _Inverted(nn.Module):
    """Inverted residual: widen, filter each channel, gate the channels (squeeze and excitation), narrow."""

    def __init__(
        self,
        ins: int,
        wide: int,
        outs: int,
        kernel: int,
        activation: Activation,
        *,
        stride: int = 1,
        dilation: int = 1,
        gate: int | None = None,
    ) -> None:
        super().__init__()
        self.widen = nn.Conv2d(ins, wide, 1) if wide != ins else None
        padding = (kernel - 1) // 2 * dilation
        self.filter = nn.Conv2d(wide, wide, kernel, stride=stride, padding=padding, dilation=dilation, groups=wide)
        self.gate = _Gate(wide, gate) if gate is not None else None
        self.narrow = nn.Conv2d(wide, outs, 1)
        self._activation = activation
        self._residual = stride == 1 and ins == outs

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.widen is None else self._activation(self.widen(x))
        wide = self._activation(self.filter(wide))
        if self.gate is not None:
            wide = wide * self.gate(wide)
        out: Tensor = self.narrow(wide)
        return x + out if self._residual else out


class _Gate(nn.Module):
    """Squeeze and excitation: a factor for each channel from the means of all."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.hardsigmoid(self.excite(functional.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))


class _LrAspp(nn.Module):
    """Lite reduced atrous spatial pyramid pooling: a projection gated by the whole picture."""

    def __init__(self, ins: int, outs: int) -> None:
        super().__init__()
        self.value = nn.Conv2d(ins, outs, 1)
        self.gate = nn.Conv2d(ins, outs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.value(x)) * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))


class _Decoder(nn.Module):
    """Four recurrent stages from a sixteenth to half the size, and a last one without memory."""

    def __init__(self) -> None:
        super().__init__()
        self.to16 = _HalfGru(128)
        self.to8 = _Up(128, 40, 80)
        self.to4 = _Up(80, 24, 40)
        self.to2 = _Up(40, 16, 32)
        self.out = nn.ModuleList([nn.Conv2d(35, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)])

    def forward(
        self, small_NChw: Tensor, features: tuple[Tensor, Tensor, Tensor, Tensor], state: Recurrent | None
    ) -> tuple[Tensor, Recurrent]:
        """Return hidden features (N, 16, h, w) and the next state."""
        f2, f4, f8, f16 = features
        h2, h4, h8, h16 = state if state is not None else (None, None, None, None)
        s2 = _halved(small_NChw)
        s4 = _halved(s2)
        s8 = _halved(s4)
        x, h16 = self.to16(f16, h16)
        x, h8 = self.to8(x, f8, s8, h8)
        x, h4 = self.to4(x, f4, s4, h4)
        x, h2 = self.to2(x, f2, s2, h2)
        x = torch.cat([_doubled(x, small_NChw), small_NChw], dim=1)
        for convolution in self.out:
            x = functional.relu(convolution(x))
        return x, (h2, h4, h8, h16)


class _Up(nn.Module):
    """Twice the size, joined with the encoder's features and the picture itself; half of the channels remember."""

    def __init__(self, ins: int, skip: int, outs: int) -> None:
        super().__init__()
        self.join = nn.Conv2d(ins + skip + 3, outs, 3, padding=1)
        self.memory = _HalfGru(outs)

    def forward(self, x: Tensor, skip: Tensor, small: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
        x = functional.relu(self.join(torch.cat([_doubled(x, small), skip, small], dim=1)))
        out: tuple[Tensor, Tensor] = self.memory(x, hidden)
        return out


class _HalfGru(nn.Module):
    """A ConvGRU over the second half of the channels; the first half passes by (the paper's section 3.2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(channels, channels, 3, padding=1)
        self.candidate = nn.Conv2d(channels, channels // 2, 3, padding=1)

    def forward(self, x: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
        """Equation 1 of the paper: h_t = (1 - z) h_{t-1} + z o, with reset gate r and update gate z."""
        by, own = x.chunk(2, dim=1)
        h = torch.zeros_like(own) if hidden is None else hidden
        r, z = torch.sigmoid(self.gates(torch.cat([own, h], dim=1))).chunk(2, dim=1)
        o = torch.tanh(self.candidate(torch.cat([own, r * h], dim=1)))
        new = (1.0 - z) * h + z * o
        return torch.cat([by, new], dim=1), new


class _Refiner(nn.Module):
    """Deep guided filter (Wu et al., CVPR 2018): a local linear model of the result in the picture's colours.

    At the small size, result ≈ A x picture + b for each of the four planes, where A is predicted by a small network
    from covariance, variance and hidden features; A and b are enlarged and applied to the full picture.
    """

    def __init__(self) -> None:
        super().__init__()
        # A guided filter averages over a box. The published weights have a 3x3 kernel for each plane that training
        # moved away from 1/9 (0.00 to 0.23; sums 0.95 to 1.01), and all else was trained with it.
        self.box = nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False)
        self.slope = nn.ModuleList([nn.Conv2d(24, 16, 1), nn.Conv2d(16, 16, 1), nn.Conv2d(16, 4, 1)])

    def forward(self, full_NCHW: Tensor, small_NChw: Tensor, coarse_N4hw: Tensor, hidden_NChw: Tensor) -> Tensor:
        """Return (N, 4, H, W): residual of the foreground's colour, and alpha; not clipped."""
        x = _with_grey(small_NChw)
        mean_x, mean_y = self.box(x), self.box(coarse_N4hw)
        covariance = self.box(x * coarse_N4hw) - mean_x * mean_y
        variance = self.box(x * x) - mean_x * mean_x
        slope = torch.cat([covariance, variance, hidden_NChw], dim=1)
        for index, convolution in enumerate(self.slope):
            slope = convolution(slope if index == 0 else functional.relu(slope))
        offset = mean_y - slope * mean_x
        size = full_NCHW.shape[2:]
        return _resized(slope, size) * _with_grey(full_NCHW) + _resized(offset, size)


def _with_grey(picture_NCHW: Tensor) -> Tensor:
    return torch.cat([picture_NCHW, picture_NCHW.mean(1, keepdim=True)], dim=1)


def _halved(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)


def _doubled(x: Tensor, like: Tensor) -> Tensor:
    """Twice the size, less the row or column that rounding up added."""
    up = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    return up[:, :, : like.shape[2], : like.shape[3]]


def _resized(x: Tensor, size: torch.Size) -> Tensor:
    return functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)
