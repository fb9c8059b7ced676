"""Styles of hair that are meshes with cut-out textures, and single hairs that fly away from them."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from vimatte.engine.training.people.body import item_part
from vimatte.engine.training.people.colours import GAMMA, luma
from vimatte.engine.training.people.head import Head
from vimatte.engine.training.people.maths import Array, smooth, unit
from vimatte.engine.training.people.mesh import Material, Part
from vimatte.engine.training.people.strands import Strands, grown, strand_colours, tapered

__all__ = ["hair_mesh"]

_TAIL = "ponytail01"
_HANGING = ("long01", "braid01")
_POINTS = 7


def hair_mesh(head: Head, style: str) -> tuple[Part, list[Strands]]:
    """The mesh and its loose hairs (none, or one set)."""
    material = Material(texture=_dyed(head, style), cut_out=True, roughness=0.42, translucence=0.12)
    part = item_part(head.body, f"hair/{style}", name="hair", material=material)
    if style in _HANGING:
        part.lag = smooth((head.eyes - 0.3 - part.vertices[:, 1]) / 3.0) * 0.6
    elif style == _TAIL:
        part.lag = smooth((head.place[2] - 0.6 - part.vertices[:, 2]) / 1.0) * 0.55
    count = head.count(head.rng.choice([0, 250, 700, 1500, 2600], p=[0.08, 0.22, 0.3, 0.25, 0.15]))
    return part, [_loose(head, part, count)] if count else []


def _dyed(head: Head, style: str) -> Array:
    """The style's texture in this colour (h, w, 4): its brightness kept, less contrast the lighter the hair."""
    own = head.body.assets.texture(f"hair_{style}", "RGBA")
    light, alpha = luma(own), own[..., 3:4]
    usual = float((light * alpha[..., 0]).sum() / max(1e-3, alpha.sum()))
    contrast = float(np.interp(luma(head.colour), [0.1, 0.6], [1.0, 0.4]))
    relative = np.clip(light / max(0.02, usual), 0, 3)[..., None] ** contrast
    colour = np.clip(head.colour, 0, 1) ** (1 / GAMMA)
    return np.concatenate([np.clip(colour * (0.35 + 0.65 * relative**0.8), 0, 1), alpha], 2)


def _loose(head: Head, part: Part, count: int) -> Strands:
    """Hairs that grow out of the mesh's surface."""
    rng, place = head.rng, head.place
    corners = part.vertices[np.maximum(part.faces, 0)]
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    face = rng.choice(len(part.faces), count, p=area / area.sum())
    u, w = rng.random((2, count))
    beyond = u + w > 1
    u[beyond], w[beyond] = 1 - u[beyond], 1 - w[beyond]
    start = a[face] + (b[face] - a[face]) * u[:, None] + (c[face] - a[face]) * w[:, None]
    middle = place + np.array([0, 0.55, 0.4])
    off = unit((start - middle) * [1, 0.8, 1])
    low = start[:, 1] < place[1]
    off[low] = unit((start - [0, 0, middle[2] - 0.3]) * [1, 0, 1])[low]
    high = (start[:, 1] > head.eyes + 0.6)[:, None]
    down = np.where(high, unit(head.from_parting(start, back=0.8)), np.array([0, -1, 0.0]))
    direction = unit(down * 1.0 + off * (rng.beta(1.3, 3.0, (count, 1)) * 1.1) + rng.normal(0, 0.3, (count, 3)))
    length = rng.gamma(1.8, 0.2, count).clip(0.06, 1.8) * (0.45 if part.lag is None else 1.1)
    points = grown(
        head.body,
        rng,
        start,
        off,
        direction,
        length,
        points=_POINTS,
        gravity=0.2,
        noise=0.2,
        coils=rng.uniform(0.3, 1.2),
        radius=rng.uniform(0, 0.05),
        collide=False,
    )
    nearest = cKDTree(part.vertices).query(start)[1]
    weights = np.repeat(part.weights[nearest][:, None], _POINTS, 1).reshape(count * _POINTS, -1)
    lag = np.zeros(count) if part.lag is None else part.lag[nearest]
    return Strands(
        points=points,
        width=tapered(rng.uniform(0.006, 0.013, count), _POINTS, tip=0.3),
        colour=strand_colours(rng, count, np.clip(head.colour * 1.3, 0, 1)),
        weights=weights,
        lag=np.repeat(lag[:, None], _POINTS, 1) + np.linspace(0, 0.12, _POINTS)[None],
    )
