"""How light falls on skin, cloth and hair: what rasteriser.c computes a sample at a time, for all samples at once.

Every line computes in float32 in the order of the C code, so that both agree to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vimatte.engine.training.people.film import LINEAR
from vimatte.engine.training.people.maths import Array
from vimatte.engine.training.people.scene import Moment, Scene

__all__ = ["Camera", "Shadow", "dot", "normalised", "shade"]

_STRAND = np.uint32(0x80000000)
_ONE = np.float32(1)
_ZERO = np.float32(0)


def dot(a: Array, b: Array) -> Array:
    """Dot products (…) of vectors (…, 3), added in order."""
    out: Array = a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]
    return out


def normalised(a: Array) -> Array:
    """Vectors (…, 3) of length 1."""
    out: Array = a * (_ONE / np.sqrt(dot(a, a) + np.float32(1e-20)))[..., None]
    return out


def _cross(a: Array, b: Array) -> Array:
    (ax, ay, az), (bx, by, bz) = a.T, b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """At one moment, from one point of the lens."""

    place: Array
    """(3,)."""
    axes: Array
    """Rows right, up, back (3, 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A shadow map."""

    axes: Array
    """Rows: across, up, towards the light (3, 3)."""
    scale_x: np.float32
    scale_y: np.float32
    origin: Array
    """(3,)."""
    depth: Array
    """Height along the light (side, side)."""

    def seen(self, points: Array) -> Array:
        """Points (n, 3) in the map: pixels across and down, and height."""
        x, y, z = (dot(axis, points) for axis in self.axes)
        ox, oy, oz = self.origin
        return np.stack([(x - ox) * self.scale_x, (y - oy) * self.scale_y, z - oz], 1)

    def lit(self, points: Array, bias: Array) -> Array:
        """1 where the light reaches a point (n,), else 0."""
        x, y, z = self.seen(points).T
        side = self.depth.shape[0]
        inside = (x >= 0) & (y >= 0) & (x < side) & (y < side)
        column, row = np.where(inside, x, _ZERO).astype(np.int64), np.where(inside, y, _ZERO).astype(np.int64)
        out: Array = np.where(inside & (self.depth[row, column] > z + bias), _ZERO, _ONE)
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class _Samples:
    """What is shaded (n,)."""

    at: Array
    view: Array
    normal: Array
    face: Array
    """Normal of the surface itself."""
    tangent: Array
    albedo: Array
    """All (n, 3)."""
    material: Array
    """(n,) of MATERIAL."""
    strand: Array
    hair: Array
    """Whether it is a strand; a strand or hair on a mesh."""


def shade(
    scene: Scene,
    frame: Moment,
    sample: Array,
    camera: Camera,
    shadows: list[Shadow],
    vertices: Array,
    points: Array,
    *,
    at: tuple[Array, Array],
    depth: Array,
    what: Array,
) -> Array:
    """Light (n, 3) of samples at rows and columns `at`, at depths (n,), of triangles or strands `what` (n,)."""
    p = _samples(scene, frame, sample, camera, vertices, points, at=at, depth=depth, what=what)
    light = np.zeros((len(what), 3), np.float32)
    bias = np.float32(frame.shadow_bias)
    off = np.where(p.strand, np.float32(0.004), bias)
    slack = np.where(p.strand, np.float32(0.016), bias * np.float32(0.9))
    for number, shadow in enumerate(shadows):
        visible = shadow.lit(p.at + p.face * off[:, None], slack)
        direction, radiance = sample["direction"][number], sample["radiance"][number]
        hair = _hair_light(p, direction, radiance, visible)
        surface = _surface_light(p, direction, radiance, visible, light, sky=number == 1)
        light = np.where(p.hair[:, None], light + hair, surface)
    return _sky_light(p, scene.sky, light)


def _samples(
    scene: Scene,
    frame: Moment,
    sample: Array,
    camera: Camera,
    vertices: Array,
    points: Array,
    *,
    at: tuple[Array, Array],
    depth: Array,
    what: Array,
) -> _Samples:
    rows, columns = at
    half, pixel = np.float32(0.5), np.float32(scene.wide / scene.size[0])
    sx, sy = columns.astype(np.float32) + half, rows.astype(np.float32) + half
    (shift_x, shift_y), (lens_x, lens_y), focus = sample["shift"], sample["lens"], np.float32(scene.focus)
    u = np.float32(scene.left) + (sx * half - shift_x) * pixel - lens_x / focus
    v = np.float32(scene.bottom) + (np.float32(scene.size[1]) - (sy * half - shift_y)) * pixel - lens_y / focus
    right, up, back = camera.axes
    ray = right * u[:, None] + up * v[:, None] - back
    place = camera.place + ray * (_ONE / depth)[:, None]
    view = normalised(-ray)
    strand = (what & _STRAND) != 0
    n = len(what)
    out = _Samples(
        at=place,
        view=view,
        normal=np.empty((n, 3), np.float32),
        face=np.empty((n, 3), np.float32),
        tangent=np.zeros((n, 3), np.float32),
        albedo=np.empty((n, 3), np.float32),
        material=np.empty(n, scene.materials.dtype),
        strand=strand,
        hair=strand.copy(),
    )
    _strand_samples(out, scene, frame, points, np.nonzero(strand)[0], what)
    _surface_samples(out, scene, frame, vertices, np.nonzero(~strand)[0], what)
    return out


def _strand_samples(out: _Samples, scene: Scene, frame: Moment, points: Array, at: Array, what: Array) -> None:
    j = (what[at] & ~_STRAND).astype(np.int64)
    of = scene.strand_of[j]
    start = scene.strand_start[of]
    count = scene.strand_start[of + 1] - start
    lighter = np.float32(0.72) + np.float32(0.45) * ((j - start).astype(np.float32) / count.astype(np.float32))
    out.tangent[at] = normalised(points[j + 1] - points[j])
    out.normal[at] = out.face[at] = normalised(frame.point_normals[j])
    out.albedo[at] = scene.strand_colour[of] * lighter[:, None]
    out.material[at] = scene.materials[0]


def _surface_samples(out: _Samples, scene: Scene, frame: Moment, vertices: Array, at: Array, what: Array) -> None:
    t = what[at].astype(np.int64)
    corners = scene.triangles[t]
    a = vertices[corners[:, 0]]
    e1, e2, ep = vertices[corners[:, 1]] - a, vertices[corners[:, 2]] - a, out.at[at] - a
    d11, d12, d22, dp1, dp2 = dot(e1, e1), dot(e1, e2), dot(e2, e2), dot(ep, e1), dot(ep, e2)
    inverse = _ONE / (d11 * d22 - d12 * d12 + np.float32(1e-20))
    kb = np.minimum(_ONE, np.maximum(_ZERO, (d22 * dp1 - d12 * dp2) * inverse))
    kc = np.minimum(_ONE, np.maximum(_ZERO, (d11 * dp2 - d12 * dp1) * inverse))
    ka = _ONE - kb - kc
    na, nb, nc = (frame.normals[corners[:, k]] for k in range(3))
    normal = normalised(ka[:, None] * na + kb[:, None] * nb + kc[:, None] * nc)
    uv = scene.triangle_uv[t].T
    u, v = ka * uv[0] + kb * uv[2] + kc * uv[4], ka * uv[1] + kb * uv[3] + kc * uv[5]
    face = normalised(_cross(e1, e2))
    face = np.where((dot(face, normal) < 0)[:, None], -face, face)
    material = scene.materials[scene.triangle_material[t]]
    textured = np.nonzero(material["texture"] >= 0)[0]
    albedo = material["colour"].copy()
    albedo[textured] = _colour(scene, material[textured], u[textured], v[textured])
    bumpy = np.nonzero(material["normal"] >= 0)[0]
    if len(bumpy):
        corners_uv = uv[:, bumpy]
        normal[bumpy] = _bumped(
            scene, material[bumpy], normal[bumpy], corners_uv, e1[bumpy], e2[bumpy], u[bumpy], v[bumpy]
        )
    behind = (dot(face, out.view[at]) < 0)[:, None]
    out.normal[at], out.face[at] = np.where(behind, -normal, normal), np.where(behind, -face, face)
    out.albedo[at], out.material[at] = albedo, material
    out.hair[at] = material["hair"] != 0


def _fraction(x: Array) -> Array:
    out: Array = x - np.floor(x)
    return out


def _colour(scene: Scene, material: Array, u: Array, v: Array) -> Array:
    """Bilinear, repeated, in linear light (n, 3)."""
    u, v = np.where(u == 1, u, _fraction(u)), np.where(v == 1, v, _fraction(v))
    w, h = material["texture_w"].astype(np.int64), material["texture_h"].astype(np.int64)
    half = np.float32(0.5)
    x, y = u * w.astype(np.float32) - half, (_ONE - v) * h.astype(np.float32) - half
    ix, iy = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = x - ix.astype(np.float32), y - iy.astype(np.float32)
    x0, x1, y0, y1 = ix % w, (ix + 1) % w, iy % h, (iy + 1) % h

    def texel(column: Array, row: Array) -> Array:
        first = material["texture"] + (row * w + column) * 4
        out: Array = LINEAR[scene.texels[first[:, None] + np.arange(3)]]
        return out

    wa, wb, wc, wd = (_ONE - fx) * (_ONE - fy), fx * (_ONE - fy), (_ONE - fx) * fy, fx * fy
    upper = texel(x0, y0) * wa[:, None] + texel(x1, y0) * wb[:, None]
    out: Array = upper + texel(x0, y1) * wc[:, None] + texel(x1, y1) * wd[:, None]
    return out


def _bumped(scene: Scene, material: Array, normal: Array, uv: Array, e1: Array, e2: Array, u: Array, v: Array) -> Array:
    """Normals (n, 3) tilted by a normal map; `uv` (6, n) at the triangles' corners."""
    du1, dv1, du2, dv2 = uv[2] - uv[0], uv[3] - uv[1], uv[4] - uv[0], uv[5] - uv[1]
    det = du1 * dv2 - du2 * dv1
    flat = ~(np.abs(det) > np.float32(1e-12))
    r = _ONE / np.where(flat, _ONE, det)
    along = normalised((e1 * dv2[:, None] - e2 * dv1[:, None]) * r[:, None])
    across = normalised((e2 * du1[:, None] - e1 * du2[:, None]) * r[:, None])
    w, h = material["normal_w"].astype(np.int64), material["normal_h"].astype(np.int64)
    x = (_fraction(u) * w.astype(np.float32)).astype(np.int64) % w
    y = ((_ONE - _fraction(v)) * h.astype(np.float32)).astype(np.int64) % h
    first = material["normal"] + (y * w + x) * 4
    tx, ty, tz = (scene.texels[first + k].astype(np.float32) / np.float32(127.5) - _ONE for k in range(3))
    nx, ny = tx * material["normal_strength"], ty * material["normal_strength"]
    nz = np.maximum(np.float32(0.2), tz)
    tilted = normalised(normal * nz[:, None] + along * nx[:, None] + across * ny[:, None])
    return np.where(flat[:, None], normal, tilted)


def _hair_light(p: _Samples, light: Array, radiance: Array, visible: Array) -> Array:
    """What a lamp adds on hair: Kajiya and Kay 1989 on strands."""
    half = normalised(light + p.view)
    facing = dot(p.normal, light)
    along = dot(p.tangent, light)
    across = np.sqrt(np.maximum(_ZERO, _ONE - along * along))
    f = np.float32
    fibre = f(0.68) * np.maximum(_ZERO, (facing + f(0.35)) / f(1.35)) + f(0.25) * across
    th = dot(p.tangent, half)
    x1 = np.sqrt(np.maximum(_ZERO, _ONE - th * th))
    x2 = x1 * x1
    x4 = x2 * x2
    x8 = x4 * x4
    x16 = x8 * x8
    x32 = x16 * x16
    gleam = x32 * x16 * x8 * x4 * f(0.9) + x8 * x4 * x2 * f(0.18)
    mesh = np.maximum(_ZERO, (facing + f(0.25)) / f(1.25)) * f(0.8)
    mesh = mesh + p.material["translucence"] * np.maximum(_ZERO, -facing)
    nh = np.maximum(_ZERO, dot(p.normal, half))
    n2 = nh * nh
    n4 = n2 * n2
    n8 = n4 * n4
    diffuse = np.where(p.strand, fibre, mesh)
    shine = np.where(p.strand, gleam, n8 * n8 * n2 * f(0.35))
    behind = np.maximum(_ZERO, -dot(p.view, light))
    b2 = behind * behind
    rim = f(0.35) * (b2 * b2 * b2)
    colour = p.albedo * (diffuse + rim * f(1.5))[:, None]
    colour = colour + (f(0.04) + f(0.35) * p.albedo) * shine[:, None] * f(0.5)
    out: Array = visible[:, None] * radiance * colour
    return out


def _surface_light(p: _Samples, light: Array, radiance: Array, visible: Array, before: Array, *, sky: bool) -> Array:
    """Light (n, 3) and what a lamp adds on skin and cloth: wrapped diffuse, what shines through, GGX highlights."""
    m, f = p.material, np.float32
    facing = dot(p.normal, light)[:, None]
    seen_by = visible[:, None]
    wrap = m["wrap"]
    diffuse = np.maximum(_ZERO, (facing + wrap) / ((_ONE + wrap) * (_ONE + wrap)))
    in_shade = np.maximum(seen_by, f(0.6) * (_ONE + facing / (wrap + f(1e-3))))
    seen = np.where(facing < 0, in_shade, seen_by)
    seen = np.where(facing < -wrap, _ZERO, seen)
    out = before + p.albedo * diffuse * seen * radiance
    through = m["translucence"][:, None]
    out = np.where((through > 0) & (facing < 0), out + p.albedo * through * -facing * seen_by * radiance, out)
    shine = _highlight(p, light, facing[:, 0], sky=sky)
    there = (facing > 0) & (seen_by > 0) & (m["specular"][:, None] > 0)
    return np.asarray(np.where(there, out + shine[:, None] * radiance * m["gloss"], out))


def _highlight(p: _Samples, light: Array, facing: Array, *, sky: bool) -> Array:
    m, f = p.material, np.float32
    rough = np.maximum(m["roughness"], f(0.35)) if sky else m["roughness"]
    half = normalised(light + p.view)
    nv, nh = np.maximum(_ZERO, dot(p.normal, p.view)), np.maximum(_ZERO, dot(p.normal, half))
    away = _ONE - np.maximum(_ZERO, dot(p.view, half))
    away2 = away * away
    a2 = rough * rough * rough * rough + f(1e-4)
    dn = nh * nh * (a2 - _ONE) + _ONE
    d = a2 / (dn * dn)
    fresnel = m["specular"] + (_ONE - m["specular"]) * (away2 * away2 * away) * (_ONE - m["roughness"])
    k2 = rough * rough * f(0.5)
    lit = np.where(facing > 0, facing, _ONE)
    g = _ONE / ((lit * (_ONE - k2) + k2) * (nv * (_ONE - k2) + k2 + f(1e-3)))
    return np.asarray(np.minimum(d * fresnel * g * f(0.25) * lit, f(4)))


def _sky_at(sky: Array, direction: Array) -> Array:
    up = direction[:, 2:3]
    above = sky[1] + (sky[0] - sky[1]) * np.sqrt(np.maximum(up, _ZERO))
    below = sky[1] + (sky[2] - sky[1]) * np.minimum(_ONE, -up * np.float32(3))
    return np.asarray(np.where(up > 0, above, below))


def _sky_light(p: _Samples, sky: Array, light: Array) -> Array:
    """Light (n, 3) with a little of the sky from everywhere, and its mirror image."""
    m, f = p.material, np.float32
    light = light + p.albedo * sky[3] * _sky_at(sky, p.normal)
    nv = dot(p.normal, p.view)
    mirror = p.normal * (2 * nv)[:, None] - p.view
    away = _ONE - np.maximum(_ZERO, nv)
    away2 = away * away
    matt = _ONE - m["roughness"]
    fresnel = m["specular"] + (_ONE - m["specular"]) * (away2 * away2 * away) * matt * matt
    shine = _sky_at(sky, mirror) * fresnel[:, None] * f(0.45) * m["gloss"]
    return np.where((~p.strand & (m["specular"] > 0))[:, None], light + shine, light)
