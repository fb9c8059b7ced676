"""Hats: made ones, and beanies and caps cut from the head itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.assets import BODY_VERTICES
from vimatte.engine.training.people.body import Body, item_part
from vimatte.engine.training.people.colours import GAMMA, cloth_colour, linear_cloth
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
from vimatte.engine.training.people.patterns import pattern

__all__ = ["Hat", "random_hat"]

_KINDS = ("fedora", "fedora_cocked", "beanie", "beanie", "cap", "cap")
_VISOR_ROWS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Hat:
    """A hat and the line under which hair comes out."""

    kind: str
    parts: list[Part]
    brim: Callable[[Array], Array]
    """Points (n, 3) -> height of the brim there (n,)."""


def random_hat(body: Body, rng: Generator) -> Hat:
    """A hat drawn by chance."""
    kind = str(rng.choice(_KINDS))
    return _fedora(body, rng, kind) if kind.startswith("fedora") else _cap(body, rng, kind)


def _fedora(body: Body, rng: Generator, kind: str) -> Hat:
    r, g, b = (float(c) for c in (cloth_colour(rng) * 0.8 + 0.03) ** GAMMA)
    felt = Material(colour=(r, g, b), roughness=0.9)
    part = item_part(body, f"clothes/{kind}", name="hat", material=felt, kind="prop")
    brim = np.percentile(part.vertices[:, 1], 35)
    return Hat(kind=kind, parts=[part], brim=lambda points: np.full(len(points), brim))


def _cap(body: Body, rng: Generator, kind: str) -> Hat:
    """The top of the head, smoothed and lifted; a cap gets a visor."""
    cap = kind == "cap"
    low = 7.62 if cap else rng.uniform(7.3, 7.6)
    slope = 0.16 if cap else rng.uniform(0.1, 0.3)
    v, f, w = _crown(body, low=low, slope=slope)
    v = relaxed(v, f, steps=6)
    normals, middle = vertex_normals(v, f), v.mean(0)
    height = np.clip((v[:, 1] - v[:, 1].min()) / np.ptp(v[:, 1]), 0, 1)
    v = v + normals * (0.15 + (0.1 if cap else rng.uniform(0.05, 0.35)) * height[:, None])
    v[:, 1] += (0 if cap else rng.uniform(0, 0.35)) * height**2
    v = body.pushed_out(v, 0.1)
    turn = np.arctan2(v[:, 0] - middle[0], v[:, 2] - middle[2]) / 6.2832
    uv = seamless(np.stack([turn * 2, v[:, 1] * 0.25], 1)[np.maximum(f, 0)], period=2)
    knit = Material(texture=pattern(rng, 256, scale=0.6)[0], roughness=0.85)
    parts = [Part(name="hat", kind="prop", vertices=v, faces=f, uv=uv, weights=w, material=knit)]
    edge = v[border(f)]
    if cap:
        parts.append(_visor(body, rng, edge[edge[:, 2] > middle[2] + 0.2]))
    azimuth = np.arctan2(edge[:, 0], edge[:, 2] - middle[2])
    order = np.argsort(azimuth)

    def brim(points: Array) -> Array:
        around = np.arctan2(points[:, 0], points[:, 2] - middle[2])
        return np.asarray(np.interp(around, azimuth[order], edge[order, 1], period=2 * np.pi))

    return Hat(kind=kind, parts=parts, brim=brim)


def _crown(body: Body, *, low: float, slope: float) -> tuple[Array, Array, Array]:
    """Vertices, faces and weights of the head above a line that rises to the front."""
    assets = body.assets
    neutral, faces = assets.vertices[:BODY_VERTICES], assets.body_faces
    above = neutral[:, 1] > low + slope * (neutral[:, 2] - 0.4)
    on_head = assets.weights[:BODY_VERTICES, assets.bone["head"]] > 0.3
    faces = faces[(above & on_head)[faces].all(1)]
    v, small, _, _ = compact(body.vertices, faces, assets.weights)
    label = components(small, count=len(v))
    faces = faces[(label == np.bincount(label).argmax())[small].all(1)]
    v, small, _, _ = compact(body.vertices, faces, assets.weights)
    return v, small, body.rigid(len(v), "head")


def _visor(body: Body, rng: Generator, front: Array) -> Part:
    """Rows of vertices from the cap's front edge (n, 3) outwards."""
    front = front[np.argsort(front[:, 0])]
    length = rng.uniform(0.55, 0.8)
    x = front[:, 0]
    reach = 1 - (np.abs(x) / np.abs(x).max()) ** 2
    rows = []
    for row in range(_VISOR_ROWS):
        t = row / (_VISOR_ROWS - 1)
        fall = -0.22 * t * (0.4 + np.abs(x)) * 1.0 - 0.06 * t
        rows.append(front + np.stack([x * 0.02 * t, fall, length * t * reach], 1))
    n = len(front)
    vertices = np.concatenate(rows)
    faces = np.array(
        [
            (row * n + i, row * n + i + 1, (row + 1) * n + i + 1, (row + 1) * n + i)
            for row in range(_VISOR_ROWS - 1)
            for i in range(n - 1)
        ]
    )
    material = Material(colour=linear_cloth(rng), roughness=0.8)
    weights = body.rigid(len(vertices), "head")
    return Part(name="visor", kind="prop", vertices=vertices, faces=faces, uv=None, weights=weights, material=material)
