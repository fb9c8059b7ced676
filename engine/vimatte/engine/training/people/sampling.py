"""Where and when each pass of a frame samples: pixel, shutter, lens, lamp and sky."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.lighting import Lamp, Lighting
from vimatte.engine.training.people.maths import Array, unit
from vimatte.engine.training.people.scene import PASS

__all__ = ["sample_passes"]

_PLASTIC = 0.7548776662, 0.5698402910
"""Powers of the inverse of the plastic number: the R2 sequence (Roberts, 2018) fills a square evenly."""
_GOLDEN = 0.6180339887
_GOLDEN_ANGLE = 2.39996
_SPREAD = 0.5
"""Width of the window that a pixel is sampled in, over its four coverage samples."""


def sample_passes(rng: Generator, light: Lighting, *, count: int, shutter: float, lens: float) -> Array:
    """`count` passes (count,) of PASS, the same for every frame of a clip.

    `shutter` is the share of a frame's time that it is open, `lens` its radius in metres. Each pass has one lamp and
    one sample of the sky, or two of the sky where there are no lamps; over the passes they add up to all the light.
    """
    passes = np.zeros(count, PASS)
    i = np.arange(count)
    for axis, step in enumerate(_PLASTIC):
        passes["shift"][:, axis] = ((0.5 + i * step) % 1 - 0.5) * _SPREAD
    passes["time"] = ((i * _GOLDEN + 0.37) % 1 - 0.5) * shutter
    radius, angle = np.sqrt((i + 0.5) / count), i * _GOLDEN_ANGLE
    order = rng.permutation(count)
    passes["lens"] = lens * np.stack([(radius * np.cos(angle))[order], (radius * np.sin(angle))[order]], 1)
    directions, radiance = _sky_samples(rng, light, passes=count)
    if light.lamps:
        for p in range(count):
            lamp = light.lamps[p % len(light.lamps)]
            share = count / len(range(p % len(light.lamps), count, len(light.lamps)))
            passes["direction"][p, 0] = _on_disc(lamp, p // len(light.lamps))
            passes["radiance"][p, 0] = lamp.strength * lamp.colour / math.pi * share
        passes["direction"][:, 1], passes["radiance"][:, 1] = directions, radiance
    else:
        passes["direction"], passes["radiance"] = directions.reshape(-1, 2, 3), radiance.reshape(-1, 2, 3)
    return passes


def _sky_samples(rng: Generator, light: Lighting, *, passes: int) -> tuple[Array, Array]:
    """Directions spread evenly over the sphere, in random order, and what comes from there (n, 3)."""
    count = passes if light.lamps else 2 * passes
    k = np.arange(count) + 0.5
    z = 1 - 2 * k / count
    azimuth = k * 2.399963 + rng.uniform(0, 6.28)
    flat = np.sqrt(1 - z * z)
    directions = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), z], 1)[rng.permutation(count)]
    up = directions[:, 2:3]
    above = light.horizon + (light.top - light.horizon) * np.sqrt(np.maximum(up, 0))
    below = light.horizon + (light.bottom - light.horizon) * np.minimum(1, -up * 3)
    return directions, np.where(up > 0, above, below) * 4.0 * passes / count


def _on_disc(lamp: Lamp, number: int) -> Array:
    """A direction to a point of the lamp's disc (3,)."""
    radius = math.radians(lamp.angle) * math.sqrt(((number + 0.5) * _GOLDEN + 0.13) % 1)
    around = number * _GOLDEN_ANGLE
    a = unit(np.cross(lamp.direction, [0.3, 0.5, 0.81]))
    b = np.cross(lamp.direction, a)
    return unit(lamp.direction + math.tan(radius) * (a * math.cos(around) + b * math.sin(around)))
