"""Convolutions with their weights laid out once for this processor, and their activation worked out in passing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor, nn

__all__ = ["Activation", "ConvReLU2d", "PackedConv2d", "can_pack", "pack"]

Activation = Literal["none", "relu", "relu6"]
_FUSED: dict[Activation, tuple[str, list[float], str]] = {
    "none": ("none", [], ""),
    "relu": ("relu", [], ""),
    "relu6": ("hardtanh", [0.0, 6.0], ""),
}


def can_pack(device: torch.device) -> bool:
    """Whether oneDNN, of which this is a service, works on that device: processors of x86 and Arm servers."""
    there = hasattr(torch.ops.mkldnn, "_convolution_pointwise") and torch.backends.mkldnn.enabled
    return device.type == "cpu" and bool(there)


class ConvReLU2d(nn.Conv2d):
    """A convolution and the ReLU after it, as one part of a network with the convolution's own parameters."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (b, c, h, w), nothing below 0."""
        return F.relu(super().forward(x), inplace=True)


class PackedConv2d(nn.Module):
    """A convolution for inference on the CPU; equal to torch's within rounding, in any number of threads.

    torch lays weights out anew on each call, has another way for 1x1 convolutions on one thread, where the bias is a
    pass over memory of its own, and so is the activation.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        *,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
        activation: Activation = "none",
        kind: torch.dtype = torch.float32,
    ) -> None:
        """`kind` is what it works in, and what it gives."""
        super().__init__()
        self._kind = kind
        self._weight = weight.detach().to(kind).contiguous(memory_format=torch.channels_last)
        self._bias = None if bias is None else bias.detach().to(kind)
        self._how = (list(padding), list(stride), list(dilation), groups)
        self._activation = _FUSED[activation]
        self._packed: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (b, c, h, w) of any kind, in inference mode."""
        x = x.to(self._kind).contiguous(memory_format=torch.channels_last)
        if self._packed is None:
            # Two threads may both do this the first time, to the same end.
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(self._weight, *self._how, list(x.shape))
        # Named to the end: what is left open is looked for at each of a hundred thousand calls.
        out: Tensor = torch.ops.mkldnn._convolution_pointwise.default(
            x, self._packed, self._bias, *self._how, *self._activation
        )
        return out


def pack(network: nn.Module, kind: torch.dtype = torch.float32) -> None:
    """Put packed convolutions in the place of a network's own, for inference on the CPU; with their ReLU or ReLU6, too.

    What they give is of `kind`, whatever they are given; all other parameters stay as they are.
    """
    for name, child in list(network.named_children()):
        match list(child.children()) if isinstance(child, nn.Sequential) else [child]:
            case [nn.Conv2d() as conv, nn.ReLU6()]:
                setattr(network, name, _packed(conv, "relu6", kind))
            case [ConvReLU2d() as conv]:
                setattr(network, name, _packed(conv, "relu", kind))
            case [nn.Conv2d() as conv]:
                setattr(network, name, _packed(conv, "none", kind))
            case _:
                pack(child, kind)


def _packed(conv: nn.Conv2d, activation: Activation, kind: torch.dtype) -> PackedConv2d:
    assert not isinstance(conv.padding, str)
    return PackedConv2d(
        conv.weight,
        conv.bias,
        stride=conv.stride,
        padding=conv.padding,
        dilation=conv.dilation,
        groups=conv.groups,
        activation=activation,
        kind=kind,
    )
