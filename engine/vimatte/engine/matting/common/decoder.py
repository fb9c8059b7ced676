"""The decoder of MSG-VIM and InstMatt: alphas at three scales, coarse to fine (Yu et al., MGMatting, CVPR 2021)."""

# ruff: noqa: N803, N806 - names carry shapes: N pictures, C channels, H height, W width; x2 is a map of 1/2 the size

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor, nn

from vimatte.engine.matting.common.encoder import Encoded
from vimatte.engine.matting.common.spectral import PowerSteps, SpectralConv
from vimatte.engine.matting.common.up_blocks import SLOPE, head, up_stage

__all__ = ["Decoder", "Scales", "alpha_of"]


class Scales(NamedTuple):
    """Alphas in [0, 1], all (n, c, h, w) at the input's size, named after the stride they were computed at."""

    os8: Tensor
    os4: Tensor
    os1: Tensor
    feature: Tensor
    """(n, 32, h, w): what `os1` is computed from."""


class Decoder(nn.Module):
    """Alphas of `outward` channels from the encoder's maps and the pooled deepest one."""

    def __init__(self, outward: int, *, steps: PowerSteps = "training") -> None:
        super().__init__()
        self.layer1 = up_stage(512, 256, 2, steps=steps)
        self.layer2 = up_stage(256, 128, 3, steps=steps)
        self.layer3 = up_stage(128, 64, 3, steps=steps)
        self.layer4 = up_stage(64, 32, 2, steps=steps)
        self.conv1 = SpectralConv(32, 32, 4, stride=2, padding=1, transposed=True, steps=steps)
        self.bn1 = nn.BatchNorm2d(32)
        self.refine_OS8 = head(128, outward)
        self.refine_OS4 = head(64, outward)
        self.refine_OS1 = head(32, outward)

    def forward(
        self, deep_NCHW: Tensor, encoded: Encoded, *, guide: Callable[[Tensor], Tensor] | None = None
    ) -> Scales:
        """Decode (n, 512, h/32, w/32); `guide` acts on the identity path that enters `layer4`, (n, 32, h/2, w/2)."""
        f1, f2, f3, f4, f5 = encoded.details
        x8, x4 = self.at_quarter(deep_NCHW, f5, f4, f3)
        x1 = self.at_full(self.at_half(x4, f2, guide=guide), f1)
        return Scales(
            os8=alpha_of(self.refine_OS8(x8), larger=8),
            os4=alpha_of(self.refine_OS4(x4), larger=4),
            os1=alpha_of(self.refine_OS1(x1)),
            feature=x1,
        )

    def at_quarter(self, deep_NCHW: Tensor, f5: Tensor, f4: Tensor, f3: Tensor) -> tuple[Tensor, Tensor]:
        """Features that the alphas at strides 8 and 4 are computed from: (n, 128, h/8, w/8), (n, 64, h/4, w/4)."""
        x8 = self.layer2(self.layer1(deep_NCHW) + f5) + f4
        return x8, self.layer3(x8) + f3

    def at_half(self, x4: Tensor, f2: Tensor, *, guide: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Features (n, 32, h/2, w/2)."""
        first, *others = self.layer4
        x2: Tensor = first(x4, guide=guide)
        for block in others:
            x2 = block(x2)
        return x2 + f2

    def at_full(self, x2: Tensor, f1: Tensor) -> Tensor:
        """Features (n, 32, h, w) that the finest alpha is computed from."""
        return F.leaky_relu_(self.bn1(self.conv1(x2)), SLOPE) + f1


def alpha_of(logits_NCHW: Tensor, *, larger: int = 1) -> Tensor:
    """Enlarge logits, then (tanh z + 1) / 2; the other order would blur the edge. Float32 also in autocast."""
    # Half precision cannot tell 254/255 from 1 well enough for the thresholds that alphas are held against.
    logits_NCHW = logits_NCHW.to(torch.promote_types(logits_NCHW.dtype, torch.float32))
    if larger > 1:
        logits_NCHW = F.interpolate(logits_NCHW, scale_factor=larger, mode="bilinear", align_corners=False)
    return (logits_NCHW.tanh() + 1.0) / 2.0
