"""Light: a sky of three colours and lamps, of a kind one meets in films."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.colours import GAMMA, hsv
from vimatte.engine.training.people.maths import Array

__all__ = ["LIGHTS", "Lamp", "Lighting", "random_lighting"]

LIGHTS = ("sunny", "overcast", "studio", "sunset", "indoor", "hard", "flat", "backlit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp:
    """Parallel light from a disc in the sky."""

    direction: Array
    """Towards it (3,), metres, z up."""
    strength: float
    angle: float
    """Degrees from the disc's middle to its rim."""
    colour: Array
    """Linear (3,)."""
    azimuth: int
    """Degrees from the camera's own."""
    elevation: int
    """Degrees."""


@dataclass(kw_only=True, eq=False)
class Lighting:
    """All the light of a clip; colours are linear radiance (3,)."""

    kind: str
    strength: float
    """Of the sky."""
    top: Array
    horizon: Array
    bottom: Array
    lamps: list[Lamp] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """What meta.json says of it."""
        lamps = [
            {"E": round(lamp.strength, 2), "rel_az": lamp.azimuth, "el": lamp.elevation, "ang": round(lamp.angle, 1)}
            for lamp in self.lamps
        ]
        return {"light": self.kind, "env_strength": round(self.strength, 2), "lamps": lamps}


def random_lighting(rng: Generator, kind: str, *, camera: Array) -> Lighting:
    """Light of a kind (LIGHTS); `camera` (2,) is the direction to the camera on the ground."""
    light = _sky(rng, kind)
    ahead = math.atan2(camera[1], camera[0])
    uniform, radians = rng.uniform, math.radians

    def lamp(strength: float, azimuth: float, elevation: float, angle: float, colour: Any) -> None:
        flat = math.cos(elevation)
        direction = np.array([math.cos(azimuth) * flat, math.sin(azimuth) * flat, math.sin(elevation)])
        light.lamps.append(
            Lamp(
                direction=direction,
                strength=float(strength),
                angle=float(angle),
                colour=np.asarray(colour, float),
                azimuth=round(math.degrees(azimuth - ahead) % 360),
                elevation=round(math.degrees(elevation)),
            )
        )

    def around(low: float, high: float) -> float:
        return ahead + radians(uniform(low, high))

    def height(low: float, high: float) -> float:
        return radians(uniform(low, high))

    def beside(low: float, high: float) -> float:
        return float(ahead + radians(uniform(low, high) * rng.choice([-1, 1])))

    if kind == "sunny":
        lamp(uniform(2.2, 4.5), around(-130, 130), height(25, 75), uniform(0.4, 3), (1, 0.95, 0.87))
    elif kind == "studio":  # key, fill, and now and then a rim
        lamp(uniform(1.6, 3.2), beside(20, 65), height(10, 45), uniform(8, 24), (1, 0.97, 0.93))
        lamp(uniform(0.3, 1.2), beside(60, 120), height(0, 30), uniform(10, 30), (0.9, 0.95, 1))
        if rng.random() < 0.6:
            lamp(uniform(1.0, 3.0), around(140, 220), height(20, 60), uniform(5, 18), hsv(rng.random(), 0.3, 1))
    elif kind == "sunset":
        lamp(uniform(2, 4.5), around(-160, 160), height(4, 18), uniform(0.5, 3), (1, 0.68, 0.38))
    elif kind == "indoor":
        above = uniform(1.2, 2.6), around(-180, 180), height(50, 85), uniform(12, 35)
        lamp(*above, hsv(uniform(0.05, 0.13), uniform(0.1, 0.45), 1))
        if rng.random() < 0.4:
            window = uniform(0.4, 1.5), around(-180, 180), height(0, 30), uniform(15, 35)
            lamp(*window, hsv(uniform(0.55, 0.65), uniform(0.05, 0.3), 1))
    elif kind == "hard":
        spot = uniform(2.0, 4.0), around(-150, 150), height(0, 60), uniform(0.5, 4)
        lamp(*spot, hsv(rng.random(), uniform(0, 0.6), 1))
    elif kind == "backlit":
        lamp(uniform(3, 6), around(135, 225), height(10, 50), uniform(0.4, 2), (1, 0.93, 0.82))
    elif kind == "overcast" and rng.random() < 0.5:
        lamp(uniform(0.3, 1.0), around(-120, 120), height(30, 80), uniform(20, 40), (1, 1, 1))
    return light


def _sky(rng: Generator, kind: str) -> Lighting:
    """Colours of top, horizon and bottom, and strength; all kinds are drawn, so that they differ in nothing else."""
    top, horizon, bottom, strength = {
        "sunny": (hsv(0.58, 0.45, 0.95), hsv(0.58, 0.15, 1), hsv(0.1, 0.25, 0.45), rng.uniform(0.45, 0.9)),
        "overcast": (hsv(0.6, 0.08, 1), hsv(0.6, 0.03, 0.9), hsv(0.1, 0.1, 0.4), rng.uniform(0.9, 1.5)),
        "studio": (hsv(0, 0, 0.6), hsv(0, 0, 0.5), hsv(0, 0, 0.35), rng.uniform(0.15, 0.45)),
        "sunset": (hsv(0.62, 0.4, 0.5), hsv(0.07, 0.6, 1), hsv(0.05, 0.4, 0.3), rng.uniform(0.25, 0.6)),
        "indoor": (hsv(0.11, 0.25, 0.9), hsv(0.1, 0.2, 0.6), hsv(0.08, 0.3, 0.3), rng.uniform(0.35, 0.8)),
        "hard": (hsv(rng.random(), 0.5, 0.6), hsv(rng.random(), 0.4, 0.4), hsv(0, 0, 0.1), rng.uniform(0.08, 0.25)),
        "flat": (hsv(rng.random(), 0.05, 1), hsv(rng.random(), 0.05, 1), hsv(rng.random(), 0.08, 0.85), 1.2),
        "backlit": (hsv(0.6, 0.2, 0.9), hsv(0.12, 0.3, 1), hsv(0.1, 0.2, 0.4), rng.uniform(0.3, 0.6)),
    }[kind]
    return Lighting(
        kind=kind,
        strength=float(strength),
        top=top**GAMMA * strength,
        horizon=horizon**GAMMA * strength,
        bottom=bottom**GAMMA * strength,
    )
