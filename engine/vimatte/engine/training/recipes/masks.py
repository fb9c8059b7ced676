"""Guidance of a recipe: true alphas cut at a half, then made wrong as its paper does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vimatte.engine.training import guidance
from vimatte.engine.training.data.guide import coarse

__all__ = ["Kind", "MaskChange", "broken"]

Kind = Literal[
    "erode or dilate",
    "erase",
    "paste",
    "merge",
    "temporal",
    "coarse",
    "blobs",
    "polygons",
    "shift",
    "lag",
    "drop out",
    "salt and pepper",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskChange:
    """One way to be wrong."""

    kind: Kind
    """Which."""
    odds: float
    """In how many of the clips."""
    strength: float
    """How much, 0 to 1; `training.guidance` says what it means for each kind."""
    least: float | None = None
    """Where it is given, each clip's strength is drawn between it and `strength`."""


def broken(alphas: NDArray[np.float32], changes: Sequence[MaskChange], *, rng: Generator) -> NDArray[np.bool_]:
    """Masks (t, n, h, w) of alphas of the same shape."""
    clip = np.asarray(alphas > 0.5)
    for change in changes:
        if rng.random() < change.odds:
            strength = change.strength if change.least is None else float(rng.uniform(change.least, change.strength))
            clip = _CHANGES[change.kind](clip, rng, strength=strength)
    return clip


def _coarse(clip: NDArray[np.bool_], rng: Generator, *, strength: float) -> NDArray[np.bool_]:
    """Shrink to 1/8 and enlarge again, cut at a half (MaGGIe); strength 1, others less in proportion."""
    height, width = clip.shape[2:]
    factor = 1.0 + 7.0 * strength
    size = max(1, round(width / factor)), max(1, round(height / factor))
    out = np.empty_like(clip)
    for into, mask in zip(out.reshape(-1, height, width), clip.reshape(-1, height, width), strict=True):
        small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        into[...] = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    return out


def _blobs(clip: NDArray[np.bool_], rng: Generator, *, strength: float) -> NDArray[np.bool_]:
    """Masks as a small network finds them (`training.data.guide.coarse`)."""
    return coarse(clip.astype(np.float32), rng, strength=strength)


_CHANGES: dict[Kind, Callable[..., NDArray[np.bool_]]] = {
    "erode or dilate": guidance.each_frame(guidance.erode_or_dilate),
    "erase": guidance.each_frame(guidance.erase),
    "paste": guidance.each_frame(guidance.paste),
    "merge": guidance.merge,
    "temporal": guidance.temporal_guidance,
    "coarse": _coarse,
    "blobs": _blobs,
    "polygons": guidance.each_frame(guidance.polygons),
    "shift": guidance.each_frame(guidance.shift),
    "lag": guidance.lag,
    "drop out": guidance.drop_out,
    "salt and pepper": guidance.each_frame(guidance.salt_and_pepper),
}
