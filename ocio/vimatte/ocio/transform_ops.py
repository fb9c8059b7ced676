"""An OCIO transform as plain data, so that it can be computed where OCIO cannot run (on a GPU)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import PyOpenColorIO as OCIO  # noqa: N814 - what everybody calls it
from numpy.typing import NDArray

__all__ = [
    "ColourOp",
    "CurveOp",
    "ExponentOp",
    "LatticeOp",
    "LogOp",
    "MatrixOp",
    "MonCurveOp",
    "RangeOp",
    "formulas_of",
    "ops_of",
]

Vector = NDArray[np.float64]
"""(3,), one number a channel."""

_CURVE_LOW: Final = -0.125
_CURVE_HIGH: Final = 1.125
_CURVE_SIZE: Final = 81_921
"""65,536 steps over [0, 1] plus an eighth on either side: finer than half floats anywhere a camera puts picture."""
_LATTICE_SIZE: Final = 65
_SHAPER_LOW: Final = -10.0
_SHAPER_HIGH: Final = 6.5
"""Stops around mid grey that a lattice for scene-linear input covers: 0 to 16.3."""
_MID_GREY: Final = 0.18


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixOp:
    """y = matrix · x + offset."""

    matrix: NDArray[np.float64]
    """(3, 3)."""
    offset: Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class MonCurveOp:
    """Power curve with a linear foot (sRGB, BT.709): OCIO's ExponentWithLinearTransform."""

    gamma: Vector
    offset: Vector
    inverse: bool
    """False decodes (code to light), True encodes."""
    mirror: bool
    """Whether negative values mirror the curve; otherwise the linear foot goes on."""

    @property
    def foot(self) -> tuple[Vector, Vector]:
        """Up to which code the foot reaches, and its slope from code to light."""
        gamma, offset = self.gamma, self.offset
        slope = ((gamma - 1) / offset) * ((offset * gamma) / ((gamma - 1) * (1 + offset))) ** gamma
        return offset / (gamma - 1), slope


@dataclass(frozen=True, slots=True, kw_only=True)
class ExponentOp:
    """y = x ** power."""

    power: Vector
    negative: str
    """'clamp', 'mirror' or 'pass'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOp:
    """y = log_slope · log_base(lin_slope · x + lin_offset) + log_offset, linear below `lin_break` if there is one."""

    base: float
    log_slope: Vector
    log_offset: Vector
    lin_slope: Vector
    lin_offset: Vector
    lin_break: Vector | None
    linear_slope: Vector | None
    """Slope below the break; None continues the curve's tangent."""
    inverse: bool
    """False encodes (light to log), True decodes."""

    @property
    def scale(self) -> Vector:
        """What a natural logarithm is multiplied by."""
        return self.log_slope / math.log(self.base)

    @property
    def foot(self) -> tuple[Vector, Vector, Vector] | None:
        """Up to which light the line reaches, which code that is, and its slope from light to code."""
        if self.lin_break is None:
            return None
        at_break = self.lin_slope * self.lin_break + self.lin_offset
        slope = self.linear_slope if self.linear_slope is not None else self.scale * self.lin_slope / at_break
        return self.lin_break, self.scale * np.log(at_break) + self.log_offset, slope


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeOp:
    """Clamp to [low, high]; None leaves that side open."""

    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveOp:
    """One table a channel, sampled evenly over [low, high], linear in between, held at the ends."""

    table: NDArray[np.float32]
    """(n, 3)."""
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LatticeOp:
    """A cube of colours, trilinear in between, held at the faces."""

    lattice: NDArray[np.float32]
    """(n, n, n, 3), indexed blue, green, red."""
    log2_shaper: bool
    """True: u = (log2(max(x, 0) / 0.18 + 2^low) - low) / (high - low); False: u = (x - low) / (high - low)."""
    low: float
    high: float


ColourOp = MatrixOp | MonCurveOp | ExponentOp | LogOp | RangeOp | CurveOp | LatticeOp


class _NotAnalyticError(Exception):
    """An OCIO op that has no formula here."""


def ops_of(processor: Any, *, config: Any, scene_linear: bool) -> tuple[ColourOp, ...]:
    """Describe an OCIO processor as ops to be done one after the other on (…, 3) float32 values.

    Matrices, ranges, logarithms and power curves are described exactly. A table that comes first on encoded (not
    scene-linear) input is sampled so finely that it is exact in float32 for picture. Anything else bakes the whole
    transform, clamped to [0, 1], to one 65³ lattice.
    """
    ops: list[ColourOp] = []
    try:
        for index, transform in enumerate(_transforms(processor)):
            if index == 0 and not scene_linear and isinstance(transform, OCIO.Lut1DTransform):
                ops.append(_sampled(transform, config))
            else:
                ops.append(_analytic(transform))
    except _NotAnalyticError:
        return (_baked(processor, scene_linear=scene_linear),)
    return tuple(ops)


def formulas_of(processor: Any) -> tuple[ColourOp, ...] | None:
    """Describe an OCIO processor as formulas; None where it has a table, or anything else that is none."""
    try:
        return tuple(_analytic(transform) for transform in _transforms(processor))
    except _NotAnalyticError:
        return None


def _transforms(processor: Any) -> Any:
    optimised = processor.getOptimizedProcessor(OCIO.BIT_DEPTH_F32, OCIO.BIT_DEPTH_F32, OCIO.OPTIMIZATION_LOSSLESS)
    return optimised.createGroupTransform()


def _inverse(transform: Any) -> bool:
    return bool(transform.getDirection() == OCIO.TRANSFORM_DIR_INVERSE)


def _analytic(transform: Any) -> ColourOp:
    describe = _DESCRIBERS.get(type(transform).__name__)
    if describe is None:
        raise _NotAnalyticError(type(transform).__name__)
    return describe(transform)


def _matrix(transform: Any) -> MatrixOp:
    matrix: NDArray[Any] = np.array(transform.getMatrix(), np.float64).reshape(4, 4)
    offset = np.array(transform.getOffset(), np.float64)
    if _inverse(transform):
        matrix = np.linalg.inv(matrix)
        offset = -matrix @ offset
    return MatrixOp(matrix=matrix[:3, :3].copy(), offset=offset[:3].copy())


def _mon_curve(transform: Any) -> MonCurveOp:
    gamma = np.array(transform.getGamma(), np.float64)[:3]
    offset = np.array(transform.getOffset(), np.float64)[:3]
    if np.any(gamma <= 1) or np.any(offset <= 0):
        raise _NotAnalyticError("a power curve without a linear foot")
    mirror = transform.getNegativeStyle() == OCIO.NEGATIVE_MIRROR
    return MonCurveOp(gamma=gamma, offset=offset, inverse=_inverse(transform), mirror=bool(mirror))


def _exponent(transform: Any) -> ExponentOp:
    power = np.array(transform.getValue(), np.float64)[:3]
    styles = {OCIO.NEGATIVE_CLAMP: "clamp", OCIO.NEGATIVE_MIRROR: "mirror", OCIO.NEGATIVE_PASS_THRU: "pass"}
    style = styles.get(transform.getNegativeStyle())
    if style is None:
        raise _NotAnalyticError("an exponent of unknown negative style")
    return ExponentOp(power=1 / power if _inverse(transform) else power, negative=style)


def _log_camera(transform: Any) -> LogOp:
    op = _log_affine(transform)
    slope = np.array(transform.getLinearSlopeValue(), np.float64)
    return LogOp(
        base=op.base,
        log_slope=op.log_slope,
        log_offset=op.log_offset,
        lin_slope=op.lin_slope,
        lin_offset=op.lin_offset,
        lin_break=np.array(transform.getLinSideBreakValue(), np.float64),
        linear_slope=slope if np.all(np.isfinite(slope)) else None,
        inverse=op.inverse,
    )


def _log_affine(transform: Any) -> LogOp:
    return LogOp(
        base=float(transform.getBase()),
        log_slope=np.array(transform.getLogSideSlopeValue(), np.float64),
        log_offset=np.array(transform.getLogSideOffsetValue(), np.float64),
        lin_slope=np.array(transform.getLinSideSlopeValue(), np.float64),
        lin_offset=np.array(transform.getLinSideOffsetValue(), np.float64),
        lin_break=None,
        linear_slope=None,
        inverse=_inverse(transform),
    )


def _log(transform: Any) -> LogOp:
    one, zero = np.ones(3), np.zeros(3)
    return LogOp(
        base=float(transform.getBase()),
        log_slope=one,
        log_offset=zero,
        lin_slope=one,
        lin_offset=zero,
        lin_break=None,
        linear_slope=None,
        inverse=_inverse(transform),
    )


def _range(transform: Any) -> RangeOp:
    low = transform.getMinInValue() if transform.hasMinInValue() else None
    high = transform.getMaxInValue() if transform.hasMaxInValue() else None
    if transform.getStyle() != OCIO.RANGE_CLAMP:
        raise _NotAnalyticError("a range that does not clamp")
    low_out = transform.getMinOutValue() if transform.hasMinOutValue() else None
    high_out = transform.getMaxOutValue() if transform.hasMaxOutValue() else None
    if (low, high) != (low_out, high_out):
        raise _NotAnalyticError("a range that scales")
    return RangeOp(low=low, high=high)


_DESCRIBERS: Final[dict[str, Callable[[Any], ColourOp]]] = {
    "MatrixTransform": _matrix,
    "ExponentWithLinearTransform": _mon_curve,
    "ExponentTransform": _exponent,
    "LogCameraTransform": _log_camera,
    "LogAffineTransform": _log_affine,
    "LogTransform": _log,
    "RangeTransform": _range,
}


def _sampled(transform: Any, config: Any) -> CurveOp:
    if transform.getHueAdjust() != OCIO.HUE_NONE:
        raise _NotAnalyticError("a table that looks at all three channels")
    samples = np.linspace(_CURVE_LOW, _CURVE_HIGH, _CURVE_SIZE, dtype=np.float32)
    table = np.repeat(samples[None, :, None], 3, axis=2)
    processor = config.getProcessor(transform)
    _apply(processor, table)
    return CurveOp(table=table[0], low=_CURVE_LOW, high=_CURVE_HIGH)


def _baked(processor: Any, *, scene_linear: bool) -> LatticeOp:
    size = _LATTICE_SIZE
    low, high = (_SHAPER_LOW, _SHAPER_HIGH) if scene_linear else (0.0, 1.0)
    steps = low + np.linspace(0, 1, size) * (high - low)
    values = (_MID_GREY * (2.0**steps - 2.0**low) if scene_linear else steps).astype(np.float32)
    blue, green, red = np.meshgrid(values, values, values, indexing="ij")
    lattice = np.ascontiguousarray(np.stack([red, green, blue], axis=-1).reshape(size, size * size, 3))
    _apply(processor, lattice)
    lattice = np.clip(np.nan_to_num(lattice), 0, 1).reshape(size, size, size, 3)
    return LatticeOp(lattice=lattice, log2_shaper=scene_linear, low=low, high=high)


def _apply(processor: Any, pixels: NDArray[np.float32]) -> None:
    cpu = processor.getOptimizedCPUProcessor(OCIO.BIT_DEPTH_F32, OCIO.BIT_DEPTH_F32, OCIO.OPTIMIZATION_LOSSLESS)
    height, width = pixels.shape[:2]
    cpu.apply(OCIO.PackedImageDesc(pixels, width, height, 3))
