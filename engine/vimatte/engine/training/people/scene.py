"""What a rasteriser is given: one clip as flat arrays of 32-bit numbers, and one frame of it.

Structured arrays have the layout of the C structures of the same names in rasteriser.c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vimatte.engine.training.people.maths import Array

__all__ = ["MATERIAL", "PASS", "Moment", "Rasteriser", "Scene", "moment"]

PASS = np.dtype(
    [("shift", "f4", 2), ("time", "f4"), ("lens", "f4", 2), ("direction", "f4", (2, 3)), ("radiance", "f4", (2, 3))]
)
MATERIAL = np.dtype(
    [
        *((name, "i4") for name in ("cut_out", "hair", "texture", "texture_w", "texture_h")),
        *((name, "i4") for name in ("normal", "normal_w", "normal_h")),
        *(("colour", "f4", 3), ("roughness", "f4"), ("specular", "f4"), ("translucence", "f4")),
        *(("wrap", "f4", 3), ("normal_strength", "f4"), ("gloss", "f4", 3)),
    ]
)
_BEYOND = 0.06
"""Shares of the window beyond it within which things still throw shadows into it."""
_BOUNDS = 1500
"""Points that stand for all in a shadow map's bounds."""
_LEAST_BIAS = 0.003
"""Metres off a surface at which its shadow is looked up, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A clip; metres, z up, float32 unless said otherwise. One sample of time more on either side than is shown."""

    size: tuple[int, int]
    """Pixels: width, height."""
    left: float
    bottom: float
    wide: float
    high: float
    """The window in tangents."""
    focus: float
    """Metres to what is sharp."""
    camera_places: Array
    """(k, 3), float64."""
    camera_axes: Array
    """Columns right, up, back (k, 3, 3), float64."""
    passes: Array
    """(p,) of PASS."""
    vertices: Array
    """(k, v, 3)."""
    triangles: Array
    """Corners (t, 3), int32."""
    triangle_uv: Array
    """(t, 6)."""
    triangle_material: Array
    """(t,), int32."""
    points: Array
    """Of strands (k, q, 3)."""
    point_normals: Array
    """(k, q, 3)."""
    half_width: Array
    """Metres (q,)."""
    strand_start: Array
    """First point of each strand, and the end (s + 1,), int32."""
    strand_of: Array
    """The strand of each point (q,), int32."""
    strand_colour: Array
    """Linear (s, 3)."""
    materials: Array
    """(m,) of MATERIAL."""
    texels: Array
    """RGBA bytes of all textures, one after the other, uint8."""
    sky: Array
    """Linear top, horizon, bottom and how much of them lights everything (4, 3)."""
    shadow_side: int
    """Pixels of a shadow map's side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One frame and its neighbours in time, float32."""

    vertices: Array
    """Before, now, after (3, v, 3)."""
    points: Array
    """(3, q, 3)."""
    normals: Array
    """Now (v, 3)."""
    point_normals: Array
    """(q, 3)."""
    places: Array
    """Of the camera (3, 3)."""
    axes: Array
    """Rows right, up, back (3, 9)."""
    bounds: Array
    """Points that shadow maps must hold (b, 3)."""
    shadow_bias: float
    """Metres."""


Rasteriser = Callable[[Scene, Moment], tuple[Array, Array]]
"""Counts of the passes that cover each of the 2 x 2 samples a pixel (2 h, 2 w), uint16, and sums over passes of light
times weight, and of weight (h, w, 4), float32."""


def moment(scene: Scene, frame: int) -> Moment:
    """Frame 1 .. k - 2 of a clip."""
    window = slice(frame - 1, frame + 2)
    now = np.concatenate([scene.vertices[frame], scene.points[frame]])
    bounds = _bounds(scene, now, frame)
    extent = float(np.ptp(bounds, 0).max()) if len(bounds) else 1.0
    axes = np.swapaxes(scene.camera_axes[window], 1, 2).reshape(3, 9)
    return Moment(
        vertices=np.ascontiguousarray(scene.vertices[window]),
        points=np.ascontiguousarray(scene.points[window]),
        normals=_normals(scene.vertices[frame], scene.triangles),
        point_normals=np.ascontiguousarray(scene.point_normals[frame]),
        places=np.ascontiguousarray(scene.camera_places[window], np.float32),
        axes=np.ascontiguousarray(axes, np.float32),
        bounds=bounds,
        shadow_bias=max(_LEAST_BIAS, 1.6 * extent / scene.shadow_side),
    )


def _bounds(scene: Scene, points: Array, frame: int) -> Array:
    """Some of the points (n, 3) that are in the picture or near it."""
    q = (points - scene.camera_places[frame]) @ scene.camera_axes[frame]
    z = np.maximum(-q[:, 2], 0.05)
    x, y = (q[:, 0] / z - scene.left) / scene.wide, (q[:, 1] / z - scene.bottom) / scene.high
    near = (x > -_BEYOND) & (x < 1 + _BEYOND) & (y > -_BEYOND) & (y < 1 + _BEYOND)
    seen = points[near]
    return np.ascontiguousarray(seen[:: max(1, len(seen) // _BOUNDS)], np.float32)


def _normals(vertices: Array, triangles: Array) -> Array:
    """Unit normals (v, 3) of triangles, weighted by area."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    of_face = np.cross(b - a, c - a)
    corners, count = triangles.ravel(), len(vertices)
    total = np.stack([np.bincount(corners, np.repeat(of_face[:, k], 3), count) for k in range(3)], 1)
    length = np.sqrt((total * total).sum(1, keepdims=True) + 1e-20)
    out: Array = (total / length).astype(np.float32)
    return out
