"""Formulas of a colour transform worked out with NumPy: several times as quick as OCIO's own powers and logarithms.

What comes out is within 0.0001 of what OCIO gives without its approximations, which are off by up to 0.005.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.ocio.transform_ops import ColourOp, CurveOp, ExponentOp, LatticeOp, LogOp, MatrixOp, MonCurveOp, RangeOp

__all__ = ["ArrayOps"]

Pixels = NDArray[np.float32]
"""(h, w, 3) float32."""
Number = np.float32 | Pixels
"""One for all channels, or (3,)."""
Step = Callable[[Pixels], Pixels]
"""May write into what it is given."""
_TINY: Final = np.finfo(np.float32).tiny


class ArrayOps:
    """Formulas one after the other; a table or a lattice is none."""

    def __init__(self, ops: Sequence[ColourOp]) -> None:
        """Raises ValueError where there is no formula."""
        self._steps = tuple(_step(op) for op in ops)

    def __call__(self, pixels: Pixels) -> Pixels:
        """Transform (h, w, 3); what is given is not there any more after it."""
        with np.errstate(all="ignore"):  # of pixels that are broken
            for step in self._steps:
                pixels = step(pixels)
        return pixels


def _step(op: ColourOp) -> Step:
    match op:
        case MatrixOp(matrix=matrix, offset=offset):
            whole = np.column_stack([matrix, offset])
            return lambda x: np.asarray(cv2.transform(x, whole), np.float32)
        case RangeOp(low=low, high=high):
            return lambda x: x if low is None and high is None else np.clip(x, low, high, out=x)
        case MonCurveOp():
            return _mon_curve(op)
        case ExponentOp():
            return _exponent(op)
        case LogOp():
            return _log(op)
        case CurveOp() | LatticeOp():
            raise ValueError(f"{type(op).__name__} is no formula")


def _number(values: NDArray[np.float64]) -> Number:
    return np.float32(values[0]) if np.all(values == values[0]) else values.astype(np.float32)


def _mon_curve(op: MonCurveOp) -> Step:
    at, slope = op.foot
    shift, scale = _number(op.offset), _number(1 + op.offset)
    if op.inverse:
        power = _number(1 / op.gamma)

        def curve(x: Pixels) -> Pixels:
            np.power(x, power, out=x)
            x *= scale
            x -= shift
            return x

        step = _with_foot(curve, at=at * slope, slope=1 / slope)
    else:
        power = _number(op.gamma)

        def curve(x: Pixels) -> Pixels:
            x += shift
            x /= scale
            return np.power(x, power, out=x)

        step = _with_foot(curve, at=at, slope=slope)
    return _mirrored(step) if op.mirror else step


def _with_foot(curve: Step, *, at: NDArray[np.float64], slope: NDArray[np.float64]) -> Step:
    """A straight line up to `at`, where it meets the curve: the curve held there, and what is below it."""
    break_, steep = _number(at), _number(slope)

    def step(x: Pixels) -> Pixels:
        below = np.minimum(x, break_)
        below -= break_
        below *= steep
        out = curve(np.maximum(x, break_, out=x))
        out += below
        return out

    return step


def _mirrored(step: Step) -> Step:
    return lambda x: np.copysign(step(np.abs(x)), x)


def _exponent(op: ExponentOp) -> Step:
    power = _number(op.power)
    if op.negative == "mirror":
        return _mirrored(lambda x: np.power(x, power, out=x))
    if op.negative == "pass":
        return lambda x: np.where(x < 0, x, np.power(np.maximum(x, 0), power))
    return lambda x: np.power(np.maximum(x, 0, out=x), power, out=x)


def _log(op: LogOp) -> Step:
    factor, offset = _number(op.scale), _number(op.log_offset)
    slope, shift = _number(op.lin_slope), _number(op.lin_offset)

    def encode(x: Pixels) -> Pixels:
        x *= slope
        x += shift
        np.log(np.maximum(x, _TINY, out=x), out=x)
        x *= factor
        x += offset
        return x

    def decode(y: Pixels) -> Pixels:
        y -= offset
        y /= factor
        np.exp(y, out=y)
        y -= shift
        y /= slope
        return y

    curve = decode if op.inverse else encode
    if op.foot is None:
        return curve
    light, code, steep = op.foot
    return _with_foot(curve, at=code, slope=1 / steep) if op.inverse else _with_foot(curve, at=light, slope=steep)
