"""From somebody who moves, lit and filmed, to the flat arrays a rasteriser takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vimatte.engine.training.people.camera import TO_WORLD, Camera
from vimatte.engine.training.people.lighting import Lighting
from vimatte.engine.training.people.maths import Array, unit
from vimatte.engine.training.people.mesh import Part
from vimatte.engine.training.people.scene import MATERIAL, Scene
from vimatte.engine.training.people.strands import Strands

__all__ = ["MovingPart", "MovingStrands", "staged"]

_AMBIENT = 0.10
"""How much of the sky lights everything, shadowed or not: what bounces around."""
_SPECULAR = {"skin": 0.028, "cloth": 0.035}
_DIELECTRIC = 0.04
_SKIN_WRAP = (0.42, 0.2, 0.14)
"""How far light goes around into the shade of skin: red the furthest."""
_WRAP = (0.04, 0.04, 0.04)
_CLOTH_GLOSS = 0.5
_SHADOW_SIDE = 640
_CLOSE_SHADOW_SIDE = 768
_METRES = 0.1
_CROWN = (0, 0.45, 0.3)
"""From the head's bone to the middle that hair stands away from, decimetres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovingPart:
    """A part and where its vertices are."""

    part: Part
    places: Array
    """Metres (k, n, 3), float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovingStrands:
    """Strands and where their points are."""

    strands: Strands
    places: Array
    """Metres (k, n m, 3), float32."""


def staged(
    parts: list[MovingPart],
    hair: list[MovingStrands],
    *,
    head: Array,
    turns: Array,
    camera: Camera,
    light: Lighting,
    passes: Array,
    focus: float,
    close: bool,
) -> Scene:
    """All of a clip; `head` (3,) is the head's place at rest, `turns` (k, 3, 3) its turns, with y up."""
    triangles, uv, material_of = _triangles(parts)
    materials, texels = _materials([moving.part for moving in parts])
    strands = _Strands.gathered(hair, head=head, turns=turns, count=len(turns))
    return Scene(
        size=camera.size,
        left=float(camera.left),
        bottom=float(camera.bottom),
        wide=float(camera.wide),
        high=float(camera.top - camera.bottom),
        focus=focus,
        camera_places=camera.places,
        camera_axes=camera.axes,
        passes=passes,
        vertices=_flat(np.concatenate([moving.places for moving in parts], 1)),
        triangles=triangles,
        triangle_uv=uv,
        triangle_material=material_of,
        points=_flat(strands.points),
        point_normals=_flat(strands.normals),
        half_width=_flat(strands.half_width),
        strand_start=np.concatenate([[0], np.cumsum(strands.counts)]).astype(np.int32),
        strand_of=np.repeat(np.arange(len(strands.counts)), strands.counts).astype(np.int32),
        strand_colour=_flat(strands.colour),
        materials=materials,
        texels=texels,
        sky=_flat(np.stack([light.top, light.horizon, light.bottom, np.full(3, _AMBIENT)])),
        shadow_side=_CLOSE_SHADOW_SIDE if close else _SHADOW_SIDE,
    )


def _flat(a: Array) -> Array:
    return np.ascontiguousarray(a, np.float32)


def _triangles(parts: list[MovingPart]) -> tuple[Array, Array, Array]:
    """Corners (t, 3), int32, texture coordinates (t, 6), float32, and material (t,), int32, of all parts."""
    corners, uvs, materials, offset = [], [], [], 0
    for number, moving in enumerate(parts):
        part = moving.part
        uv = np.zeros((*part.faces.shape, 2)) if part.uv is None else part.uv
        quads = part.faces[:, 3] >= 0
        second = [0, 2, 3]
        corners.append(np.concatenate([part.faces[:, :3], part.faces[quads][:, second]]) + offset)
        uvs.append(np.concatenate([uv[:, :3], uv[quads][:, second]]).reshape(-1, 6))
        materials.append(np.full(len(corners[-1]), number))
        offset += len(part.vertices)
    flat = np.ascontiguousarray(np.concatenate(corners), np.int32)
    return flat, _flat(np.concatenate(uvs)), np.concatenate(materials).astype(np.int32)


def _materials(parts: list[Part]) -> tuple[Array, Array]:
    """(m,) of MATERIAL, and the bytes of all their textures."""
    out = np.zeros(len(parts), MATERIAL)
    texels: list[Array] = []
    size = 0

    def placed(picture: Array | None) -> tuple[int, int, int]:
        nonlocal size
        if picture is None:
            return -1, 0, 0
        height, width, channels = picture.shape
        opaque = np.ones((height, width, 4 - channels), np.float32)
        rgba = (np.clip(np.concatenate([picture, opaque], 2), 0, 1) * 255 + 0.5).astype(np.uint8)
        texels.append(rgba.ravel())
        start, size = size, size + rgba.size
        return start, width, height

    for row, part in zip(out, parts, strict=True):
        material, skin, cloth = part.material, part.kind == "skin", part.kind == "cloth"
        row["cut_out"], row["hair"] = material.cut_out, part.kind == "hair"
        row["texture"], row["texture_w"], row["texture_h"] = placed(material.texture)
        row["normal"], row["normal_w"], row["normal_h"] = placed(material.normal_map)
        row["colour"], row["roughness"] = material.colour, material.roughness
        row["specular"] = _SPECULAR.get(part.kind, _DIELECTRIC)
        row["translucence"], row["normal_strength"] = material.translucence, material.normal_strength
        row["wrap"] = _SKIN_WRAP if skin else _WRAP
        row["gloss"] = _CLOTH_GLOSS if cloth else 1.0
    return out, np.concatenate(texels) if texels else np.zeros(4, np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Strands:
    """All sets of strands, one after the other."""

    points: Array
    normals: Array
    half_width: Array
    colour: Array
    counts: Array

    @staticmethod
    def gathered(hair: list[MovingStrands], *, head: Array, turns: Array, count: int) -> _Strands:
        points, normals = [np.zeros((count, 0, 3))], [np.zeros((count, 0, 3))]
        widths, colours, counts = [np.zeros(0)], [np.zeros((0, 3))], [np.zeros(0, int)]
        for moving in hair:
            strands = moving.strands
            n, m = strands.points.shape[:2]
            order = _near_together(strands.points[:, m // 2])
            rest = strands.points[order]
            out = unit(rest - (head + np.array(_CROWN))).reshape(-1, 3)
            points.append(moving.places.reshape(count, n, m, 3)[:, order].reshape(count, -1, 3))
            normals.append(np.einsum("tij,nj->tni", TO_WORLD @ turns, out))
            widths.append((strands.width[order] * (_METRES / 2)).ravel())
            colours.append(strands.colour[order])
            counts.append(np.full(n, m))
        return _Strands(
            points=np.concatenate(points, 1),
            normals=np.concatenate(normals, 1),
            half_width=np.concatenate(widths),
            colour=np.concatenate(colours),
            counts=np.concatenate(counts),
        )


def _near_together(points: Array) -> Array:
    """An order in which neighbours (n, 3) are drawn one after the other: faster, as memory is near."""
    return np.lexsort((points[:, 0], np.round(points[:, 1] * 4)))
