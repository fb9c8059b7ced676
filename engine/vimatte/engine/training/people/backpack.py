"""A backpack with straps that lie on the shoulders and follow them."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.spatial import cKDTree

from vimatte.engine.training.people.body import Body
from vimatte.engine.training.people.colours import linear_cloth
from vimatte.engine.training.people.maths import Array, unit
from vimatte.engine.training.people.mesh import Material, Part, box, merged
from vimatte.engine.training.people.patterns import pattern

__all__ = ["backpack"]

_KINDS = ("plain", "plain", "camo", "mottle")
_STRAP_POINTS = 40
_SMOOTH = 11
"""Points of a strap over which its weights are averaged."""


def backpack(body: Body, rng: Generator, outfit: list[Part]) -> list[Part]:
    """The bag on somebody's back, over what they wear."""
    shoulder = (body.joint("upperarm01.L")[1] + body.joint("upperarm01.R")[1]) / 2
    wide = abs(body.joint("upperarm01.L")[0])
    high = rng.uniform(1.6, 2.4)
    middle = shoulder - high / 2 + rng.uniform(-0.1, 0.35)
    tops = [part for part in outfit if part.name == "top"]
    cloth = np.concatenate([part.vertices for part in tops] or [body.skin])
    weights = np.concatenate([part.weights for part in tops] or [body.assets.weights[: len(body.skin)]])
    back = cloth[(np.abs(cloth[:, 0]) < wide * 0.6) & (np.abs(cloth[:, 1] - middle) < high * 0.5), 2].min()
    deep = rng.uniform(0.5, 1.0)
    centre = np.array([0, middle, back - deep * 0.8])
    size = np.array([wide * rng.uniform(0.6, 0.9), high / 2, deep])
    bag = box(centre, size, rings=9, roundness=rng.uniform(0.35, 0.6))
    # A pattern was drawn for bags that plain colours then looked better on; its chance is spent as ever.
    pattern(rng, 256, scale=0.6, kind=str(rng.choice(_KINDS)))
    material = Material(colour=linear_cloth(rng), roughness=0.85)
    pocket = box(
        centre + np.array([0, -high * 0.18, -deep * 0.75]),
        np.array([wide * 0.5, high * 0.22, deep * 0.4]),
        rings=7,
        roundness=0.5,
    )
    vertices, faces = merged([bag, pocket])
    rigid = body.rigid(len(vertices), "spine02")
    parts = [
        Part(name="backpack", kind="prop", vertices=vertices, faces=faces, uv=None, weights=rigid, material=material)
    ]
    nearest = cKDTree(cloth)
    meshes, strap_weights = [], []
    for side in (1, -1):
        path = _path(cloth, shoulder=shoulder, wide=wide, side=side, behind=centre[2] + deep * 0.9)
        if path is None:
            continue
        meshes.append(_band(body, rng, path, shoulder=shoulder))
        strap_weights.append(_calm(body, weights[nearest.query(path)[1]]))
    if meshes:
        vertices, faces = merged(meshes)
        parts.append(
            Part(
                name="strap",
                kind="prop",
                vertices=vertices,
                faces=faces,
                uv=None,
                weights=np.concatenate(strap_weights),
                material=material,
            )
        )
    return parts


def _path(cloth: Array, *, shoulder: float, wide: float, side: int, behind: float) -> Array | None:
    """Points (40, 3) from the bag over a shoulder and down the chest, on the cloth; None where there is no cloth."""
    down = [(shoulder - 0.1 - k * 0.32, 0.84 + max(0, k - 3) * 0.13, 1) for k in range(8)]
    points: list[list[float]] = []
    for y, x, facing in [(shoulder - 0.2, 0.62, -1), (shoulder + 0.15, 0.72, -1), (None, 0.78, 0), *down]:
        sideways = np.abs(cloth[:, 0] * side - x)
        near = cloth[sideways < 0.16] if y is None else cloth[(sideways < 0.22) & (np.abs(cloth[:, 1] - y) < 0.22)]
        if len(near) == 0:
            continue
        if y is None:
            top = near[near[:, 1].argmax()]
            points.append([side * x, top[1] + 0.07, top[2]])
        else:
            z = near[:, 2].max() + 0.05 if facing > 0 else near[:, 2].min() - 0.05
            points.append([side * x, y, z])
    if len(points) < 4:
        return None
    points.append([side * (wide + 0.12), points[-1][1] - 0.25, behind])
    rough = np.array(points)
    at = np.linspace(0, len(rough) - 1, _STRAP_POINTS)
    path = np.stack([np.interp(at, np.arange(len(rough)), rough[:, k]) for k in range(3)], 1)
    for _ in range(3):
        path[1:-1] = (path[:-2] + 2 * path[1:-1] + path[2:]) / 4
    return path


def _band(body: Body, rng: Generator, path: Array, *, shoulder: float) -> tuple[Array, Array]:
    """A flat band along a path, facing away from the chest."""
    along = unit(np.gradient(path, axis=0))
    chest = np.array([0, shoulder - 1.2, body.joint("spine02")[2]])
    outwards = unit(path - chest)
    across = unit(np.cross(along, outwards))
    half = rng.uniform(0.13, 0.22)
    left, right, lift = path - across * half, path + across * half, outwards * 0.05
    vertices = np.stack([left, left + lift, right + lift, right], 1).reshape(-1, 3)
    faces = [
        (i * 4 + j, i * 4 + (j + 1) % 4, (i + 1) * 4 + (j + 1) % 4, (i + 1) * 4 + j)
        for i in range(len(path) - 1)
        for j in range(4)
    ]
    return vertices, np.array(faces)


def _calm(body: Body, weights: Array) -> Array:
    """Weights (n, b) of the cloth under a strap, less of the arms, smoothed along it, for its four edges (4 n, b)."""
    weights = weights.copy()
    weights[:, body.assets.bones_of("upperarm", "lowerarm", "shoulder")] *= 0.15
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-6)
    kernel = np.ones(_SMOOTH) / _SMOOTH
    columns = [
        np.convolve(np.pad(column, _SMOOTH // 2, mode="edge"), kernel, "valid") if column.any() else column
        for column in weights.T
    ]
    return np.repeat(np.stack(columns, 1), 4, 0)
