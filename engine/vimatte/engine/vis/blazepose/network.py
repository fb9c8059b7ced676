"""Run a graph read from a TensorFlow Lite file with torch, on any device and for any batch size.

Legend: inside, tensors are NCHW; weights are OIHW. At the edges they are NHWC as the file says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.packed import Activation, PackedConv2d, can_pack
from vimatte.engine.vis.blazepose.flatbuffer import Graph, Op

__all__ = ["Network"]

_SAME = 0
_NONE, _RELU, _RELU6 = 0, 1, 3
_PACKED: dict[int, Activation] = {_NONE: "none", _RELU: "relu", _RELU6: "relu6"}
_Step = Callable[..., Tensor]


class Network(torch.nn.Module):
    """A fixed convolutional network; equals LiteRT within float32 rounding (see tests/unit/engine)."""

    def __init__(self, graph: Graph, *, wanted: tuple[int, ...] | None = None) -> None:
        """`wanted` are positions in the file's list of outputs; operators that only feed the others are left out."""
        super().__init__()
        self._graph = graph
        self._outputs = graph.outputs if wanted is None else tuple(graph.outputs[i] for i in wanted)
        needed = set(self._outputs)
        kept: list[Op] = []
        for op in reversed(graph.ops):
            if op.output in needed:
                kept.append(op)
                needed.update(op.inputs)
        self._packed: dict[str, PackedConv2d] = {}
        self._steps: list[tuple[_Step, tuple[int, ...], int]] = []
        for op in reversed(kept):
            step, inputs = self._build(op)
            self._steps.append((step, inputs, op.output))
        self._last_use = {n: i for i, (_, inputs, _) in enumerate(self._steps) for n in inputs}

    @torch.inference_mode()
    def forward(self, pictures_NHWC: Tensor) -> tuple[Tensor, ...]:  # noqa: N803 - names carry shapes
        """Run (n, h, w, 3) of the file's own h and w; the outputs in the order wanted, layouts as in the file."""
        values = {self._graph.input: pictures_NHWC.permute(0, 3, 1, 2)}
        for i, (step, inputs, output) in enumerate(self._steps):
            values[output] = step(*(values[n] for n in inputs))
            for n in inputs:
                if self._last_use[n] == i and n not in self._outputs:
                    values.pop(n, None)
        return tuple(v.permute(0, 2, 3, 1) if v.ndim == 4 else v for v in (values[o] for o in self._outputs))

    def _keep(self, name: str, values: NDArray[np.generic]) -> str:
        tensor = torch.from_numpy(np.ascontiguousarray(values))
        if tensor.ndim == 4:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        self.register_buffer(name, tensor, persistent=False)
        return name

    def _build(self, op: Op) -> tuple[_Step, tuple[int, ...]]:
        constants, shapes, options = self._graph.constants, self._graph.shapes, op.options
        match op.name:
            case "CONV_2D" | "DEPTHWISE_CONV_2D":
                weight = constants[op.inputs[1]].astype(np.float32)
                depthwise = op.name == "DEPTHWISE_CONV_2D"
                weight = weight.transpose(3, 0, 1, 2) if depthwise else weight.transpose(0, 3, 1, 2)
                name = self._keep(f"weight_{op.output}", weight)
                bias = self._keep(f"bias_{op.output}", constants[op.inputs[2]].astype(np.float32))
                return (
                    partial(
                        self._conv,
                        weight=name,
                        bias=bias,
                        pad=_padding(options, shapes[op.inputs[0]], (int(weight.shape[2]), int(weight.shape[3]))),
                        stride=(options["StrideH"], options["StrideW"]),
                        dilation=(options["DilationHFactor"], options["DilationWFactor"]),
                        groups=shapes[op.inputs[0]][3] if depthwise else 1,
                        activation=options["FusedActivationFunction"],
                    ),
                    op.inputs[:1],
                )
            case "ADD":
                return partial(_add, activation=options["FusedActivationFunction"]), op.inputs
            case "PAD":
                (t, b), (left, r) = constants[op.inputs[1]].tolist()[1:3]
                return partial(F.pad, pad=(left, r, t, b)), op.inputs[:1]
            case "MAX_POOL_2D":
                size = (options["FilterHeight"], options["FilterWidth"])
                if any(_padding(options, shapes[op.inputs[0]], size)):
                    raise ValueError("a padded pooling is not known here")
                return partial(
                    F.max_pool2d, kernel_size=size, stride=(options["StrideH"], options["StrideW"])
                ), op.inputs
            case "RESIZE_BILINEAR":
                if options["AlignCorners"] or not options["HalfPixelCenters"]:
                    raise ValueError("this way of resizing is not known here")
                to = shapes[op.output][1:3]
                return (
                    partial(F.interpolate, size=to, mode="bilinear", align_corners=False),
                    op.inputs[:1],
                )
            case "DEPTH_TO_SPACE":
                return partial(_depth_to_space, block=options["BlockSize"]), op.inputs
            case "RESHAPE":
                return partial(_reshape, shape=shapes[op.output][1:]), op.inputs[:1]
            case "CONCATENATION":
                return partial(_concatenate, axis=options["Axis"]), op.inputs
            case "LOGISTIC":
                return torch.sigmoid, op.inputs
        raise ValueError(f"the operator {op.name} is not known here")

    def _conv(
        self,
        x: Tensor,
        *,
        weight: str,
        bias: str,
        pad: tuple[int, int, int, int],
        stride: tuple[int, int],
        dilation: tuple[int, int],
        groups: int,
        activation: int,
    ) -> Tensor:
        left, right, top, bottom = pad
        if left != right or top != bottom:
            x, left, top = F.pad(x, pad), 0, 0
        packed = self._packed.get(weight) if x.is_cpu else None
        if packed is None and can_pack(x.device):
            packed = self._packed[weight] = PackedConv2d(
                self.get_buffer(weight),
                self.get_buffer(bias),
                stride=stride,
                padding=(top, left),
                dilation=dilation,
                groups=groups,
                activation=_PACKED[activation],
            )
        if packed is not None:
            return packed.forward(x)
        x = F.conv2d(
            x,
            self.get_buffer(weight),
            self.get_buffer(bias),
            stride=stride,
            padding=(top, left),
            dilation=dilation,
            groups=groups,
        )
        return _activate(x, activation)


def _padding(
    options: dict[str, int] | object, shape: tuple[int, ...], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Left, right, top, bottom zeros of TensorFlow's 'SAME' rule."""
    assert isinstance(options, dict)
    if options["Padding"] != _SAME:
        return 0, 0, 0, 0
    sides: list[int] = []
    for axis, letter in ((2, "W"), (1, "H")):
        stride, length = options[f"Stride{letter}"], shape[axis]
        reach = (size[axis - 1] - 1) * options.get(f"Dilation{letter}Factor", 1) + 1
        total = max((-(-length // stride) - 1) * stride + reach - length, 0)
        sides += [total // 2, total - total // 2]
    return sides[0], sides[1], sides[2], sides[3]


def _activate(x: Tensor, kind: int) -> Tensor:
    if kind == _RELU6:
        return x.clamp_(0.0, 6.0)
    if kind == _RELU:
        return x.clamp_(min=0.0)
    if kind != _NONE:
        raise ValueError(f"activation {kind} is not known here")
    return x


def _add(one: Tensor, other: Tensor, *, activation: int) -> Tensor:
    return _activate(one + other, activation)


def _depth_to_space(x: Tensor, *, block: int) -> Tensor:
    n, c, h, w = x.shape
    c //= block * block
    return x.reshape(n, block, block, c, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c, h * block, w * block)


def _reshape(x: Tensor, *, shape: tuple[int, ...]) -> Tensor:
    # The file reshapes NHWC values.
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], *shape)


def _concatenate(*parts: Tensor, axis: int) -> Tensor:
    return torch.cat(parts, dim={3: 1, 1: 2, 2: 3}[axis] if parts[0].ndim == 4 else axis)
