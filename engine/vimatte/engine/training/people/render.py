"""A frame of a scene: light, alpha and weight from what a rasteriser gathered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vimatte.engine.training.people.maths import Array
from vimatte.engine.training.people.scene import Rasteriser, Scene, moment

__all__ = ["Rendered", "rendered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One frame, float32."""

    light: Array
    """Linear, straight (h, w, 3)."""
    alpha: Array
    """0 .. 1 (h, w)."""
    weight: Array
    """Share of samples that were shaded, unfiltered (h, w)."""


def rendered(scene: Scene, frame: int, rasterise: Rasteriser) -> Rendered:
    """Frame 1 .. k - 2 of a scene."""
    cover, colour = rasterise(scene, moment(scene, frame))
    passes = len(scene.passes)
    fine = np.pad(cover.astype(np.float32) / passes, 1, mode="edge")
    weight = colour[..., 3]
    return Rendered(
        light=colour[..., :3] / np.maximum(weight, 1e-6)[..., None],
        alpha=_halved(_halved(fine).T).T,
        weight=weight / passes,
    )


def _halved(a: Array) -> Array:
    """Every second row between (n / 2 - 1, m), through the filter 1 3 3 1: a soft pixel, as film and sensors have."""
    out: Array = (a[0:-2:2] + 3 * a[1:-2:2] + 3 * a[2:-1:2] + a[3::2]) / 8
    return out
