"""The rasteriser without a compiler: the same picture as rasteriser.c makes, to the bit, drawn by numpy.

All triangles (or strands) of a pass are spread out at once to the samples they may cover. Every line computes in
float32 in the order of the C code, so that both agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vimatte.engine.training.people.maths import Array
from vimatte.engine.training.people.scene import Moment, Scene
from vimatte.engine.training.people.shading import Camera, Shadow, dot, normalised, shade

__all__ = ["rasterise_plainly"]

_EMPTY = np.uint32(0xFFFFFFFF)
_STRAND = np.uint32(0x80000000)
_NEAREST = 0.03
"""Metres before the lens; what is closer is not drawn."""
_GOLDEN = np.float32(0.61803399)
_SHADOW_STEP = 3
"""Every third strand is drawn in a shadow map, three times as wide."""
_AT_ONCE = 1 << 20
"""Samples looked at together: about 100 MB."""


@dataclass(frozen=True, slots=True)
class _Buffer:
    """What is nearest at each sample (h, w): its depth, and what it is."""

    depth: Array
    id: Array

    def put(self, place: Array, depth: Array, what: Array) -> None:
        """Draw fragments, the earlier before the later where they are as near."""
        flat, ids = self.depth.reshape(-1), self.id.reshape(-1)
        nearer = depth > flat[place]
        place, depth, what = place[nearer], depth[nearer], what[nearer]
        np.maximum.at(flat, place, depth)
        wins = depth == flat[place]
        ids[place[wins][::-1]] = what[wins][::-1]


def rasterise_plainly(scene: Scene, frame: Moment) -> tuple[Array, Array]:
    """One frame; see `Rasteriser`."""
    width, height = scene.size
    cover = np.zeros((2 * height, 2 * width), np.uint16)
    colour = np.zeros((height, width, 4), np.float32)
    for number, sample in enumerate(scene.passes):
        vertices, points = _moved(frame.vertices, sample), _moved(frame.points, sample)
        camera = _camera(frame, sample)
        view = _Buffer(
            np.zeros((2 * height, 2 * width), np.float32), np.full((2 * height, 2 * width), _EMPTY, np.uint32)
        )
        screen, fibres = _projected(scene, sample, camera, vertices), _projected(scene, sample, camera, points)
        wide = np.where(fibres[:, 2] > 0, scene.half_width * fibres[:, 2] / _pixel(scene) * 2, np.float32(0))
        _draw_triangles(view, scene, screen, number, perspective=True)
        _draw_strands(view, scene, fibres, wide, number, step=1)
        shadows = []
        for light, direction in enumerate(sample["direction"]):
            shadow = _aimed(direction, frame, scene.shadow_side, number, light)
            side = scene.shadow_side
            cast = _Buffer(shadow.depth, np.full((side, side), _EMPTY, np.uint32))
            wide = scene.half_width * (np.float32(0.5) * (shadow.scale_x + shadow.scale_y))
            _draw_triangles(cast, scene, shadow.seen(vertices), number, perspective=False)
            _draw_strands(cast, scene, shadow.seen(points), wide, number + 1000 * (light + 1), step=_SHADOW_STEP)
            shadows.append(shadow)
        covered = view.id != _EMPTY
        cover += covered
        y, x, weight, chosen = _chosen(covered, number)
        light_there = shade(
            scene,
            frame,
            sample,
            camera,
            shadows,
            vertices,
            points,
            at=chosen,
            depth=view.depth[chosen],
            what=view.id[chosen],
        )
        colour[y, x, :3] += light_there * weight[:, None]
        colour[y, x, 3] += weight
    return cover, colour


def _pixel(scene: Scene) -> np.float32:
    return np.float32(scene.wide / scene.size[0])


def _moved(moments: Array, sample: Array) -> Array:
    """Values before, now and after (3, …) at a pass's time of -1 .. 1."""
    time = sample["time"]
    out: Array = moments[1] + (moments[0 if time < 0 else 2] - moments[1]) * np.abs(time)
    return out


def _camera(frame: Moment, sample: Array) -> Camera:
    place, axes = _moved(frame.places, sample), _moved(frame.axes, sample).reshape(3, 3)
    return Camera(place=place + (axes[0] * sample["lens"][0] + axes[1] * sample["lens"][1]), axes=axes)


def _projected(scene: Scene, sample: Array, camera: Camera, points: Array) -> Array:
    """Samples across and down, and depth (n, 3); depth -1 behind the lens."""
    q = points - camera.place
    z = -dot(camera.axes[2], q)
    seen = z >= np.float32(_NEAREST)
    depth = np.float32(1) / np.where(seen, z, np.float32(1))
    focus = np.float32(scene.focus)
    u = dot(camera.axes[0], q) * depth + sample["lens"][0] / focus
    v = dot(camera.axes[1], q) * depth + sample["lens"][1] / focus
    x = ((u - np.float32(scene.left)) / _pixel(scene) + sample["shift"][0]) * 2
    y = (np.float32(scene.size[1]) - (v - np.float32(scene.bottom)) / _pixel(scene) + sample["shift"][1]) * 2
    out = np.stack([x, y, depth], 1)
    out[~seen] = (0, 0, -1)
    return out


def _hash(x: Array, y: Array | int) -> Array:
    """Chance (…), uint32, of two whole numbers."""
    x, y = np.atleast_1d(np.asarray(x)).astype(np.uint32), np.atleast_1d(np.asarray(y)).astype(np.uint32)
    h = x * np.uint32(0x8DA6B343) ^ y * np.uint32(0xD8163841)
    h = (h ^ h >> np.uint32(15)) * np.uint32(0x2C1B3C6D)
    h = (h ^ h >> np.uint32(12)) * np.uint32(0x297A2D39)
    out: Array = h ^ h >> np.uint32(15)
    return out


def _unit(h: Array) -> Array:
    """0 .. 1, float32."""
    out: Array = (h >> np.uint32(8)).astype(np.float32) * np.float32(1 / 16777216)
    return out


def _fraction(x: Array) -> Array:
    out: Array = x - np.floor(x)
    return out


def _range(low: Array, high: Array, size: int) -> tuple[Array, Array]:
    """First and last sample whose middles lie from low to high, within 0 .. size - 1."""
    first = np.clip(np.ceil(low - np.float32(0.5)).astype(np.int64), 0, size)
    return first, np.minimum(np.floor(high - np.float32(0.5)).astype(np.int64), size - 1)


def _chunks(count: Array) -> Iterator[slice]:
    """Slices of items whose counts add up to no more than is looked at together (or of one item)."""
    ends = np.cumsum(count)
    start = 0
    while start < len(count):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _AT_ONCE, side="right")))
        yield slice(start, stop)
        start = stop


def _spread(count: Array) -> tuple[Array, Array]:
    """For items that have so many samples each: the item of every sample, and its number within the item."""
    item = np.repeat(np.arange(len(count)), count)
    return item, np.arange(len(item)) - np.repeat(np.cumsum(count) - count, count)


def _draw_triangles(buffer: _Buffer, scene: Scene, screen: Array, number: int, *, perspective: bool) -> None:
    height, width = buffer.depth.shape
    a, b, c = (screen[scene.triangles[:, k]] for k in range(3))
    x0, x1 = _range(np.minimum(a, np.minimum(b, c))[:, 0], np.maximum(a, np.maximum(b, c))[:, 0], width)
    y0, y1 = _range(np.minimum(a, np.minimum(b, c))[:, 1], np.maximum(a, np.maximum(b, c))[:, 1], height)
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    seen = (a[:, 2] > 0) & (b[:, 2] > 0) & (c[:, 2] > 0) & (x0 <= x1) & (y0 <= y1) & (area != 0)
    triangle = np.nonzero(seen)[0]
    across = (x1 - x0 + 1)[triangle]
    count = across * (y1 - y0 + 1)[triangle]
    for part in _chunks(count):
        item, place = _spread(count[part])
        t = triangle[part][item]
        dy, dx = np.divmod(place, across[part][item])
        _draw_samples(buffer, scene, screen, t, x0[t], y0[t], dx, dy, number, perspective=perspective)


def _draw_samples(
    buffer: _Buffer,
    scene: Scene,
    screen: Array,
    t: Array,
    x0: Array,
    y0: Array,
    dx: Array,
    dy: Array,
    number: int,
    *,
    perspective: bool,
) -> None:
    """Samples (n,) of triangles t: those inside, by barycentric coordinates."""
    a, b, c = (screen[scene.triangles[t, k]].T for k in range(3))
    one = np.float32(1)
    inverse = one / ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
    ax, ay = (b[1] - c[1]) * inverse, (c[0] - b[0]) * inverse
    bx, by = (c[1] - a[1]) * inverse, (a[0] - c[0]) * inverse
    px, py = x0.astype(np.float32) + np.float32(0.5), y0.astype(np.float32) + np.float32(0.5)
    fx, fy = dx.astype(np.float32), dy.astype(np.float32)
    ka = (px - b[0]) * ax + (py - b[1]) * ay + fy * ay + fx * ax
    kb = (px - c[0]) * bx + (py - c[1]) * by + fy * by + fx * bx
    kc = one - ka - kb
    depth = c[2] + ka * (a[2] - c[2]) + kb * (b[2] - c[2])
    x, y = x0 + dx, y0 + dy
    kept = (ka >= 0) & (kb >= 0) & (kc >= 0) & (depth > 0)
    cut = kept & (scene.materials["cut_out"][scene.triangle_material[t]] != 0)
    if cut.any():
        at = np.nonzero(cut)[0]
        shares = [ka[at], kb[at], kc[at]]
        if perspective:
            z = one / depth[at]
            shares = [share * (corner[2][at] * z) for share, corner in zip(shares, (a, b, c), strict=True)]
        kept[at] = _solid(scene, t[at], shares, x[at], y[at], number)
    place = y * buffer.depth.shape[1] + x
    buffer.put(place[kept], depth[kept], t[kept].astype(np.uint32))


def _solid(scene: Scene, t: Array, shares: list[Array], x: Array, y: Array, number: int) -> Array:
    """Whether cut-out textures are there (n,), by chance as often as their alpha says."""
    uv = scene.triangle_uv[t].T
    u = shares[0] * uv[0] + shares[1] * uv[2] + shares[2] * uv[4]
    v = shares[0] * uv[1] + shares[1] * uv[3] + shares[2] * uv[5]
    material = scene.triangle_material[t]
    of_triangle = _unit(_hash(material, t >> 3))
    threshold = _fraction(_unit(_hash(x, y)) + np.float32(number) * _GOLDEN + of_triangle)
    out: Array = _alpha(scene, material, u, v) > threshold
    return out


def _alpha(scene: Scene, material: Array, u: Array, v: Array) -> Array:
    outside = (u < 0) | (u > 1) | (v < 0) | (v > 1)
    u, v = np.where(outside, _fraction(u), u), np.where(outside, _fraction(v), v)
    chosen = scene.materials[material]
    w, h = chosen["texture_w"].astype(np.int64), chosen["texture_h"].astype(np.int64)
    one, half = np.float32(1), np.float32(0.5)
    x, y = u * w.astype(np.float32) - half, (one - v) * h.astype(np.float32) - half
    ix, iy = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = x - ix.astype(np.float32), y - iy.astype(np.float32)
    x0, x1 = np.clip(ix, 0, w - 1), np.clip(ix + 1, 0, w - 1)
    y0, y1 = np.clip(iy, 0, h - 1), np.clip(iy + 1, 0, h - 1)

    def texel(column: Array, row: Array) -> Array:
        out: Array = scene.texels[chosen["texture"] + (row * w + column) * 4 + 3].astype(np.float32)
        return out

    upper = texel(x0, y0) * (one - fx) + texel(x1, y0) * fx
    lower = texel(x0, y1) * (one - fx) + texel(x1, y1) * fx
    out: Array = (upper * (one - fy) + lower * fy) * (one / np.float32(255))
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segments:
    """Pieces of strands on screen (n,)."""

    a: Array
    b: Array
    """Ends: x, y, depth (3, n)."""
    half: Array
    cover: Array
    threshold: Array
    id: Array

    def __getitem__(self, which: Array | slice) -> _Segments:
        return _Segments(
            a=self.a[:, which],
            b=self.b[:, which],
            half=self.half[which],
            cover=self.cover[which],
            threshold=self.threshold[which],
            id=self.id[which],
        )


def _draw_strands(buffer: _Buffer, scene: Scene, screen: Array, wide: Array, number: int, *, step: int) -> None:
    """Pieces of strands, each as the samples near it; what is thinner than a sample is there now and then."""
    chance = _hash(np.arange(len(scene.strand_colour)), 0x9E37)
    drawn = (chance + np.uint32(number)) % np.uint32(step) == 0
    threshold = _fraction(_unit(chance) + np.float32(number) * _GOLDEN)
    of = scene.strand_of
    first = np.nonzero((of[:-1] == of[1:]) & drawn[of[:-1]] & (screen[:-1, 2] > 0) & (screen[1:, 2] > 0))[0]
    if not len(first):
        return
    half = np.float32(0.5) * (wide[first] + wide[first + 1]) * np.float32(step)
    thin = half < np.float32(0.5)
    segments = _Segments(
        a=screen[first].T,
        b=screen[first + 1].T,
        half=np.where(thin, np.float32(0.5), half),
        cover=np.where(thin, half * 2, np.float32(1)),
        threshold=threshold[of[first]],
        id=_STRAND | first.astype(np.uint32),
    )
    height, width = buffer.depth.shape
    dx, dy = segments.b[0] - segments.a[0], segments.b[1] - segments.a[1]
    x0, x1 = _range(
        np.minimum(*_ends(segments, 0)) - segments.half, np.maximum(*_ends(segments, 0)) + segments.half, width
    )
    y0, y1 = _range(
        np.minimum(*_ends(segments, 1)) - segments.half, np.maximum(*_ends(segments, 1)) + segments.half, height
    )
    seen = (x0 <= x1) & (y0 <= y1)
    steep = np.abs(dy) > np.abs(dx)
    # The order of pieces that are as near as each other matters, so fragments of both kinds are drawn together.
    fragments = [
        _fragments(segments, np.nonzero(seen & steep)[0], (y0, y1), (x0, x1), width, along=1),
        _fragments(segments, np.nonzero(seen & ~steep)[0], (x0, x1), (y0, y1), width, along=0),
    ]
    item, place, depth = (np.concatenate(arrays) for arrays in zip(*fragments, strict=True))
    order = np.argsort(item, kind="stable")
    buffer.put(place[order], depth[order], segments.id[item[order]])


def _ends(segments: _Segments, axis: int) -> tuple[Array, Array]:
    return segments.a[axis], segments.b[axis]


def _fragments(
    segments: _Segments,
    chosen: Array,
    major: tuple[Array, Array],
    minor: tuple[Array, Array],
    width: int,
    *,
    along: int,
) -> tuple[Array, Array, Array]:
    """Pieces walked along one axis: of each fragment its piece, its place in the buffer and its depth."""
    g = segments[chosen]
    other = 1 - along
    d_major, d_minor = g.b[along] - g.a[along], g.b[other] - g.a[other]
    length2 = (g.b[0] - g.a[0]) * (g.b[0] - g.a[0]) + (g.b[1] - g.a[1]) * (g.b[1] - g.a[1])
    across = g.half * np.sqrt(length2)
    still = d_major == 0
    divisor = np.where(still, np.float32(1), d_major)
    slope = np.where(still, np.float32(0), d_minor / divisor)
    reach = np.where(still, g.half, across / np.abs(divisor))
    item, place = _spread((major[1] - major[0] + 1)[chosen])
    step = major[0][chosen][item] + place
    middle = g.a[other][item] + (step.astype(np.float32) + np.float32(0.5) - g.a[along][item]) * slope[item]
    half = np.float32(0.5)
    first = np.maximum(np.ceil(middle - reach[item] - half).astype(np.int64), minor[0][chosen][item])
    last = np.minimum(np.floor(middle + reach[item] - half).astype(np.int64), minor[1][chosen][item])
    row, place = _spread(np.maximum(last - first + 1, 0))
    side = first[row] + place
    x, y = (side, step[row]) if along else (step[row], side)
    kept, depth = _covered(g[item[row]], x, y, across[item[row]], length2[item[row]], width)
    return chosen[item[row][kept]], (y * width + x)[kept], depth[kept]


def _covered(g: _Segments, x: Array, y: Array, across: Array, length2: Array, width: int) -> tuple[Array, Array]:
    """Which samples (n,) lie on their pieces, and their depths."""
    qx = x.astype(np.float32) + np.float32(0.5) - g.a[0]
    qy = y.astype(np.float32) + np.float32(0.5) - g.a[1]
    dx, dy = g.b[0] - g.a[0], g.b[1] - g.a[1]
    t = (qx * dx + qy * dy) * (np.float32(1) / (length2 + np.float32(1e-9)))
    depth = np.minimum(g.a[2] + (g.b[2] - g.a[2]) * t, np.maximum(g.a[2], g.b[2]))
    there = g.cover > _fraction(g.threshold + _unit(_hash(x + width * 7, y)))
    there |= g.cover >= 1
    return (t >= 0) & (t < 1) & (np.abs(qx * dy - qy * dx) <= across) & there, depth


def _aimed(direction: Array, frame: Moment, side: int, number: int, light: int) -> Shadow:
    """A shadow map's axes and bounds, shifted by chance within a pixel."""
    z = direction.astype(np.float32)
    up = np.array([0.93, 0.2, 0.2] if abs(z[2]) > np.float32(0.8) else [0.31, 0.2, 0.93], np.float32)
    x = normalised(_cross(up, z))
    y = _cross(z, x)
    places = np.stack([dot(axis, frame.bounds) for axis in (x, y, z)], 1)
    low, high = np.full(3, 1e9, np.float32), np.full(3, -1e9, np.float32)
    if len(places):
        low, high = np.minimum(low, places.min(0)), np.maximum(high, places.max(0))
    margin = np.float32(0.02) * (high[0] - low[0] + high[1] - low[1]) + np.float32(0.01)
    scale = [np.float32(side) / (high[k] - low[k] + 2 * margin) for k in range(2)]
    jitter = [_unit(_hash(np.array([number]), salt + light))[0] - np.float32(0.5) for salt in (77, 177)]
    origin = [low[k] - margin - jitter[k] / scale[k] for k in range(2)]
    return Shadow(
        axes=np.stack([x, y, z]),
        scale_x=scale[0],
        scale_y=scale[1],
        origin=np.array([*origin, low[2] - np.float32(20)], np.float32),
        depth=np.zeros((side, side), np.float32),
    )


def _cross(a: Array, b: Array) -> Array:
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]], np.float32)


def _chosen(covered: Array, number: int) -> tuple[Array, Array, Array, tuple[Array, Array]]:
    """Of pixels that are covered: row, column, share of their samples, and the sample that is shaded."""
    quads = np.stack([covered[0::2, 0::2], covered[0::2, 1::2], covered[1::2, 0::2], covered[1::2, 1::2]], -1)
    count = quads.sum(-1)
    y, x = np.nonzero(count)
    k = (_hash(x * 3 + number * 7919, y) >> np.uint32(3) & np.uint32(3)).astype(np.int64)
    for _ in range(3):
        k = np.where(quads[y, x, k], k, (k + 1) & 3)
    return y, x, count[y, x].astype(np.float32) * np.float32(0.25), (2 * y + (k >> 1), 2 * x + (k & 1))
