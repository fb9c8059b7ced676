"""MobileNetV2 as a pyramid of four features: a half, a quarter, an eighth and a sixteenth of the picture.

Sandler et al., CVPR 2018, table 2, up to the last layer at a sixteenth. Its batch norms are folded into the
convolutions from the start, training included: frozen norms are plain affine maps, and batches here are too small for
others.
"""

# ruff: noqa: N803 - names carry shapes: B pictures, H height, W width

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vimatte.engine.errors import BackendError

__all__ = ["MobileNetV2", "imagenet"]

_ROWS = (
    # times wider inside, channels, stride; features 1 to 13 of the paper's network
    (1, 16, 1),
    (6, 24, 2),
    (6, 24, 1),
    (6, 32, 2),
    (6, 32, 1),
    (6, 32, 1),
    (6, 64, 2),
    (6, 64, 1),
    (6, 64, 1),
    (6, 64, 1),
    (6, 96, 1),
    (6, 96, 1),
    (6, 96, 1),
)
_ENDS = (1, 3, 6)
"""The last of `features` at a half, a quarter and an eighth; the very last one is at a sixteenth."""
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
_NORM_EPSILON = 1e-5
"""Of torchvision's batch norms."""


class MobileNetV2(nn.Module):
    """(b, 3, h, w) sRGB-coded pictures, 0 to 1, to four features; sides are multiples of 16."""

    channels = (16, 24, 32, 96)
    """Of the features, finest first."""
    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolution(3, 32, 3, stride=2, bounded=True)]
        ins = 32
        for times, outs, stride in _ROWS:
            layers.append(_Inverted(ins, outs, times=times, stride=stride))
            ins = outs
        self.features = nn.ModuleList(layers)
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(_STD)[:, None, None], persistent=False)

    def forward(self, picture_BCHW: Tensor) -> list[Tensor]:
        """Return the four features, finest first."""
        x = (picture_BCHW - self.mean) / self.std
        found = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in _ENDS:
                found.append(x)
        return [*found, x]


class _Inverted(nn.Module):
    """Inverted residual: widen, filter each channel, narrow."""

    def __init__(self, ins: int, outs: int, *, times: int, stride: int) -> None:
        super().__init__()
        wide = times * ins
        parts: list[nn.Module] = [] if times == 1 else [_convolution(ins, wide, 1, bounded=True)]
        parts.append(_convolution(wide, wide, 3, stride=stride, groups=wide, bounded=True))
        parts.append(_convolution(wide, outs, 1, bounded=False))
        self.conv = nn.Sequential(*parts)
        self._residual = stride == 1 and ins == outs

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return x + out if self._residual else out


def _convolution(ins: int, outs: int, kernel: int, *, bounded: bool, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(ins, outs, kernel, stride, kernel // 2, groups=groups)
    return nn.Sequential(conv, nn.ReLU6(inplace=True)) if bounded else nn.Sequential(conv)


def imagenet(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give this encoder's state from torchvision's `mobilenet_v2` weights, norms folded into convolutions.

    Raises BackendError where they are not those weights.
    """
    state: dict[str, Tensor] = {}
    try:
        for name in _folded_names(published):
            conv, norm = name
            scale = published[f"{norm}.weight"] / (published[f"{norm}.running_var"] + _NORM_EPSILON).sqrt()
            key = conv if conv.endswith(".0") else f"{conv}.0"
            state[f"{key}.weight"] = published[f"{conv}.weight"] * scale[:, None, None, None]
            state[f"{key}.bias"] = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * scale
        wanted = {key: value.shape for key, value in MobileNetV2().state_dict().items()}
        if wanted != {key: value.shape for key, value in state.items()}:
            raise KeyError("features")
    except KeyError as error:
        raise BackendError(
            f"These are not torchvision's MobileNetV2 weights (no fitting {error}); give mobilenet_v2-b0353104.pth."
        ) from error
    return state


def _folded_names(published: Mapping[str, Tensor]) -> list[tuple[str, str]]:
    """(convolution, norm after it) of features 0 to 13: the norm's index is the convolution's plus one."""
    names = []
    for key in published:
        place, _, what = key.rpartition(".")
        parts = place.split(".")
        if what != "weight" or parts[0] != "features" or int(parts[1]) > len(_ROWS):
            continue
        if published[key].ndim == 4:
            names.append((place, ".".join([*parts[:-1], str(int(parts[-1]) + 1)])))
    return names
