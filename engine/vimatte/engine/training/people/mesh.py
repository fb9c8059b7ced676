"""Meshes: parts of a person, and the few operations on quads that clothes and hair need."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from vimatte.engine.training.people.maths import Array, unit

__all__ = [
    "Material",
    "Part",
    "border",
    "box",
    "compact",
    "components",
    "merged",
    "relaxed",
    "seamless",
    "tube",
    "vertex_normals",
]

PLAIN = (0.5, 0.5, 0.5)


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """How a surface looks."""

    texture: Array | None = None
    """sRGB-coded 0 .. 1 (h, w, 3) or with alpha (h, w, 4)."""
    colour: tuple[float, float, float] = PLAIN
    """Linear; where there is no texture."""
    roughness: float = 0.5
    normal_map: Array | None = None
    """Tangent space, 0 .. 1 (h, w, 3)."""
    normal_strength: float = 1.0
    cut_out: bool = False
    """Alpha of the texture cuts the surface."""
    translucence: float = 0.0


@dataclass(kw_only=True, eq=False)
class Part:
    """A mesh that moves with the body: skin, a garment, hair, a prop."""

    name: str
    kind: str
    """skin, cloth, shoes, prop, hair, or a part of the face."""
    vertices: Array
    """At rest, decimetres (n, 3)."""
    faces: Array
    """Quads (f, 4); -1 as the fourth corner of a triangle."""
    uv: Array | None
    """At the faces' corners (f, 4, 2)."""
    weights: Array
    """How much each vertex follows each bone (n, b)."""
    material: Material
    lag: Array | None = None
    """How much each vertex trails behind its bones, 0 .. 1 (n,)."""
    hangs_from: str | None = None
    """L or R: hangs below that hand, vertices given from the palm; weights are not used."""
    palm: Array = field(default_factory=lambda: np.zeros(3))
    """Where the hand holds it, at rest (3,)."""


def _edges(faces: Array) -> Array:
    """Every edge of every face (e, 2); those of quads' fourth sides last."""
    third = np.where(faces[:, 3:4] >= 0, faces[:, [2, 3]], faces[:, [2, 0]])
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], third, faces[faces[:, 3] >= 0][:, [3, 0]]])


def vertex_normals(vertices: Array, faces: Array) -> Array:
    """Unit normals (n, 3), weighted by area."""
    normals = np.zeros_like(vertices)
    quads = faces[faces[:, 3] >= 0]
    of_face = np.cross(vertices[quads[:, 2]] - vertices[quads[:, 0]], vertices[quads[:, 3]] - vertices[quads[:, 1]])
    for k in range(4):
        np.add.at(normals, quads[:, k], of_face)
    triangles = faces[faces[:, 3] < 0]
    if len(triangles):
        a, b, c = (vertices[triangles[:, k]] for k in range(3))
        of_face = np.cross(b - a, c - a)
        for k in range(3):
            np.add.at(normals, triangles[:, k], of_face)
    return unit(normals)


def components(faces: Array, *, count: int) -> Array:
    """A number for each of `count` vertices: the connected piece it belongs to."""
    faces = np.asarray(faces, np.int64)
    edges = np.concatenate(
        [faces[:, [0, 1]], faces[:, [1, 2]], np.where(faces[:, 3:4] >= 0, faces[:, [2, 3]], faces[:, [2, 0]])]
    )
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (count, count))
    labels: Array = connected_components(graph, directed=False)[1]
    return labels


def compact(vertices: Array, faces: Array, weights: Array) -> tuple[Array, Array, Array, Array]:
    """Only the vertices that faces use: vertices, faces, weights, and where each vertex came from."""
    used = np.unique(faces[faces >= 0])
    place = np.full(len(vertices), -1, np.int64)
    place[used] = np.arange(len(used))
    return vertices[used], np.where(faces >= 0, place[np.maximum(faces, 0)], -1), weights[used], used


def relaxed(values: Array, faces: Array, *, steps: int, rate: float = 0.5, keep: Array | None = None) -> Array:
    """Values at vertices (n, k) drawn towards the mean of their neighbours, those of `keep` (n,) excepted."""
    faces = np.asarray(faces, np.int64)
    edges = _edges(faces)
    edges = np.concatenate([edges, edges[:, ::-1]])
    count = np.bincount(edges[:, 0], minlength=len(values)).astype(float)[:, None]
    values = values.copy()
    for _ in range(steps):
        total = np.zeros_like(values)
        np.add.at(total, edges[:, 0], values[edges[:, 1]])
        moved = values + rate * (total / np.maximum(count, 1) - values)
        if keep is not None:
            moved[keep] = values[keep]
        values = moved
    return values


def border(faces: Array) -> Array:
    """Vertices on edges that only one face has."""
    edges, count = np.unique(np.sort(_edges(np.asarray(faces)), 1), axis=0, return_counts=True)
    return np.unique(edges[count == 1])


def seamless(corner_uv: Array, *, period: float = 1.0) -> Array:
    """Texture coordinates at corners (f, 4, 2) whose u never jumps by a whole period within a face; in place."""
    jump = corner_uv[..., 0] - corner_uv[:, :1, 0]
    corner_uv[..., 0] -= np.round(jump / period) * period
    return corner_uv


def merged(meshes: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """One mesh of several (vertices, faces)."""
    vertices, faces, offset = [], [], 0
    for v, f in meshes:
        vertices.append(v)
        faces.append(np.where(f >= 0, f + offset, -1))
        offset += len(v)
    return np.concatenate(vertices), np.concatenate(faces)


def tube(path: Array, radius: float, *, sides: int = 6, closed: bool = False) -> tuple[Array, Array]:
    """Vertices and faces of a tube around a path (n, 3)."""
    path = np.asarray(path, float)
    count = len(path)
    along = unit(np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0))
    a = unit(np.cross(along, np.array([0.3, 0.9, 0.25])))
    b = np.cross(along, a)
    angle = np.arange(sides) / sides * 2 * np.pi
    ring = a[:, None] * np.cos(angle)[None, :, None] + b[:, None] * np.sin(angle)[None, :, None]
    vertices = (path[:, None] + radius * ring).reshape(-1, 3)
    faces = [
        (
            i * sides + j,
            i * sides + (j + 1) % sides,
            (i + 1) % count * sides + (j + 1) % sides,
            (i + 1) % count * sides + j,
        )
        for i in range(count if closed else count - 1)
        for j in range(sides)
    ]
    return vertices, np.array(faces)


def box(centre: Array, half: Array, *, rings: int = 10, roundness: float = 0.35) -> tuple[Array, Array]:
    """Vertices and faces of a superellipsoid: a rounded box, a ball where roundness is 1."""

    def power(x: Array) -> Array:
        out: Array = np.sign(x) * np.abs(x) ** roundness
        return out

    around = 2 * rings
    u, w = np.meshgrid(
        np.linspace(-np.pi / 2, np.pi / 2, rings), np.linspace(-np.pi, np.pi, around, endpoint=False), indexing="ij"
    )
    surface = np.stack([power(np.cos(u)) * power(np.cos(w)), power(np.sin(u)), power(np.cos(u)) * power(np.sin(w))], -1)
    faces = [
        (i * around + j, (i + 1) * around + j, (i + 1) * around + (j + 1) % around, i * around + (j + 1) % around)
        for i in range(rings - 1)
        for j in range(around)
    ]
    return surface.reshape(-1, 3) * half + centre, np.array(faces)
