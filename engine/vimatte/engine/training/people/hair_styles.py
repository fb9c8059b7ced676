"""Styles of hair made of strands alone."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from vimatte.engine.training.people.head import Grown, Head
from vimatte.engine.training.people.maths import Array, unit
from vimatte.engine.training.people.strands import Strands, clumped, coiled, grown, strand_colours

__all__ = ["afro", "bun", "buzz", "cropped", "flowing", "locs", "stray"]

_FULL = 9000
"""Strands of a whole head of hair, at full detail."""
_HANGING = ("s_long", "s_wavy", "s_curly", "s_bobs")


def _along(direction: Array, normals: Array) -> Array:
    """A direction (n, 3) without its part off the skin."""
    out: Array = direction - (direction * normals).sum(1, keepdims=True) * normals
    return out


def buzz(head: Head, style: str) -> Grown:
    """A few millimetres all over."""
    rng = head.rng
    start, normals = head.roots(head.count(_FULL))
    n = len(start)
    direction = normals + rng.normal(0, 0.35, (n, 3))
    length = rng.uniform(0.5, 1, n) * rng.uniform(0.06, 0.16)
    points = grown(head.body, rng, start, normals, direction, length, points=3, collide=False)
    width = rng.uniform(0.006, 0.011, n)
    return Grown(strands=[head.strands(points, width, strand_colours(rng, n, head.colour))], scalp=0.8)


def cropped(head: Head, style: str) -> Grown:
    """Short at the sides, longer on top: combed forwards or back, to the sides (s_side), or not at all (s_messy)."""
    rng, messy = head.rng, style == "s_messy"
    start, normals = head.roots(head.count(8500))
    n = len(start)
    top = head.on_top(start)[:, None]
    longest = rng.uniform(0.3, 0.75) * (1 if style == "s_crop" else 1.25)
    length = (0.1 + rng.uniform(0.1, 0.3) * 0.5 + longest * top[:, 0]) * rng.uniform(0.65, 1.15, n)
    forwards = np.array([0, -0.1, 1.0]) if rng.random() < 0.6 else np.array([0, 0.2, -1.0])
    if style == "s_side":
        comb = head.from_parting(start, back=rng.uniform(-0.3, 0.6))
    else:
        comb = forwards + rng.normal(0, 0.25, (n, 3))
    comb = _along(comb * top + np.array([0, -1, -0.35]) * (1 - top), normals)
    lift = rng.uniform(0.6, 1.4) if messy else rng.uniform(0.2, 0.6)
    direction = normals * lift + unit(comb) * 1.0 + rng.normal(0, 0.4 if messy else 0.12, (n, 3))
    points = grown(
        head.body,
        rng,
        start,
        normals,
        direction,
        length,
        points=6,
        gravity=0.14,
        noise=0.13 if messy else 0.05,
        above=(0.03, 0.3),
    )
    points = clumped(rng, points, amount=rng.uniform(0.1, 0.6), locks=head.count(420))
    width = rng.uniform(0.009, 0.016, n)
    return Grown(strands=[head.strands(points, width, strand_colours(rng, n, head.colour))], scalp=0.85)


def afro(head: Head, style: str) -> Grown:
    """Out from the head in all directions."""
    rng = head.rng
    radius = rng.uniform(0.25, 1.6)
    start, normals = head.roots(head.count(_FULL))
    n = len(start)
    direction = normals * 0.5 + head.outwards(start) + rng.normal(0, 0.3, (n, 3))
    length = radius * rng.uniform(0.55, 1.08, n)
    points = grown(head.body, rng, start, normals, direction, length, points=9, noise=0.42, collide=False)
    width = rng.uniform(0.008, 0.014, n)
    strands = head.strands(points, width, strand_colours(rng, n, head.colour), tip=0.5)
    return Grown(strands=[strands], scalp=0.9, meta={"afro_dm": round(float(radius), 2)})


def locs(head: Head, style: str) -> Grown:
    """Thick uneven locks with fuzz on them."""
    rng = head.rng
    start, normals = head.roots(int(rng.integers(130, 260)), all_over=True)
    n = len(start)
    long = rng.uniform(0.8, 4.2)
    direction = normals * 0.8 + head.from_parting(start, back=0.4) * 0.6 + rng.normal(0, 0.2, (n, 3))
    length = long * rng.uniform(0.75, 1.1, n)
    points = grown(
        head.body, rng, start, normals, direction, length, points=11, gravity=0.45, noise=0.09, above=(0.06, 0.4)
    )
    width = rng.uniform(0.06, 0.12, n)
    colour = strand_colours(rng, n, head.colour, spread=0.12)
    hangs = long > 1.5
    locks = head.strands(points, width, colour, hangs=hangs, tip=0.7)
    locks.width = locks.width * (1 + 0.18 * rng.normal(0, 1, locks.width.shape))
    lock = rng.integers(0, n, head.count(2500))
    count = len(lock)
    at = points[lock, rng.integers(0, 10, count)] + rng.normal(0, 0.02, (count, 3))
    direction, length = rng.normal(0, 1, (count, 3)), rng.uniform(0.06, 0.3, count)
    fuzz = grown(head.body, rng, at, at * 0, direction, length, points=4, noise=0.3, collide=False)
    width = rng.uniform(0.006, 0.012, count)
    loose = head.strands(fuzz, width, strand_colours(rng, count, head.colour), hangs=hangs)
    return Grown(strands=[locks, loose], scalp=0.85)


def _groomed(head: Head, longest: float) -> tuple[Array, Array, Array, Array, int]:
    """Roots, normals, directions (n, 3), lengths (n,) and points of strands combed down from a parting."""
    rng = head.rng
    start, normals = head.roots(head.count(_FULL))
    n = len(start)
    points = int(np.clip(round((longest * 3 + 4) * (1 if head.detail > 0.9 else 0.72)), 6, 14))
    length = longest * rng.uniform(0.8, 1.08, n)
    comb = _along(head.from_parting(start, back=rng.uniform(0.2, 0.9)), normals)
    low = 1 - head.on_top(start)[:, None]
    direction = normals * rng.uniform(0.03, 0.22) + comb * (1 - 0.6 * low) + np.array([0, -1, -0.3]) * low
    return start, normals, direction + rng.normal(0, 0.1, (n, 3)), length, points


def _longest(head: Head, style: str) -> float:
    """Decimetres; every style's is drawn, so that the same chance makes the same person in another style."""
    rng = head.rng
    return {
        "s_long": rng.uniform(2.4, 4.6),
        "s_wavy": rng.uniform(2.0, 4.2),
        "s_curly": rng.uniform(0.9, 2.8) if head.person.female else rng.uniform(0.5, 1.3),
        "s_bobs": rng.uniform(1.5, 2.2),
        "s_bun": 1.6,
    }[style]


def flowing(head: Head, style: str) -> Grown:
    """Long, wavy, curly, or a bob."""
    rng, curly = head.rng, style == "s_curly"
    longest = _longest(head, style)
    start, normals, direction, length, m = _groomed(head, longest)
    gravity = {"s_long": 0.62, "s_wavy": 0.55, "s_curly": 0.34, "s_bobs": 0.6}[style]
    radius = {
        "s_long": rng.uniform(0, 0.03),
        "s_wavy": rng.uniform(0.08, 0.2),
        "s_curly": rng.uniform(0.1, 0.22),
        "s_bobs": rng.uniform(0, 0.05),
    }[style]
    coils = {"s_long": 0.4, "s_wavy": rng.uniform(0.35, 0.7), "s_curly": rng.uniform(1.0, 2.0), "s_bobs": 0.4}[style]
    points = grown(
        head.body,
        rng,
        start,
        normals,
        direction,
        length,
        points=m,
        gravity=gravity,
        noise=0.1 if curly else 0.035,
        above=(0.03, 0.55 if curly else 0.2),
    )
    points = clumped(rng, points, amount=rng.uniform(0.15, 0.65), locks=head.count(300))
    n = len(start)
    lock = cKDTree(start[:: max(1, n // 260)]).query(start)[1]
    phase = rng.uniform(0, 6.28, lock.max() + 1)[lock] + rng.normal(0, 0.5, n)
    t = np.linspace(0, 1, m)[None]
    angle = phase[:, None] + t * length[:, None] * coils * 6.2832
    points = coiled(points, angle, (radius * np.clip(t * 1.7 - 0.12, 0, 1))[..., None], flat=0.8)
    width = rng.uniform(0.008, 0.015, n)
    colour = strand_colours(rng, n, head.colour, spread=0.3)
    return Grown(strands=[head.strands(points, width, colour, hangs=longest > 1.3)], scalp=0.85)


def bun(head: Head, style: str) -> Grown:
    """Drawn over the head to a ball of hair behind it."""
    rng, body = head.rng, head.body
    start, _, _, _, m = _groomed(head, _longest(head, style))
    n = len(start)
    knot = head.place + np.array([0, rng.uniform(0.3, 1.3), -0.75 - rng.uniform(0, 0.25)])
    on_head = body.assets.weights[: len(body.skin), body.assets.bone["head"]] > 0.5
    knot[2] = min(knot[2], body.skin[on_head][:, 2].min() - 0.12)
    end = knot + rng.normal(0, 0.12, (n, 3))
    t = np.linspace(0, 1, m)[None, :, None]
    points = start[:, None] * (1 - t) + end[:, None] * t
    gap = rng.uniform(0.03, 0.1, n)
    for k in range(1, m):
        height, _, index = body.above_skin(points[:, k])
        points[:, k] += body.normals[index] * np.maximum(gap - height, 0)[:, None]
    for _ in range(2):
        inner = points[:, 1:-1].reshape(-1, 3)
        height, _, index = body.above_skin(inner)
        inner = inner + body.normals[index] * np.maximum(0.05 - height, 0)[:, None]
        points[:, 1:-1] = inner.reshape(n, m - 2, 3)
    width = rng.uniform(0.012, 0.02, n)
    drawn = head.strands(points, width, strand_colours(rng, n, head.colour))
    count, radius = head.count(2600), rng.uniform(0.28, 0.5)
    out = unit(rng.normal(0, 1, (count, 3)))
    at = knot + out * radius * rng.uniform(0.5, 1.0, (count, 1))
    around = np.cross(out, unit(rng.normal(0, 1, 3)))
    ball = grown(body, rng, at, at * 0, around, rng.uniform(0.3, 0.8, count), points=7, noise=0.06, collide=False)
    ball = knot + unit(ball - knot) * np.minimum(np.linalg.norm(ball - knot, axis=-1, keepdims=True), radius * 1.05)
    width = rng.uniform(0.012, 0.02, count)
    return Grown(strands=[drawn, head.strands(ball, width, strand_colours(rng, count, head.colour))], scalp=0.9)


def stray(head: Head, style: str, groomed: Array) -> Strands:
    """Single hairs that stand off from a groomed style (n, m, 3)."""
    rng = head.rng
    count = head.count(rng.choice([100, 350, 800]))
    m = groomed.shape[1]
    strand, point = rng.integers(0, len(groomed), count), rng.integers(max(1, m // 4), m, count)
    at = groomed[strand, point]
    along = unit(at - groomed[strand, point - 1])
    off = head.outwards(at) * rng.beta(1.3, 2.5, (count, 1))
    direction = along * 0.9 + off + rng.normal(0, 0.3, (count, 3))
    shorter = {"s_afro": 0.35, "s_crop": 0.45, "s_messy": 0.6, "s_side": 0.5, "s_locs": 0.6, "s_bun": 0.35}
    length = rng.gamma(1.8, 0.2, count).clip(0.06, 1.6) * shorter.get(style, 0.9)
    points = grown(
        head.body,
        rng,
        at,
        at * 0,
        direction,
        length,
        points=6,
        gravity=0.14,
        noise=0.5 if style == "s_afro" else 0.25,
        collide=False,
    )
    width = rng.uniform(0.007, 0.014, count)
    colour = strand_colours(rng, count, np.clip(head.colour * 1.2, 0, 1))
    return head.strands(points, width, colour, hangs=style in _HANGING)
