"""People put one before the other into a picture: the training clip and its truth."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vimatte.engine.matting.oavm.merging import Clip, random_merge
from vimatte.engine.training.data.backdrop import draw_backdrop
from vimatte.engine.training.data.cast import Member, draw_member, on_screen
from vimatte.engine.training.data.compression import jpeg
from vimatte.engine.training.data.extent import extent
from vimatte.engine.training.data.footage import Footage
from vimatte.engine.training.data.grading import grade
from vimatte.engine.training.data.guide import broken_masks
from vimatte.engine.training.data.layout import arrange
from vimatte.engine.training.data.motion import camera_move
from vimatte.engine.training.data.noise import grain, sensor_noise
from vimatte.engine.training.data.occlusion import STEP, seen_through
from vimatte.engine.training.data.planes import alpha_of, weighed
from vimatte.engine.training.data.sample import Sample
from vimatte.engine.training.data.settings import Settings
from vimatte.engine.training.data.wrap import light_wrap

__all__ = ["make_sample", "over"]

Floats = NDArray[np.float32]

_CASTS = 3
"""Casts tried where people do not fit: four in close shots cannot stand apart."""


def make_sample(people: Footage, backgrounds: Footage | None, *, settings: Settings, seed: int, index: int) -> Sample:
    """Compose one clip; the same arguments give the same bytes, on whatever machine or worker. Raises MediaError.

    Layers are mixed in sRGB-coded values, as in the published sets and benchmarks, so that an alpha is a share of code
    values. Without `backgrounds` all stand before dead leaves.
    """
    rng = np.random.default_rng((seed, index))
    level, count = settings.protocol.pick(rng)
    camera = camera_move(
        rng, frames=settings.frames, size=min(settings.height, settings.width), strength=settings.camera
    )
    for _ in range(_CASTS):
        cast = _draw_cast(people, rng, settings=settings, count=count)
        layout = arrange(
            [one.person for one in cast], rng, level=level, camera=camera, height=settings.height, width=settings.width
        )
        if layout.fits:
            break
    backdrop = draw_backdrop(backgrounds, rng, settings=settings, camera=camera)
    layers = []
    wrapped = rng.random() < 0.5
    for k in layout.order:
        layer = on_screen(cast[k], layout.maps[k], rng, settings=settings)
        layers.append(light_wrap(layer, backdrop, rng, strength=settings.light_wrap * wrapped))
    names = [cast[k].name for k in layout.order]
    foregrounds, objects, kept = None, None, None
    if settings.protocol.merged:
        pictures, alphas, objects, names = _merged(layers, names, backdrop, rng)
        rows = np.arange(1)
    else:
        pictures, seen = over(layers, backdrop)
        rows = rng.permutation(count)
        alphas = np.ascontiguousarray(seen[rows].transpose(1, 0, 2, 3))
        if settings.layers:
            foregrounds = np.stack([_straight(layers[k]) for k in rows], axis=1)
            kept = backdrop
    return Sample(
        pictures=_filmed(pictures, rng, settings=settings),
        alphas=alphas,
        guidance=broken_masks(alphas, rng, strength=settings.guidance),
        names=tuple(names[k] for k in rows),
        front_to_back=tuple(int(k) for k in np.argsort(rows)),
        protocol=f"{settings.protocol.name} {level.name}",
        occlusion=layout.occlusion,
        seed=(seed, index),
        foregrounds=foregrounds,
        background=kept,
        objects=objects,
    )


def _draw_cast(people: Footage, rng: Generator, *, settings: Settings, count: int) -> list[Member]:
    cast: list[Member] = []
    for _ in range(count):
        cast.append(draw_member(people, rng, settings=settings, taken={one.name for one in cast}))
    return cast


def over(layers: list[Floats], background: Floats) -> tuple[Floats, Floats]:
    """Put (t, h, w, 4) premultiplied layers, the front one first, over (t, h, w, 3).

    Gives the pictures and what is seen of each layer, (n, t, h, w). InstMatt (CVPR 2022), equation 15.
    """
    rest = np.ones(background.shape[:3], np.float32)
    seen = np.zeros((len(layers), *rest.shape), np.float32)
    out = np.zeros(background.shape, np.float32)
    for k, layer in enumerate(layers):
        alpha = alpha_of(layer)
        rows, columns = extent(alpha)
        left = rest[:, rows, columns]
        part = seen_through(alpha[:, rows, columns], left)
        if part.size:
            out[:, rows, columns] += weighed(layer[:, rows, columns, :3], left)
        left -= part
        seen[k, :, rows, columns] = part
    out += weighed(background, rest)
    return np.minimum(out, 1, out=out), seen


def _merged(
    layers: list[Floats], names: list[str], backdrop: Floats, rng: Generator
) -> tuple[Floats, Floats, NDArray[np.bool_], list[str]]:
    """Sequential Foreground Merging: pictures, alphas (t, 1, h, w), objects (t, m, h, w), one name."""
    first, second = (Clip(colour=_straight(layer), alpha=layer[..., 3]) for layer in layers[:2])
    merged = random_merge(first, second, backdrop, chance=rng)
    together = len(merged.masks) > 1 and not np.array_equal(merged.alpha, first.alpha)
    return (
        np.clip(merged.pictures, 0, 1),
        np.ascontiguousarray(merged.alpha[:, None]),
        np.ascontiguousarray(merged.masks.transpose(1, 0, 2, 3)),
        ["+".join(names[:2]) if together else names[0]],
    )


def _straight(layer: Floats) -> Floats:
    """Colours of (t, h, w, 4) premultiplied, 0 where no alpha can be told from 0."""
    alpha = layer[..., 3:]
    seen = alpha >= STEP
    return np.minimum(layer[..., :3] * seen / np.where(seen, alpha, 1), 1)


def _filmed(pictures: Floats, rng: Generator, *, settings: Settings) -> Floats:
    """What camera and storage do to a composite: one grade for all, noise, grain, compression."""
    asked = rng.random(4)
    # Layers would not compose to a picture that was graded as a whole.
    if asked[0] < 0.5 and not settings.layers:
        pictures = grade(pictures, rng, strength=0.4 * settings.grade)
    if asked[1] < 0.6:
        pictures = sensor_noise(pictures, rng, strength=settings.noise)
    if asked[2] < 0.2:
        pictures = grain(pictures, rng, strength=settings.noise)
    if asked[3] < 0.5:
        pictures = jpeg(pictures, rng, strength=settings.compression)
    return pictures
