"""Where people stand in a picture: on one ground, as near as they are big, as much hidden as a protocol asks.

People cut by the edge of their own pictures are placed so that the cut lies outside ours. Positions are drawn and
tried on small copies until the occlusion fits on five frames from first to last; people get smaller try by try, and
after 60 tries the nearest stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vimatte.engine.training.data.motion import Way
from vimatte.engine.training.data.occlusion import hidden, overlap
from vimatte.engine.training.data.protocols import Level

__all__ = ["Cut", "Layout", "Person", "arrange", "cut_sides"]

Floats = NDArray[np.float32]
Maps = NDArray[np.float64]

_TRIES = 60
_LOOKS = 5
"""Frames of a clip on which occlusion is tried."""
_PLACES = 8
"""Places compared where somebody shall stand apart."""
_SMALL = 64
"""The longer side of the copies on which occlusion is tried."""
_LARGEST = 1.6
"""People are enlarged no further: they would be soft where a camera is sharp."""
_LEAST_SEEN = 0.01
"""Of the picture, what somebody must cover to be of use."""
_LEAST_INSIDE = 0.45
"""Of somebody, what must lie within the picture."""
_SOLID = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Which sides of a clip's own pictures cut the person."""

    top: bool
    """The head is cut."""
    bottom: bool
    """The legs are cut: a close shot."""
    left: bool
    """Cut at the left."""
    right: bool
    """Cut at the right."""

    @property
    def usable(self) -> bool:
        """Whether one picture can hide all cuts, whatever its size."""
        return not self.top and not (self.left and self.right)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What arranging needs to know of somebody."""

    alphas: Floats
    """(t, h, w), before anything was moved."""
    cut: Cut
    """Sides that must lie outside the picture."""
    way: Way
    """How they drift."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Who stands where."""

    maps: tuple[Maps, ...]
    """(t, 3, 3) for each person: from places in their own pictures to places in ours."""
    order: tuple[int, ...]
    """People from front to back."""
    occlusion: float
    """The level's measure: the largest over the frames tried."""
    fits: bool
    """Whether the level's bounds hold on all frames tried."""


def cut_sides(alphas: Floats) -> Cut:
    """Tell from (t, h, w) where a person runs out of their picture: 3 % of a side, or 4 pixels, of solid alpha."""

    def cut(edge: Floats) -> bool:
        longest = int((edge > _SOLID).sum(axis=-1).max(initial=0))
        return bool(longest >= max(4, 0.03 * edge.shape[-1]))

    return Cut(top=cut(alphas[:, 0]), bottom=cut(alphas[:, -1]), left=cut(alphas[:, :, 0]), right=cut(alphas[:, :, -1]))


def arrange(people: Sequence[Person], rng: Generator, *, level: Level, camera: Way, height: int, width: int) -> Layout:
    """Place people in a picture as `level` asks, under a moving camera."""
    boxes = [_box(one.alphas) for one in people]
    frames = sorted({round(t) for t in np.linspace(0, len(people[0].alphas) - 1, _LOOKS)})
    small = [_Small.of(one.alphas[frames]) for one in people]
    lens = camera.maps((width / 2, height / 2))
    best: tuple[float, Layout] | None = None
    for attempt in range(_TRIES):
        less = 1 - 0.45 * attempt / _TRIES
        scales, order, places = _draw(people, boxes, rng, level=level, less=less, height=height, width=width)
        maps = tuple(
            _tucked(lens @ _placed(one, box, scale, place), one, height=height, width=width)
            for one, box, scale, place in zip(people, boxes, scales, places, strict=True)
        )
        miss, occlusion = _miss([small[k] for k in order], [maps[k][frames] for k in order], level, height, width)
        if best is None or miss < best[0]:
            best = miss, Layout(maps=maps, order=order, occlusion=occlusion, fits=miss == 0)
        if miss == 0:
            break
    assert best is not None
    return best[1]


def _box(alphas: Floats) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what is solid on any frame; the whole picture where nothing is."""
    solid = np.asarray(alphas.max(axis=0) > _SOLID)
    if not solid.any():
        return 0.0, 0.0, float(alphas.shape[2]), float(alphas.shape[1])
    rows, columns = np.flatnonzero(solid.max(axis=1)), np.flatnonzero(solid.max(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _draw(
    people: Sequence[Person],
    boxes: Sequence[tuple[float, float, float, float]],
    rng: Generator,
    *,
    level: Level,
    less: float,
    height: int,
    width: int,
) -> tuple[list[float], tuple[int, ...], list[tuple[float, float]]]:
    """Draw scales, who is in front, and where the middle of everybody's lowest row stands."""
    count = len(people)
    whole = less * rng.uniform(0.5, 0.95) * (1 - 0.06 * max(0, count - 2))
    close = max(less, 0.6)
    horizon, eyes = rng.uniform(0.2, 0.45) * height, rng.uniform(0.75, 1.05)
    scales, bottoms, nearness = [], [], []
    for one, (_, top, _, bottom) in zip(people, boxes, strict=True):
        share = close * rng.uniform(0.65, 1.1) if one.cut.bottom else whole * rng.uniform(0.8, 1.25)
        scale = min(_LARGEST, share * height / (bottom - top))
        tall = scale * (bottom - top)
        # Eyes of people who stand on one ground lie on the horizon of a camera held as high as they are.
        low = height * rng.uniform(1.0, 1.1) if one.cut.bottom else min(horizon + eyes * tall, height * 1.15)
        scales.append(scale)
        bottoms.append(low)
        nearness.append(low + (height if one.cut.bottom else 0))
    order = tuple(int(k) for k in np.argsort(nearness)[::-1])
    if rng.random() < 0.1:
        order = tuple(int(k) for k in rng.permutation(count))
    places: list[tuple[float, float]] = [(0.0, 0.0)] * count
    settled: list[tuple[float, float]] = []
    for k in rng.permutation(count):
        wide = scales[k] * (boxes[k][2] - boxes[k][0])
        middle = _beside(settled, wide, rng, level=level, width=width)
        settled.append((middle, wide))
        places[k] = (middle, bottoms[k])
    return scales, order, places


def _beside(settled: list[tuple[float, float]], wide: float, rng: Generator, *, level: Level, width: int) -> float:
    """Draw where somebody's middle stands: beside or before somebody already placed, or where there is most room.

    `settled` are middles and widths. One who is hidden is enough for a level, so the first two stand as it asks, and of
    the others one in three.
    """
    if not settled:
        return float(rng.uniform(0.15, 0.85) * width)
    if level.high == 0 or (rng.random() < 0.65 and not (len(settled) == 1 and level.low > 0)):
        there = np.array(settled)
        free = rng.uniform(0.05, 0.95, _PLACES) * width
        room = (np.abs(free[:, None] - there[:, 0]) - (wide + there[:, 1]) / 2).min(axis=1)
        return float(free[room.argmax()])
    middle, other = settled[int(rng.integers(len(settled)))]
    share = rng.uniform(level.low, level.high)
    # Figures are not boxes: arms apart leave air, so boxes must overlap more than the figures in them.
    apart = (wide + other) / 2 * (1 - min(1.25 * share + 0.05, 1.0))
    return float(middle + (-1 if rng.random() < 0.5 else 1) * apart)


def _placed(one: Person, box: tuple[float, float, float, float], scale: float, place: tuple[float, float]) -> Maps:
    """Scale somebody, put the middle of their lowest row at `place`, and let them drift about it."""
    left, _, right, bottom = box
    put = np.array(
        [[scale, 0, place[0] - scale * (left + right) / 2], [0, scale, place[1] - scale * bottom], [0, 0, 1]]
    )
    return np.asarray(one.way.maps(place) @ put)


def _tucked(maps: Maps, one: Person, *, height: int, width: int) -> Maps:
    """Shift a whole way so that the sides that cut the person never show."""
    tall, wide = one.alphas.shape[1:]
    out = maps.copy()
    corners = np.array([[0, 0, 1], [wide, 0, 1], [0, tall, 1], [wide, tall, 1]], np.float64)
    places = np.einsum("tij,cj->tci", maps, corners)
    if one.cut.bottom:
        out[:, 1, 2] += max(0.0, height + 1 - float(places[:, 2:, 1].min()))
    if one.cut.left:
        out[:, 0, 2] -= max(0.0, float(places[:, ::2, 0].max()) + 1)
    if one.cut.right:
        out[:, 0, 2] += max(0.0, width + 1 - float(places[:, 1::2, 0].min()))
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class _Small:
    """Small copies of somebody's alphas on the frames tried."""

    alphas: Floats
    """(frames, h, w)."""
    factor: tuple[float, float]
    """How many times wider and higher the original is."""

    @property
    def area(self) -> float:
        """How many pixels of the original one of the copy stands for."""
        return self.factor[0] * self.factor[1]

    @classmethod
    def of(cls, alphas: Floats) -> _Small:
        tall, wide = alphas.shape[1:]
        scale = min(1.0, _SMALL / max(tall, wide))
        size = (max(1, round(wide * scale)), max(1, round(tall * scale)))
        copies = np.stack([cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) for alpha in alphas])
        return cls(alphas=copies, factor=(wide / size[0], tall / size[1]))


def _miss(people: Sequence[_Small], maps: Sequence[Maps], level: Level, height: int, width: int) -> tuple[float, float]:
    """Say by how much the bounds are missed, 0 where they hold, and the measure, of people from front to back."""
    scale = _SMALL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shrink = np.diag([size[0] / width, size[1] / height, 1.0])
    miss, largest, both = 0.0, 0.0, list(zip(people, maps, strict=True))
    for t in range(len(maps[0])):
        there = np.stack(
            [cv2.warpAffine(one.alphas[t], (shrink @ m[t] @ np.diag([*one.factor, 1.0]))[:2], size) for one, m in both]
        )
        parts = hidden(there)
        measure = float(parts.max()) if level.measure == "hidden" else overlap(there)
        # Soft rims touch where people stand apart by a pixel of these small copies.
        high = max(level.high, 0.005)
        miss += max(0.0, level.low - measure) + max(0.0, measure - high) + max(0.0, float(parts.max()) - 0.85)
        seen = there.mean(axis=(1, 2)) * (1 - parts)
        miss += float(np.maximum(0.0, _LEAST_SEEN - seen).sum()) * 20
        wholes = [one.alphas[t].sum() * one.area * abs(np.linalg.det(shrink @ m[t])) for one, m in both]
        inside = there.sum(axis=(1, 2)) / np.maximum(wholes, 1e-6)
        miss += float(np.maximum(0.0, _LEAST_INSIDE - inside).sum())
        largest = max(largest, measure)
    return miss, largest
