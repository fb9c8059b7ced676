"""Glasses, and dark lenses in some of them."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.assets import BODY_VERTICES
from vimatte.engine.training.people.body import Body
from vimatte.engine.training.people.colours import linear_cloth
from vimatte.engine.training.people.maths import Array
from vimatte.engine.training.people.mesh import Material, Part, merged, tube

__all__ = ["glasses"]

_POINTS = 24
"""Around a rim."""
_DARK = (0.012, 0.012, 0.015)


def glasses(body: Body, rng: Generator) -> list[Part]:
    """A frame; in three of ten, dark lenses too."""
    eyes = [body.joint("eye.L"), body.joint("eye.R")]
    wide, high = rng.uniform(0.21, 0.28), rng.uniform(0.15, 0.22)
    squareness = rng.uniform(0.5, 1.0)
    angle = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False)
    front = max(eyes[0][2], eyes[1][2]) + 0.3
    wire = rng.uniform(0.012, 0.03)

    def power(x: Array) -> Array:
        out: Array = np.sign(x) * np.abs(x) ** squareness
        return out

    def rim(eye: Array, size: float = 1.0) -> Array:
        x = eye[0] + size * wide * power(np.cos(angle))
        y = eye[1] - 0.02 + size * high * power(np.sin(angle))
        z = front - 0.12 * np.abs((eye[0] + wide * np.cos(angle)) / 0.55) ** 2
        return np.stack([x, y, z], 1)

    frame = [tube(rim(eye), wire, closed=True) for eye in eyes]
    frame += [tube(path, wire) for path in _bridge_and_temples(body, eyes[0], wide=wide, front=front)]
    vertices, faces = merged(frame)
    material = Material(colour=linear_cloth(rng, strength=0.6), roughness=0.25)
    parts = [_part(body, "glasses", vertices, faces, material)]
    if rng.random() < 0.3:
        fan = np.array([(i, (i + 1) % _POINTS, _POINTS, -1) for i in range(_POINTS)])
        lenses = [
            (np.concatenate([rim(eye, 0.98), [[eye[0], eye[1] - 0.02, front - 0.02]]]), fan.copy()) for eye in eyes
        ]
        vertices, faces = merged(lenses)
        parts.append(_part(body, "lens", vertices, faces, Material(colour=_DARK, roughness=0.05)))
    return parts


def _bridge_and_temples(body: Body, eye: Array, *, wide: float, front: float) -> list[Array]:
    """Paths over the nose and to both ears."""
    x, y, z = eye
    inner, outer = abs(x) - wide, abs(x) + wide
    paths = [np.array([[inner, y + 0.03, front], [0, y + 0.07, front + 0.03], [-inner, y + 0.03, front]])]
    on_head = body.assets.weights[:BODY_VERTICES, body.assets.bone["head"]] > 0.3
    beside = on_head & (np.abs(body.skin[:, 1] - y) < 0.2) & (body.skin[:, 2] < z - 0.5)
    head = np.abs(body.skin[beside, 0]).max() + 0.02 if beside.any() else 0.8
    for side in (1, -1):
        temple = [
            [side * outer, y + 0.05, front - 0.13],
            [side * head, y + 0.06, front - 0.5],
            [side * head, y + 0.02, z - 0.9],
            [side * (head - 0.04), y - 0.2, z - 1.15],
        ]
        paths.append(np.array(temple))
    return paths


def _part(body: Body, name: str, vertices: Array, faces: Array, material: Material) -> Part:
    return Part(
        name=name,
        kind="prop",
        vertices=vertices,
        faces=faces,
        uv=None,
        weights=body.rigid(len(vertices), "head"),
        material=material,
    )
