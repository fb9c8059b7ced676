"""Strands of hair: where they are rooted, how they grow, and how thick and what colour they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.spatial import cKDTree

from vimatte.engine.training.people.body import Body
from vimatte.engine.training.people.maths import Array, unit

__all__ = ["Strands", "clumped", "coiled", "grown", "roots", "strand_colours", "tapered"]

_TRIES = 12
_ABOVE = 5.8
"""Hair grows above this height of the neutral body only: texture space has islands elsewhere."""
_COIL_AXIS = (0.3, 0.2, 0.93)


@dataclass(kw_only=True, eq=False)
class Strands:
    """Strands of m points each."""

    points: Array
    """At rest, decimetres (n, m, 3)."""
    width: Array
    """Decimetres (n, m)."""
    colour: Array
    """Linear (n, 3)."""
    weights: Array
    """How much each point follows each bone (n m, b)."""
    lag: Array
    """How much each point trails behind, 0 .. 1 (n, m)."""


def roots(
    body: Body,
    rng: Generator,
    count: int,
    region: Array,
    *,
    density: Callable[[Array], Array] | None = None,
) -> tuple[Array, Array]:
    """About `count` points on the skin where a region in texture space is set: points and normals (n, 3).

    `density` thins them out: neutral points (n, 3) -> chance to stay (n,).
    """
    assets = body.assets
    faces, side = assets.body_faces, region.shape[0]
    corner_uv = assets.uv[assets.body_face_uv]

    def at(uv: Array) -> Array:
        row = np.clip(((1 - uv[..., 1]) * side).astype(int), 0, side - 1)
        out: Array = region[row, np.clip((uv[..., 0] * side).astype(int), 0, side - 1)]
        return out

    hairy = at(corner_uv.mean(1)) + at(corner_uv).max(1)
    chosen = np.nonzero((hairy > 0.02) & (assets.vertices[faces][:, :, 1].min(1) > _ABOVE))[0]
    a, b, c, d = (body.vertices[faces[chosen, k]] for k in range(4))
    area = np.linalg.norm(np.cross(c - a, d - b), axis=1) * 0.5
    points, normals, found = [], [], 0
    for _ in range(_TRIES):
        tries = int((count - found) * 2.2) + 64
        picked = rng.choice(len(chosen), tries, p=area / area.sum())
        u, w = rng.random((2, tries))
        share = np.stack([(1 - u) * (1 - w), u * (1 - w), u * w, (1 - u) * w], 1)
        face = chosen[picked]
        kept = rng.random(tries) < at((corner_uv[face] * share[..., None]).sum(1))
        if density is not None:
            neutral = (assets.vertices[faces[face]] * share[..., None]).sum(1)
            kept &= rng.random(tries) < density(neutral)
        face, share = face[kept], share[kept]
        points.append((body.vertices[faces[face]] * share[..., None]).sum(1))
        normals.append(unit((body.normals[faces[face]] * share[..., None]).sum(1)))
        found += len(face)
        if found >= count:
            break
    return np.concatenate(points)[:count], np.concatenate(normals)[:count]


def grown(
    body: Body,
    rng: Generator,
    start: Array,
    normals: Array,
    direction: Array,
    length: Array,
    *,
    points: int,
    gravity: float = 0.0,
    noise: float = 0.1,
    coils: float | None = None,
    radius: float = 0.0,
    above: tuple[float, float] = (0.03, 0.25),
    collide: bool = True,
) -> Array:
    """Strands (n, points, 3) grown step by step from roots (n, 3) in a direction (n, 3) for a length (n,).

    Those that collide lie `above` the skin by that much and leave the face free; `coils` a decimetre, of a radius.
    """
    n = len(start)
    out = np.empty((n, points, 3))
    out[:, 0] = start - normals * 0.02
    heading, step = unit(direction), length / (points - 1)
    gap, phase = rng.uniform(*above, n), rng.uniform(0, 6.28, n)
    at, sway = out[:, 0].copy(), rng.normal(0, 1, (n, 3))
    down = np.array([0, -1, 0])
    for k in range(1, points):
        sway = sway * 0.6 + rng.normal(0, 0.8, (n, 3))
        pull = gravity * (k / points) ** 0.5
        heading = unit(heading * (1 - pull) + down * pull + sway * noise)
        to = at + heading * step[:, None]
        if collide:
            height, distance, index = body.above_skin(to)
            wanted = gap * min(1, k / (points * 0.35))
            low = (height < wanted) & (distance < 1.2)
            to[low] += body.normals[index[low]] * (wanted[low] - height[low])[:, None]
            _leave_face(body, rng, to)
        heading = unit(to - at) * 0.75 + heading * 0.25
        at = to
        out[:, k] = to
    if coils is not None and radius > 0:
        t = np.linspace(0, 1, points)[None]
        angle = phase[:, None] + t * length[:, None] * coils * 6.2832
        out = coiled(out, angle, (radius * np.minimum(1, t * 4))[..., None])
    return out


def _leave_face(body: Body, rng: Generator, points: Array) -> None:
    """Move points (n, 3) before the face to its sides, in place."""
    x, y, z = body.joint("eye.L")
    before = (points[:, 2] > z - 0.45) & (points[:, 1] < y + 0.55)
    before &= (np.abs(points[:, 0]) < 2.15 * x) & (points[:, 1] > y - 1.6)
    side = np.where(points[:, 0] == 0, 1, np.sign(points[:, 0]))
    points[before, 0] = (side * (2.15 * x + 0.1 * rng.random(len(points))))[before]
    points[before, 2] -= 0.12


def coiled(strands: Array, angle: Array, radius: Array, *, flat: float = 1.0) -> Array:
    """Strands (n, m, 3) wound around themselves: angle (n, m), radius (…, m, 1), one of its axes times `flat`."""
    along = unit(np.gradient(strands, axis=1))
    a = unit(np.cross(along, np.array(_COIL_AXIS)))
    b = np.cross(along, a)
    out: Array = strands + a * np.cos(angle)[..., None] * radius + b * np.sin(angle)[..., None] * radius * flat
    return out


def clumped(rng: Generator, strands: Array, *, locks: int, amount: float) -> Array:
    """Strands (n, m, 3) pulled towards some of them, the more the nearer their tips."""
    n = len(strands)
    guides = rng.choice(n, min(locks, n), replace=False)
    nearest = cKDTree(strands[guides, 0]).query(strands[:, 0])[1]
    t = np.linspace(0, 1, strands.shape[1])[None, :, None]
    out: Array = strands + (strands[guides][nearest] - strands) * amount * t**1.2
    return out


def tapered(width: Array, points: int, *, tip: float = 0.25) -> Array:
    """Widths (n, points) that fall from `width` (n,) at the root to a share of it at the tip."""
    t = np.linspace(0, 1, points)[None]
    out: Array = width.reshape(-1, 1) * (1 - (1 - tip) * t**2)
    return out


def strand_colours(rng: Generator, count: int, colour: Array, *, spread: float = 0.22) -> Array:
    """Colours (count, 3), lighter and darker than one (3,)."""
    out: Array = colour[None] * np.exp(rng.normal(0, spread, (count, 1)))
    return out
