"""Which of the skin a garment hides: skin safely underneath is left out, so that it never shows through cloth."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from vimatte.engine.training.people.assets import BODY_VERTICES, Assets
from vimatte.engine.training.people.body import Body
from vimatte.engine.training.people.maths import Array, unit
from vimatte.engine.training.people.mesh import Part, border, components, vertex_normals

__all__ = ["hidden_under", "under_suit"]

_NEVER_HIDDEN = ("neck", "head", "wrist", "finger", "metacarpal", "jaw", "foot", "toe")
_NEAR = 0.62
"""Decimetres from the cloth within which skin counts as underneath."""
_FROM_HEM = 0.34
"""Decimetres from a hem that stay: one can look in."""
_INSIDE = 0.12
_LOOSE, _AT_HEM = 0.85, 0.22
"""Skin hidden by its maker's list is shown again further from all cloth, or this far outside a hem."""
_PATCH = 60
"""Hidden patches of fewer vertices are shown: holes would be worse than creases."""


def hidden_under(body: Body, parts: list[Part], listed: Array) -> Array:
    """Skin vertices (13380,) that garments hide; `listed` are those that the garments' makers say."""
    hidden, near = listed.copy(), np.zeros(BODY_VERTICES, bool)
    for part in parts:
        under, loose = _under(body, part)
        hidden |= under
        near |= loose
    return _without_patches(body.assets, hidden & near)


def _under(body: Body, part: Part) -> tuple[Array, Array]:
    """Skin vertices safely under a garment, and those it may hide at all (13380,)."""
    points, normals, at_hem = _samples(part.vertices, part.faces)
    distance, index = cKDTree(points).query(body.skin)
    inside = ((body.skin - points[index]) * normals[index]).sum(1) < _INSIDE
    shown = body.assets.follows(*_NEVER_HIDDEN)[:BODY_VERTICES] > 0.45
    under = (distance < _NEAR) & inside & ~shown
    if at_hem.any():
        under &= cKDTree(points[at_hem]).query(body.skin)[0] > _FROM_HEM
    return under, (distance < _LOOSE) & ~(at_hem[index] & (distance > _AT_HEM))


def _samples(vertices: Array, faces: Array) -> tuple[Array, Array, Array]:
    """Points all over a garment (n, 3), their normals (n, 3), and which lie on a hem (n,)."""
    of_vertex = vertex_normals(vertices, faces)
    quads = np.where(faces >= 0, faces, faces[:, [0]])
    centres, of_face = vertices[quads].mean(1), unit(of_vertex[quads].mean(1))
    hem = np.zeros(len(vertices), bool)
    hem[border(faces)] = True
    inner = np.zeros(len(faces), bool)
    points, normals, at_hem = [vertices, centres], [of_vertex, of_face], [hem, inner]
    for k in range(4):
        a, b = quads[:, k], quads[:, (k + 1) % 4]
        points += [(vertices[a] + vertices[b]) / 2, (vertices[a] + centres) / 2]
        normals += [unit(of_vertex[a] + of_vertex[b]), of_face]
        at_hem += [hem[a] & hem[b], inner]
    return np.concatenate(points), np.concatenate(normals), np.concatenate(at_hem)


def _without_patches(assets: Assets, hidden: Array) -> Array:
    faces = assets.body_faces[hidden[assets.body_faces].all(1)]
    if not len(faces):
        return hidden
    label = components(faces, count=BODY_VERTICES)
    whole = np.zeros(BODY_VERTICES, bool)
    whole[faces.ravel()] = True
    size = np.bincount(label[whole], minlength=label.max() + 1)
    out: Array = hidden & whole & (size[label] >= _PATCH)
    return out


def under_suit(body: Body, part: Part) -> Array:
    """Skin vertices (13380,) safely under one garment."""
    return _under(body, part)[0]
