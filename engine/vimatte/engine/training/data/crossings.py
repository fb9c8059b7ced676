"""Clips that teach who is who: people pass each other, hide, leave, come back, look alike, change in the light.

Everything a clip of `compose` has, but people go further, frames are skipped, things and strangers pass in front, and
the same person may be there twice. For networks that carry masks from frame to frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vimatte.engine.training.data.backdrop import draw_backdrop
from vimatte.engine.training.data.cast import Member, draw_member, on_screen
from vimatte.engine.training.data.compose import over
from vimatte.engine.training.data.compression import jpeg
from vimatte.engine.training.data.extent import extent
from vimatte.engine.training.data.footage import Footage
from vimatte.engine.training.data.grading import grade
from vimatte.engine.training.data.guide import broken_masks
from vimatte.engine.training.data.motion import Maps, Way, camera_move, smooth
from vimatte.engine.training.data.noise import grain, sensor_noise
from vimatte.engine.training.data.protocols import weighted
from vimatte.engine.training.data.sample import Sample
from vimatte.engine.training.data.settings import Settings

__all__ = ["make_crossing", "skipping"]

Floats = NDArray[np.float32]

_CROSS, _LEAVE, _STAY = 0.45, 0.15, 0.2
"""How often the first two change places, somebody leaves and comes back, and nobody goes anywhere."""
_ALIKE, _STRANGER, _THING = 0.3, 0.25, 0.25
"""How often two are the same person; one has no mask; something passes in front."""
_SLOW = 0.5
"""How often a clip shows a part of the way only, so that people hide each other from the first frame to the last."""
_MOST_SKIPPED = 3
"""Every how many frames of a clip are shown at most."""
_BLINK = 0.3
"""How often the light changes from frame to frame."""


def skipping(people: Footage) -> tuple[Footage, ...]:
    """The same people on every frame, on every second and on every third: what `make_crossing` draws from."""
    return tuple(
        Footage(tuple(replace(source, files=source.files[::skip]) for source in people.sources))
        for skip in range(1, _MOST_SKIPPED + 1)
    )


def make_crossing(
    people: Sequence[Footage], backgrounds: Footage | None, *, settings: Settings, seed: int, index: int
) -> Sample:
    """Compose one clip of what `skipping` gives; the same arguments give the same bytes. Raises MediaError."""
    rng = np.random.default_rng((seed, index))
    (level,) = settings.protocol.levels
    count = level.people[weighted(rng, [share for _, share in level.people])][0]
    strangers = int(rng.random() < _STRANGER)
    skip = int(rng.integers(1, len(people) + 1)) if rng.random() < 0.6 else 1
    camera = _Skipped(
        camera_move(
            rng,
            frames=(settings.frames - 1) * skip + 1,
            size=min(settings.height, settings.width),
            strength=settings.camera,
        ),
        skip,
    )
    cast = _cast(people[skip - 1], rng, settings=settings, count=count + strangers)
    places = _Places(rng, settings=settings, count=len(cast))
    backdrop = draw_backdrop(backgrounds, rng, settings=settings, camera=camera)
    if len(backdrop) == 1:
        backdrop = np.repeat(backdrop, settings.frames, axis=0)
    lens = camera.maps((settings.width / 2, settings.height / 2))
    layers = [
        # Wide blurs go by way of frequencies and end a hair below 0.
        np.maximum(on_screen(one, lens @ places.maps(one, k, rng, settings=settings), rng, settings=settings), 0)
        for k, one in enumerate(cast)
    ]
    order = [int(k) for k in np.argsort(-places.nearness)]
    things = [_thing(rng, backdrop, settings=settings)] if rng.random() < _THING else []
    pictures, seen = over([*things, *(layers[k] for k in order)], backdrop)
    at = {k: len(things) + place for place, k in enumerate(order)}
    rows = [int(k) for k in rng.permutation(count)]
    alphas = np.ascontiguousarray(seen[[at[k] for k in rows]].transpose(1, 0, 2, 3))
    ranks = np.argsort([at[k] for k in rows])
    return Sample(
        pictures=_filmed(pictures, rng, settings=settings),
        alphas=alphas,
        guidance=broken_masks(alphas, rng, strength=settings.guidance),
        names=tuple(cast[k].name for k in rows),
        front_to_back=tuple(int(k) for k in ranks),
        protocol=f"{settings.protocol.name} {level.name}",
        occlusion=0.0,
        seed=(seed, index),
    )


def _cast(people: Footage, rng: Generator, *, settings: Settings, count: int) -> list[Member]:
    """Draw people; the second is now and then the first again, at another time and in nearly the light."""
    # Pictures are read no larger than anybody stands in them.
    small = replace(settings, height=-(-settings.height * 5 // 8), width=-(-settings.width * 5 // 8))
    cast: list[Member] = []
    for k in range(count):
        if k == 1 and rng.random() < _ALIKE:
            same = Footage(tuple(s for s in people.sources if s.name == cast[0].name))
            light = replace(small, grade=small.grade * float(rng.uniform(0, 0.5)))
            cast.append(draw_member(same, rng, settings=light, taken=set()))
        else:
            cast.append(draw_member(people, rng, settings=small, taken={one.name for one in cast}))
    return cast


class _Skipped(Way):
    """Every `skip`-th frame of a way: the camera is quicker where frames are left out."""

    def __init__(self, way: Way, skip: int) -> None:
        self._way, self._skip = way, skip

    def maps(self, pivot: tuple[float, float], *, share: float = 1.0) -> Maps:
        return self._way.maps(pivot, share=share)[:: self._skip]


class _Places:
    """Where everybody goes."""

    def __init__(self, rng: Generator, *, settings: Settings, count: int) -> None:
        frames = settings.frames
        self.tall = np.exp(rng.uniform(np.log(0.35), np.log(1.25))) * np.exp(0.15 * rng.standard_normal(count))
        self.nearness = self.tall + 0.15 * rng.standard_normal(count)
        slots = (rng.permutation(count) + rng.uniform(0.15, 0.85, count)) / count
        times = np.cumsum(np.append(0.0, rng.uniform(0.5, 1.5, frames - 1)))
        share = times / max(times[-1], 1e-6)
        if rng.random() < _SLOW:
            pace = rng.uniform(0.15, 0.6)
            share = rng.uniform(0, 1 - pace) + pace * share
        still = rng.random() < _STAY
        far = 0.0 if still else float(np.exp(rng.normal(0, 0.5)))
        ends = slots + 0.15 * far * rng.standard_normal(count)
        if count > 1 and rng.random() < _CROSS:
            ends[:2] = slots[[1, 0]] + 0.1 * rng.standard_normal(2)
        ways = slots[:, None] + (ends - slots)[:, None] * share
        if rng.random() < _LEAVE:
            who, side = int(rng.integers(count)), 1.4 if rng.random() < 0.5 else -0.4
            middle = 0.5 + 0.25 * rng.standard_normal()
            ways[who] += (side - ways[who]) * np.exp(-0.5 * ((share - middle) / 0.2) ** 2)
        self.middle = ways + 0.02 * far * smooth(rng, frames=frames, columns=count).T
        self.ground = rng.uniform(0.75, 1.1) + 0.1 * rng.standard_normal(count)
        self.bob = (0.01 + 0.02 * far) * smooth(rng, frames=frames, columns=count).T
        self.zoom = np.exp((0.03 + 0.08 * far) * smooth(rng, frames=frames, columns=count).T)
        self.turn = np.radians(4) * smooth(rng, frames=frames, columns=count).T

    def maps(self, one: Member, k: int, rng: Generator, *, settings: Settings) -> Maps:
        """(t, 3, 3) from places in somebody's own pictures to places in ours; sides that cut them lie outside."""
        rows, columns = extent(one.person.alphas)
        tall, wide = one.layer.shape[1:3]
        if rows.stop == 0:
            rows, columns = slice(0, tall), slice(0, wide)
        squash = rng.uniform(0.92, 1.08)
        share = max(self.tall[k], 0.6) if one.person.cut.bottom else self.tall[k]
        out = np.empty((settings.frames, 3, 3))
        for t in range(settings.frames):
            scale = share * settings.height / (rows.stop - rows.start) * self.zoom[k, t]
            ground = max(self.ground[k] + self.bob[k, t], 1.02 if one.person.cut.bottom else 0.0) * settings.height
            cos, sin = scale * np.cos(self.turn[k, t]), scale * np.sin(self.turn[k, t])
            turn = np.array([[cos * squash, -sin], [sin * squash, cos]])
            foot = np.array([(columns.start + columns.stop) / 2, rows.stop])
            out[t] = np.eye(3)
            out[t, :2, :2] = turn
            out[t, :2, 2] = np.array([self.middle[k, t] * settings.width, ground]) - turn @ foot
        return out


def _thing(rng: Generator, backdrop: Floats, *, settings: Settings) -> Floats:
    """Something that passes in front of everybody: a post, a blot or a board, cut from a mirrored background."""
    frames, (height, width) = settings.frames, (settings.height, settings.width)
    shape = np.zeros((height, width), np.float32)
    kind = int(rng.integers(3))
    x, y = rng.uniform(0.1, 0.9, 2) * (width, height)
    if kind == 0:
        thick = rng.uniform(0.02, 0.12) * width
        lean = rng.uniform(-0.2, 0.2) * width
        corners = np.array([[x, -9], [x + thick, -9], [x + thick + lean, height + 9], [x + lean, height + 9]])
        cv2.fillPoly(shape, [np.rint(corners).astype(np.int32)], 1.0, cv2.LINE_AA)
    elif kind == 1:
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        radii = rng.uniform(0.05, 0.22, 9) * min(height, width)
        corners = np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], axis=1)
        cv2.fillPoly(shape, [np.rint(corners).astype(np.int32)], 1.0, cv2.LINE_AA)
    else:
        top = rng.uniform(0.7, 0.95) * height
        cv2.rectangle(shape, (-9, int(top)), (width + 9, height + 9), 1.0, -1)
    texture = grade(np.ascontiguousarray(backdrop[0, ::-1, ::-1]), rng, strength=1.0)
    layer = np.dstack([texture * shape[..., None], shape])
    travel = rng.uniform(-0.08, 0.08) * width if rng.random() < 0.6 else 0.0
    if kind == 2:
        travel = 0.0
    out = np.empty((frames, height, width, 4), np.float32)
    for t, into in enumerate(out):
        move = np.array([[1, 0, travel * (t - frames / 2)], [0, 1, 0]])
        cv2.warpAffine(layer, move, (width, height), into, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    return np.minimum(out, 1)


def _filmed(pictures: Floats, rng: Generator, *, settings: Settings) -> Floats:
    """One grade for all, light that changes, noise, grain, compression."""
    asked = rng.random(5)
    if asked[0] < 0.5:
        pictures = grade(pictures, rng, strength=0.4 * settings.grade)
    if asked[1] < _BLINK:
        gains = np.exp(0.12 * settings.grade * smooth(rng, frames=len(pictures), columns=3)).astype(np.float32)
        pictures = np.minimum(pictures * gains[:, None, None], 1)
    if asked[2] < 0.5:
        pictures = sensor_noise(pictures, rng, strength=settings.noise)
    if asked[3] < 0.15:
        pictures = grain(pictures, rng, strength=settings.noise)
    if asked[4] < 0.5:
        pictures = jpeg(pictures, rng, strength=settings.compression)
    return pictures
