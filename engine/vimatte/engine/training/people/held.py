"""Things held in a hand, and bags that hang from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.body import Body
from vimatte.engine.training.people.colours import linear_cloth
from vimatte.engine.training.people.maths import Array, unit
from vimatte.engine.training.people.mesh import Material, Part, box, merged, tube
from vimatte.engine.training.people.patterns import pattern

__all__ = ["held"]

_KINDS = ("phone", "phone", "cup", "book", "tote", "tote", "handbag", "ball", "stick", "laptop")
_BAGS = ("tote", "handbag")
_ROUND = 20
"""Points around a cup."""

_Mesh = tuple[Array, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hand:
    """Where a hand is, and its directions."""

    across: Array
    """From the little finger to the index (3,)."""
    fingers: Array
    """From the wrist to the knuckles (3,)."""
    palm_out: Array
    """Away from the palm (3,)."""
    palm: Array
    """The middle of the palm (3,)."""


def held(body: Body, rng: Generator) -> tuple[Part, str, bool]:
    """Something in the left or the right hand, what it is, and whether it is a bag."""
    side = "LR"[rng.integers(2)]
    kind = str(rng.choice(_KINDS))
    hand = _hand(body, side)
    material = Material(colour=linear_cloth(rng), roughness=float(rng.uniform(0.15, 0.8)))
    if kind in _BAGS:
        vertices, faces = _bag(rng, tote=kind == "tote")
        rng.random()  # once chose between cloth and plain: what follows keeps its chance
        material = Material(colour=material.colour, roughness=0.6)
        weights = body.rigid(len(vertices), f"wrist.{side}")
        bag = Part(name="bag", kind="prop", vertices=vertices, faces=faces, uv=None, weights=weights, material=material)
        bag.hangs_from, bag.palm = side, hand.palm
        return bag, kind, True
    (vertices, faces), into_palm = _MADE[kind](rng)
    if kind == "book":
        material = Material(texture=pattern(rng, 256, scale=0.6)[0], roughness=0.6)
    palm = hand.palm + hand.palm_out * into_palm
    vertices = vertices @ np.stack([hand.across, hand.fingers, hand.palm_out], 1).T + palm
    uv = None
    if material.texture is not None:
        corners = vertices[np.maximum(faces, 0)]
        uv = np.stack([corners @ hand.across * 0.7, corners @ hand.fingers * 0.5], -1)
    weights = body.rigid(len(vertices), f"wrist.{side}")
    part = Part(name="held", kind="prop", vertices=vertices, faces=faces, uv=uv, weights=weights, material=material)
    return part, kind, False


def _hand(body: Body, side: str) -> _Hand:
    index, little = body.joint(f"finger2-1.{side}"), body.joint(f"finger5-1.{side}")
    wrist, middle = body.joint(f"wrist.{side}"), body.joint(f"finger3-1.{side}")
    across, fingers = unit(index - little), unit(middle - wrist)
    out = unit(np.cross(across, fingers))
    second, tip = body.joint(f"finger3-2.{side}"), body.tip(f"finger3-3.{side}")
    curls = (tip - second) @ out > (second - middle) @ out * 0.2 and (tip - middle) @ out > 0
    out = out if curls else -out  # fingers bend towards the palm
    return _Hand(across=across, fingers=fingers, palm_out=out, palm=middle + out * 0.22 + fingers * 0.12)


def _phone(rng: Generator) -> tuple[_Mesh, float]:
    v, f = box(np.zeros(3), np.array([0.36, 0.74, 0.04]) * rng.uniform(0.95, 1.1), rings=7, roundness=0.25)
    return (v @ np.array([[0.5, 0.87, 0], [-0.87, 0.5, 0], [0, 0, 1]]), f), 0.0


def _book(rng: Generator) -> tuple[_Mesh, float]:
    return box(np.zeros(3), np.array([0.75, 1.05, rng.uniform(0.05, 0.2)]), rings=7, roundness=0.12), 0.0


def _laptop(rng: Generator) -> tuple[_Mesh, float]:
    return box(np.array([0, 0.3, 0.0]), np.array([1.5, 1.05, 0.09]), rings=7, roundness=0.12), 0.0


def _cup(rng: Generator) -> tuple[_Mesh, float]:
    """Four rings from the outside of its foot over the rim to the inside, and two middles."""
    angle = np.linspace(0, 2 * np.pi, _ROUND, endpoint=False)
    radius, half = rng.uniform(0.3, 0.42), rng.uniform(0.4, 0.8)
    rings = [
        np.stack([radius * wide * np.cos(angle), np.full(_ROUND, y), radius * wide * np.sin(angle)], 1)
        for y, wide in ((-half, 0.82), (half, 1.0), (half - 0.02, 0.93), (-half + 0.1, 0.75))
    ]
    vertices = np.concatenate([*rings, [[0, -half, 0]], [[0, -half + 0.1, 0]]])
    wall = [
        (r * _ROUND + i, r * _ROUND + (i + 1) % _ROUND, (r + 1) * _ROUND + (i + 1) % _ROUND, (r + 1) * _ROUND + i)
        for r in range(3)
        for i in range(_ROUND)
    ]
    foot = [(i, (i + 1) % _ROUND, 4 * _ROUND, -1) for i in range(_ROUND)]
    upright = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]])
    return (vertices @ upright, np.array(wall + foot)), radius - 0.1


def _ball(rng: Generator) -> tuple[_Mesh, float]:
    radius = rng.uniform(0.5, 1.2)
    return box(np.zeros(3), np.full(3, radius), rings=12, roundness=1.0), radius - 0.1


def _stick(rng: Generator) -> tuple[_Mesh, float]:
    along = np.linspace(-rng.uniform(0.5, 2), rng.uniform(2, 6), 24)
    return tube(np.stack([along, np.zeros(24), np.zeros(24)], 1), rng.uniform(0.08, 0.2), sides=8), 0.0


def _bag(rng: Generator, *, tote: bool) -> _Mesh:
    """Hanging down from the origin by two handles."""
    if tote:
        wide, high, drop = rng.uniform(1.3, 2.0), rng.uniform(1.4, 2.1), rng.uniform(0.8, 1.6)
    else:
        wide, high, drop = rng.uniform(0.9, 1.6), rng.uniform(0.6, 1.0), rng.uniform(0.6, 1.0)
    thick = 0.22 if tote else 0.42
    bag = box(np.array([0, -drop - high, 0]), np.array([thick, high, wide]), rings=9, roundness=0.3)
    angle = np.linspace(0, np.pi, 18)
    handles = []
    for x in (-0.12, 0.12):
        y, z = -drop - 0.05 + (drop + 0.06) * np.sin(angle), 0.5 * wide * np.cos(angle)
        handles.append(tube(np.stack([np.full(18, x), y, z], 1), 0.05))
    return merged([bag, *handles])


_MADE: Mapping[str, Callable[[Generator], tuple[_Mesh, float]]] = {
    "phone": _phone,
    "book": _book,
    "laptop": _laptop,
    "cup": _cup,
    "ball": _ball,
    "stick": _stick,
}
"""Vertices along across, fingers, palm; faces; and how far the palm's side they are moved."""
