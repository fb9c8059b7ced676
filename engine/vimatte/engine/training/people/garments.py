"""Garments: made ones split into top and bottom, and others cut from the helper meshes around the body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.spatial import cKDTree

from vimatte.engine.training.people.assets import BODY_VERTICES, Assets
from vimatte.engine.training.people.body import Body
from vimatte.engine.training.people.fabric import garment_texture
from vimatte.engine.training.people.maths import Array
from vimatte.engine.training.people.mesh import (
    Material,
    Part,
    border,
    compact,
    components,
    relaxed,
    seamless,
    vertex_normals,
)

__all__ = ["SKIRT", "TIGHTS", "Sleeves", "Split", "cut", "cylinder_uv", "sleeves", "split", "suit_part"]

TIGHTS, SKIRT = 1, 2
"""Groups of the base mesh that clothes are cut from."""
_LEGS = ("upperleg", "lowerleg", "foot", "toe", "pelvis")
_LARGE = 250
"""Vertices from which on a piece of a suit is a garment of its own and not a button."""
_BELT = 245
"""Vertices of the belt that MakeHuman's suits share."""
_SCRAP = 24
"""Pieces of no more vertices that a cut leaves behind are thrown away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A suit's vertices, told apart."""

    bottom: Array
    """Which of its vertices are trousers or a skirt (n,), bool."""
    covers: Array
    """Body vertices that the suit hides (m,)."""
    under_bottom: Array
    """Which of these the bottom hides (m,), bool."""


def split(neutral: Body, key: str) -> Split:
    """Tell a suit's top and bottom apart, on the neutral body so that it is the same for everybody."""
    item = neutral.assets.items[key]
    points = neutral.fitted(item)
    label = components(item.faces, count=len(points))
    leg = neutral.weights_of(item)[:, neutral.assets.bones_of(*_LEGS)].sum(1)
    pieces, counts = np.unique(label, return_counts=True)
    below = [p for p, n in zip(pieces, counts, strict=True) if n > _LARGE and leg[label == p].mean() > 0.4]
    belts = [p for p, n in zip(pieces, counts, strict=True) if n == _BELT]
    bottom = np.isin(label, below + belts)
    covers = item.covers[item.covers < BODY_VERTICES]
    nearest = cKDTree(points).query(neutral.vertices[covers])[1]
    return Split(bottom=bottom, covers=covers, under_bottom=bottom[nearest])


def suit_part(body: Body, rng: Generator, *, key: str, chosen: Array, side: int, style: str) -> tuple[Part, str]:
    """Those faces of a suit whose vertices are all chosen (n,), and what its cloth is like."""
    assets = body.assets
    item = assets.items[key]
    faces = item.faces
    rows = np.asarray((chosen[np.maximum(faces, 0)] | (faces < 0)).all(1))
    texture, cloth = garment_texture(assets, rng, key=key, side=side, style=style)
    vertices, faces, weights, _ = compact(body.fitted(item), faces[rows], body.weights_of(item))
    name = f"cl_{key.split('/')[1]}_normal"
    bumpy = assets.has_texture(name) and rng.random() < 0.8
    material = Material(
        texture=texture,
        roughness=rng.uniform(0.55, 0.9),
        normal_map=assets.texture(name, width=side) if bumpy else None,
        normal_strength=0.8,
    )
    part = Part(
        name="top",
        kind="cloth",
        vertices=vertices,
        faces=faces,
        uv=item.corner_uv(rows),
        weights=weights,
        material=material,
    )
    return part, cloth


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleeves:
    """Where the base mesh's vertices lie along an arm."""

    along: Array
    """0 shoulder, 1 elbow, 2 wrist; -1 on the trunk (19158,)."""
    share: Array
    """How much of an arm they are (19158,)."""


def sleeves(neutral: Body) -> Sleeves:
    """Measured on the neutral body, where both arms are alike."""
    assets = neutral.assets
    shoulder, elbow, wrist = (neutral.joint(f"{bone}.L") for bone in ("upperarm01", "lowerarm01", "wrist"))
    left = np.abs(assets.vertices * [1, 0, 0]) + assets.vertices * [0, 1, 1]
    upper = assets.follows("upperarm", "shoulder")
    lower = assets.follows("lowerarm", "wrist", "finger", "metacarpal")
    upper_along = ((left - shoulder) @ (elbow - shoulder)) / ((elbow - shoulder) @ (elbow - shoulder))
    lower_along = 1 + ((left - elbow) @ (wrist - elbow)) / ((wrist - elbow) @ (wrist - elbow))
    share = np.clip(upper + lower, 0, 1)
    along = np.where(lower > upper, np.maximum(lower_along, 0.75), np.clip(upper_along, -0.6, 1.2))
    return Sleeves(along=np.where(share > 0.3, along, -1.0), share=share)


def cut(
    body: Body, inside: Callable[[Array], Array], *, thickness: float, smoothing: int, group: int = TIGHTS
) -> tuple[Array, Array, Array, Array, Array]:
    """Cut a garment from a helper mesh where a field over the neutral body's vertices (n, 3) -> (n,) is above 0.

    The border is moved onto the field's zero, so that hems are smooth. Returns vertices, faces, weights, corner_uv, and
    the base vertices it was cut from.
    """
    assets = body.assets
    faces = assets.faces[assets.groups == group]
    field = inside(assets.vertices)
    faces = faces[(field[faces] > 0).any(1)]
    kept = field > 0
    base, fitted = _on_border(assets, body, faces, field, kept)
    reached = kept.copy()
    reached[_crossings(faces, kept)[:, 1]] = True
    faces = faces[reached[faces].all(1)]
    vertices, small, weights, used = compact(fitted, faces, assets.weights)
    label = components(small, count=len(vertices))
    large = np.bincount(label, minlength=1) > _SCRAP
    faces = faces[large[label][small].all(1)]
    vertices, small, weights, used = compact(fitted, faces, assets.weights)
    if len(vertices) == 0:
        return vertices, small, weights, np.zeros((0, 4, 2)), used
    hem = np.zeros(len(vertices), bool)
    hem[border(small)] = True
    vertices = relaxed(vertices, small, steps=smoothing, keep=hem)
    vertices = vertices + vertex_normals(vertices, small) * thickness
    vertices = body.pushed_out(vertices, thickness * 0.85, times=2)
    vertices = relaxed(vertices, small, steps=1, rate=0.4, keep=hem)
    return vertices, small, weights, cylinder_uv(base[used], small), used


def _crossings(faces: Array, kept: Array) -> Array:
    """Edges (e, 2) from a vertex inside to one outside."""
    sides = [faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 3]], faces[:, [3, 0]]]
    edges = np.concatenate(sides)
    edges = np.concatenate([edges, edges[:, ::-1]])
    out: Array = edges[kept[edges[:, 0]] & ~kept[edges[:, 1]]]
    return out


def _on_border(assets: Assets, body: Body, faces: Array, field: Array, kept: Array) -> tuple[Array, Array]:
    """Neutral and fitted vertices, those just outside moved onto the field's zero."""
    edges = _crossings(faces, kept)
    start, end = field[edges[:, 0]], field[edges[:, 1]]
    share = (start / np.maximum(start - end, 1e-6))[:, None]
    count = np.bincount(edges[:, 1], minlength=len(field)).astype(float)
    outside = np.nonzero(count)[0]
    moved = []
    for points in (assets.vertices.copy(), body.vertices.copy()):
        total = np.zeros_like(points)
        np.add.at(total, edges[:, 1], points[edges[:, 0]] + (points[edges[:, 1]] - points[edges[:, 0]]) * share)
        points[outside] = total[outside] / count[outside, None]
        moved.append(points)
    base, fitted = moved
    return base, fitted


def cylinder_uv(points: Array, faces: Array) -> Array:
    """Texture coordinates at corners (f, 4, 2): cylinders around the trunk, each leg and each arm; neutral points."""
    x, y, z = points.T
    arm = np.abs(x) > 1.75
    uv = np.stack([np.arctan2(x, z - 0.15) / (2 * np.pi) * 1.0 + 0.5, y * 0.085], 1)
    leg = (y < -0.2) & ~arm
    uv[leg, 0] = 0.5 + 0.5 * np.arctan2(x[leg] - np.sign(x[leg]) * 1.5, z[leg] - 0.1) / (2 * np.pi)
    axis = 5.25 - (np.abs(x) - 1.7) * 1.15
    uv[arm, 0] = 0.5 + 0.4 * np.arctan2(z[arm] - 0.2, y[arm] - axis[arm]) / (2 * np.pi)
    uv[arm, 1] = np.abs(x[arm]) * 0.11
    return seamless(uv[np.maximum(faces, 0)].copy())
