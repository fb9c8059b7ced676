"""How far a soft matte is from the true one.

Alphas are float (h, w) in [0, 1]; `matte` is the one judged, `truth` the true one. Nothing is cropped or masked but
where a formula says so. Units are those of alpha; tables usually print MAD, MSE and edge MAD
times 1000 and dtSSD times 100.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vimatte.engine.masks import BoolMask

__all__ = [
    "Alpha",
    "MatteErrorMeter",
    "MatteErrors",
    "dtssd",
    "edge_mad",
    "gradient_error",
    "gradient_error_over_union",
    "mad",
    "mse",
    "sad",
    "soft_edge",
]

Alpha = NDArray[np.float32]
"""(h, w), float32, in [0, 1]."""

GRADIENT_SIGMA = 1.4
"""Of the Gaussian derivative, in pixels (Rhemann et al. 2009)."""


def mad(matte: Alpha, *, truth: Alpha) -> float:
    """Mean absolute difference over all pixels."""
    return float(np.abs(matte - truth).mean(dtype=np.float64))


def mse(matte: Alpha, *, truth: Alpha) -> float:
    """Mean squared difference over all pixels."""
    return float(np.square(matte - truth).mean(dtype=np.float64))


def sad(matte: Alpha, *, truth: Alpha) -> float:
    """Sum of absolute differences, in thousands of pixels (Rhemann et al., CVPR 2009)."""
    return float(np.abs(matte - truth).sum(dtype=np.float64)) / 1000


def soft_edge(truth: Alpha) -> BoolMask:
    """Where the truth is really soft: alpha strictly between 0.02 and 0.98.

    The band is not grown: on the shared composite a 3 to 11 px wide dilation or erosion of the true masks gives an edge
    MAD of 0.464 so, 0.424 with the band grown by 1 px and 0.370 by 2 px.
    """
    return np.asarray((truth > 0.02) & (truth < 0.98))


def edge_mad(matte: Alpha, *, truth: Alpha) -> float:
    """Mean absolute difference over `soft_edge(truth)`; nan where the truth has no soft pixel."""
    edge = soft_edge(truth)
    return float(np.abs(matte[edge] - truth[edge]).mean(dtype=np.float64)) if edge.any() else math.nan


def gradient_error(matte: Alpha, *, truth: Alpha) -> float:
    """Sum of (|grad matte| - |grad truth|)^2 over all pixels, in thousands.

    Gradients are first derivatives of a Gaussian of sigma 1.4 (Rhemann et al., CVPR 2009, section 4), cut at 3 sigma,
    edges repeated, the Gaussian of unit sum so that a ramp of slope s has gradient s.
    """
    difference = _gaussian_gradient(matte) - _gaussian_gradient(truth)
    return float(np.square(difference).sum(dtype=np.float64)) / 1000


def gradient_error_over_union(matte: Alpha, *, truth: Alpha) -> float:
    """Gradient error as the instance matting quality (IMQ) has it (Sun et al., InstMatt, CVPR 2022).

    Mean of (|grad matte| - |grad truth|)^2 over U = {matte > 0 or truth > 0}, divided by |U| + 1. The 9x9 kernels of
    sigma 1.4 are each scaled to unit L2 norm, edges repeated.
    """
    union = (matte > 0) | (truth > 0)
    difference = _unit_norm_gradient(matte) - _unit_norm_gradient(truth)
    return float(np.square(difference[union]).sum(dtype=np.float64)) / (int(np.count_nonzero(union)) + 1)


def dtssd(matte: Alpha, *, truth: Alpha, matte_before: Alpha, truth_before: Alpha) -> float:
    """Flicker: root mean square, over all pixels, of (matte - matte_before) - (truth - truth_before).

    Erofeev et al., 'Perceptually Motivated Benchmark for Video Matting', BMVC 2015, with the mean instead of the sum.
    """
    change = (matte - matte_before) - (truth - truth_before)
    return math.sqrt(float(np.square(change).mean(dtype=np.float64)))


def _gaussian_gradient(alpha: Alpha) -> NDArray[np.float64]:
    alpha64 = alpha.astype(np.float64)
    x, y = (
        ndimage.gaussian_filter(alpha64, GRADIENT_SIGMA, order=order, mode="nearest", truncate=3.0)
        for order in ((0, 1), (1, 0))
    )
    return np.hypot(x, y)


def _unit_norm_gradient(alpha: Alpha) -> NDArray[np.float64]:
    steps = np.arange(-4, 5, dtype=np.float64)
    gauss = np.exp(-np.square(steps) / (2 * GRADIENT_SIGMA**2))
    kernel = np.outer(gauss, -steps * gauss)
    kernel /= np.sqrt(np.square(kernel).sum())
    alpha64 = alpha.astype(np.float64)
    x, y = (cv2.filter2D(alpha64, -1, k, borderType=cv2.BORDER_REPLICATE) for k in (kernel, kernel.T))
    return np.asarray(np.hypot(x, y))


@dataclass(frozen=True, slots=True, kw_only=True)
class MatteErrors:
    """Means over the frames of a shot; nan where there was no frame to take it from."""

    mad: float
    mse: float
    sad: float
    grad: float
    dtssd: float
    """nan for a single frame."""
    edge_mad: float
    """Over the frames on which the truth has a soft edge."""

    def to_dict(self) -> dict[str, float | None]:
        """JSON values; None for nan."""
        return {f.name: None if math.isnan(v := getattr(self, f.name)) else v for f in fields(self)}


class MatteErrorMeter:
    """Adds up one person's errors frame by frame, in the order of the shot; holds one frame back, nothing more."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {f.name: [] for f in fields(MatteErrors)}
        self._before: tuple[Alpha, Alpha] | None = None

    def add(self, matte: Alpha, *, truth: Alpha) -> None:
        """Take in the next frame. Raises ValueError when sizes differ."""
        if matte.shape != truth.shape:
            raise ValueError(f"the matte is {matte.shape}, the truth {truth.shape}")
        values = self._values
        values["mad"].append(mad(matte, truth=truth))
        values["mse"].append(mse(matte, truth=truth))
        values["sad"].append(sad(matte, truth=truth))
        values["grad"].append(gradient_error(matte, truth=truth))
        values["edge_mad"].append(edge_mad(matte, truth=truth))
        if self._before is not None:
            matte_before, truth_before = self._before
            values["dtssd"].append(dtssd(matte, truth=truth, matte_before=matte_before, truth_before=truth_before))
        self._before = matte, truth

    def result(self) -> MatteErrors:
        """Means so far."""
        return MatteErrors(**{name: _mean(values) for name, values in self._values.items()})


def _mean(values: list[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return math.fsum(known) / len(known) if known else math.nan
