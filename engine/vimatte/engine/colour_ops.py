"""The picture transform computed with torch, on any device: what OCIO does on the CPU."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vimatte.ocio.transform import PictureOps
from vimatte.ocio.transform_ops import (
    ColourOp,
    CurveOp,
    ExponentOp,
    LatticeOp,
    LogOp,
    MatrixOp,
    MonCurveOp,
    RangeOp,
)

__all__ = ["TorchPicture"]

Step = Callable[[Tensor], Tensor]


class TorchPicture:
    """Plate pixels to display-referred sRGB in [0, 1], as `PictureTransform` makes them, on one torch device."""

    def __init__(self, ops: PictureOps, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self._limit = ops.limit
        self._steps = tuple(_step(op, self.device) for op in ops.ops)

    @torch.no_grad()
    def __call__(self, rgb_HWC: Tensor) -> Tensor:  # noqa: N803 - the name carries the shape
        """Transform (h, w, 3) float32 of any device to (h, w, 3) float32 in [0, 1] on this one; input untouched."""
        if rgb_HWC.ndim != 3 or rgb_HWC.shape[2] != 3:
            raise ValueError(f"expected (h, w, 3), found {tuple(rgb_HWC.shape)}")
        x = rgb_HWC.to(self.device, torch.float32)
        x = torch.nan_to_num(x, nan=0.0, posinf=self._limit, neginf=-self._limit).clamp(-self._limit, self._limit)
        for step in self._steps:
            x = step(x)
        return torch.nan_to_num(x, nan=0.0, posinf=1.0, neginf=0.0).clamp(0.0, 1.0)


def _step(op: ColourOp, device: torch.device) -> Step:
    match op:
        case MatrixOp():
            return _matrix(op)
        case MonCurveOp():
            return _mon_curve(op, device)
        case ExponentOp():
            return _exponent(op, device)
        case LogOp():
            return _log(op, device)
        case RangeOp(low=low, high=high):
            return lambda x: x if low is None and high is None else x.clamp(low, high)
        case CurveOp():
            return _curve(op, device)
        case LatticeOp():
            return _lattice(op, device)


def _vector(values: NDArray[np.float64], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(device)


def _matrix(op: MatrixOp) -> Step:
    m, o = op.matrix.tolist(), op.offset.tolist()

    def step(x: Tensor) -> Tensor:
        # Sums written out: a matrix product may run in TensorFloat-32 on a GPU, with three digits only.
        r, g, b = x.unbind(-1)
        return torch.stack([r * m[i][0] + g * m[i][1] + b * m[i][2] + o[i] for i in range(3)], dim=-1)

    return step


def _mon_curve(op: MonCurveOp, device: torch.device) -> Step:
    at, slope = op.foot
    g, o, s = _vector(op.gamma, device), _vector(op.offset, device), _vector(slope, device)
    break_in = _vector(at * slope if op.inverse else at, device)

    def curve(x: Tensor) -> Tensor:
        held = torch.maximum(x, break_in)
        if op.inverse:
            return torch.where(x <= break_in, x / s, (1 + o) * held ** (1 / g) - o)
        return torch.where(x <= break_in, x * s, ((held + o) / (1 + o)) ** g)

    return _mirrored(curve) if op.mirror else curve


def _mirrored(curve: Step) -> Step:
    return lambda x: torch.copysign(curve(x.abs()), x)


def _exponent(op: ExponentOp, device: torch.device) -> Step:
    power = _vector(op.power, device)
    if op.negative == "mirror":
        return _mirrored(lambda x: x**power)
    if op.negative == "pass":
        return lambda x: torch.where(x < 0, x, x.clamp_min(0) ** power)
    return lambda x: x.clamp_min(0) ** power


def _log(op: LogOp, device: torch.device) -> Step:
    sc, lo = _vector(op.scale, device), _vector(op.log_offset, device)
    a, b = _vector(op.lin_slope, device), _vector(op.lin_offset, device)
    tiny = torch.finfo(torch.float32).tiny

    def encode(x: Tensor) -> Tensor:
        return sc * torch.log((a * x + b).clamp_min(tiny)) + lo

    def decode(y: Tensor) -> Tensor:
        return (torch.exp((y - lo) / sc) - b) / a

    if op.foot is None:
        return decode if op.inverse else encode
    light, code, slope = op.foot
    sl, start = _vector(slope, device), _vector(code - slope * light, device)
    break_in = _vector(code if op.inverse else light, device)
    if op.inverse:
        return lambda y: torch.where(y <= break_in, (y - start) / sl, decode(y))
    return lambda x: torch.where(x <= break_in, sl * x + start, encode(x))


def _curve(op: CurveOp, device: torch.device) -> Step:
    table = torch.from_numpy(np.ascontiguousarray(op.table.T)).to(device)
    last = table.shape[1] - 1

    def step(x: Tensor) -> Tensor:
        position = ((x.clamp(op.low, op.high) - op.low) * (last / (op.high - op.low))).clamp(0, last)
        index = position.floor().long().clamp_max(last - 1)
        part = position - index
        planes = []
        for channel in range(3):
            k = index[..., channel]
            low, high = table[channel][k], table[channel][k + 1]
            planes.append(low + (high - low) * part[..., channel])
        return torch.stack(planes, dim=-1)

    return step


def _lattice(op: LatticeOp, device: torch.device) -> Step:
    lattice = torch.from_numpy(np.ascontiguousarray(op.lattice)).to(device).permute(3, 0, 1, 2)[None].contiguous()
    low, high = op.low, op.high

    def step(x: Tensor) -> Tensor:
        if op.log2_shaper:
            x = torch.log2(x.clamp_min(0) / 0.18 + 2.0**low)
        at = ((x - low) / (high - low)).clamp(0, 1) * 2 - 1
        cube = torch.nn.functional.grid_sample(
            lattice, at[None, None], mode="bilinear", padding_mode="border", align_corners=True
        )
        return cube[0, :, 0].permute(1, 2, 0).contiguous()

    return step
