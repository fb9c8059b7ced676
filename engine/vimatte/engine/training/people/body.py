"""One person's body at rest: joints, normals, and how things are fitted to it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from vimatte.engine.training.people.assets import BODY_VERTICES, Assets, Item
from vimatte.engine.training.people.maths import Array, smooth
from vimatte.engine.training.people.mesh import Material, Part, vertex_normals

__all__ = ["Body", "item_part"]

_REACH = 0.8
"""Decimetres from the skin beyond which nothing is pushed out of it."""


class Body:
    """Rest geometry in decimetres: x left, y up, z front.

    `vertices` (19158, 3) is the base mesh with its helpers, `skin` (13380, 3) the body alone, `normals` its normals,
    `heads` and `tails` (163, 3) where bones begin and end.
    """

    def __init__(self, assets: Assets, vertices: Array) -> None:
        self.assets = assets
        self.vertices = vertices
        self.skin: Array = vertices[:BODY_VERTICES]
        self.normals = vertex_normals(self.skin, assets.body_faces)
        self.heads = np.array([vertices[joint[joint >= 0]].mean(0) for joint in assets.heads])
        self.tails = np.array([vertices[joint[joint >= 0]].mean(0) for joint in assets.tails])
        self._nearest = cKDTree(self.skin)

    def joint(self, bone: str) -> Array:
        """Where a bone begins (3,)."""
        out: Array = self.heads[self.assets.bone[bone]]
        return out

    def tip(self, bone: str) -> Array:
        """Where a bone ends (3,)."""
        out: Array = self.tails[self.assets.bone[bone]]
        return out

    def nearest(self, points: Array) -> tuple[Array, Array]:
        """Distance to the nearest skin vertex, and which (n,), for points (n, 3)."""
        distance, index = self._nearest.query(points)
        return np.asarray(distance), np.asarray(index)

    def above_skin(self, points: Array) -> tuple[Array, Array, Array]:
        """How far points (n, 3) lie outside along the nearest vertex's normal, the distance to it, and which it is."""
        distance, index = self.nearest(points)
        return ((points - self.skin[index]) * self.normals[index]).sum(1), distance, index

    def pushed_out(self, points: Array, gap: float, *, times: int = 1) -> Array:
        """Points (n, 3) moved until they lie `gap` above the skin."""
        for _ in range(times):
            height, distance, index = self.above_skin(points)
            inside = (height < gap) & (distance < _REACH)
            points = points.copy()
            points[inside] += self.normals[index[inside]] * (gap - height[inside])[:, None]
        return points

    def fitted(self, item: Item) -> Array:
        """Vertices (n, 3) of an item on this body."""
        points = (self.vertices[item.corners] * item.shares[..., None]).sum(1)
        if item.offsets.any():
            sizes = [
                abs(self.vertices[int(low), axis] - self.vertices[int(high), axis]) / made_for
                for axis, (low, high, made_for) in enumerate(item.scale)
            ]
            points = points + item.offsets * np.array(sizes)
        return np.asarray(points)

    def weights_of(self, item: Item) -> Array:
        """How much each vertex of an item follows each bone (n, b)."""
        out: Array = np.einsum("nkb,nk->nb", self.assets.weights[item.corners], item.shares)
        return out

    def rigid(self, count: int, bone: str) -> Array:
        """Weights (count, b) of what moves with one bone alone."""
        weights = np.zeros((count, len(self.assets.bones)), np.float32)
        weights[:, self.assets.bone[bone]] = 1
        return weights

    def under_hat(self, points: Array, brim: Callable[[Array], Array]) -> Array:
        """Hair (n, 3) squeezed to the scalp where it is above the line `brim` gives for each point (n,)."""
        share = smooth((points[:, 1] - brim(points) + 0.18) / 0.22)
        height, _, index = self.above_skin(points)
        on_scalp = self.skin[index] + self.normals[index] * np.clip(height, 0, 0.045)[:, None]
        share = share * (points[:, 1] > self.joint("head")[1])
        out: Array = points + (on_scalp - points) * share[:, None]
        return out


def item_part(body: Body, item: str, *, name: str, material: Material, kind: str = "") -> Part:
    """An item as it is, on this body."""
    made = body.assets.items[item]
    return Part(
        name=name,
        kind=kind or name,
        vertices=body.fitted(made),
        faces=made.faces,
        uv=made.corner_uv(),
        weights=body.weights_of(made),
        material=material,
    )
