"""All errors of one person's matte over a shot, `as_paper`: means over frames, in the units of alpha.

Alphas are (h, w) in [0, 1]; `matte` is the one judged, `truth` the true one. Nothing is cropped or masked but where a
formula says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch

from vimatte.engine.metrics.alphas import Alpha, plain
from vimatte.engine.metrics.connectivity import connectivity_error
from vimatte.engine.metrics.difference import mad, mse, sad
from vimatte.engine.metrics.flicker import dtssd
from vimatte.engine.metrics.gradient import gradient_error
from vimatte.engine.metrics.motion import messddt
from vimatte.engine.metrics.regions import Regions, edge_mad

__all__ = ["MatteErrorMeter", "MatteErrors", "mean_errors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatteErrors:
    """Means over the frames of a shot; nan where there was no frame to take it from."""

    mad: float
    mse: float
    sad: float
    """In thousands of pixels."""
    grad: float
    """In thousands."""
    conn: float
    """In thousands."""
    dtssd: float
    """nan for a single frame."""
    messddt: float
    """nan for a single frame."""
    mad_f: float
    """MAD over the foreground of the true alpha's trimap, on the frames that have any."""
    mad_u: float
    """MAD over its unknown region, on the frames that have any."""
    edge_mad: float
    """Over the frames on which the truth has a soft edge."""

    def to_dict(self) -> dict[str, float | None]:
        """JSON values; None for nan."""
        return {f.name: None if math.isnan(v := getattr(self, f.name)) else v for f in fields(self)}


def mean_errors(each: Sequence[MatteErrors]) -> MatteErrors:
    """Mean over people of every error; who has none of a kind is left out of its mean."""
    return MatteErrors(**{f.name: _mean([getattr(e, f.name) for e in each]) for f in fields(MatteErrors)})


class MatteErrorMeter:
    """Adds up one person's errors frame by frame, in the order of the shot; holds one frame back, nothing more."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {f.name: [] for f in fields(MatteErrors)}
        self._before: tuple[torch.Tensor, torch.Tensor] | None = None

    def add(self, matte: Alpha, *, truth: Alpha) -> None:
        """Take in the next frame. Raises ValueError when sizes differ."""
        if tuple(matte.shape) != tuple(truth.shape):
            raise ValueError(f"the matte is {tuple(matte.shape)}, the truth {tuple(truth.shape)}")
        p, g = plain(matte), plain(truth)
        regions = Regions.of(g)
        found = {
            "mad": mad(p, truth=g),
            "mse": mse(p, truth=g),
            "sad": sad(p, truth=g),
            "grad": gradient_error(p, truth=g),
            "conn": connectivity_error(p, truth=g),
            "mad_f": mad(p, truth=g, region=regions.foreground),
            "mad_u": mad(p, truth=g, region=regions.unknown),
            "edge_mad": edge_mad(p, truth=g),
        }
        if self._before is not None:
            before, truth_before = self._before
            found["dtssd"] = dtssd(p, truth=g, matte_before=before, truth_before=truth_before)
            found["messddt"] = messddt(p, truth=g, matte_before=before, truth_before=truth_before)
        for name, value in found.items():
            self._values[name].append(value)
        self._before = p, g

    @property
    def mads(self) -> tuple[float, ...]:
        """MAD of each frame so far."""
        return tuple(self._values["mad"])

    def result(self) -> MatteErrors:
        """Means so far."""
        return MatteErrors(**{name: _mean(values) for name, values in self._values.items()})


def _mean(values: Sequence[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return math.fsum(known) / len(known) if known else math.nan
