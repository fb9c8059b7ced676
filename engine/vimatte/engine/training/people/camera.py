"""The camera: from where somebody is seen, how they are framed, and how it moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.assets import Assets
from vimatte.engine.training.people.maths import Array, from_vectors, noise, to_metres, unit
from vimatte.engine.training.people.skeleton import Motion

__all__ = ["SHOTS", "TO_WORLD", "Angle", "Camera", "framed", "keypoints", "random_angle"]

SHOTS = ("full", "threequarter", "medium", "mcu")
"""The whole body; to the knees; to the hips; head and shoulders."""
TO_WORLD = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0.0]])
"""From the body's axes (y up) to the world's (z up)."""
_FRONTAL = 75
"""Degrees from the front within which people may look at the camera."""
_FILM_HEIGHT = 24.0
"""Millimetres: focal lengths are those of full-frame cameras."""
_NARROWEST = 96
"""Pixels of the shorter side, at least."""
_NOSE = (0, -0.42, 0.42)
"""From between the eyes."""
_KEYPOINTS = {
    "nose": None,
    "neck": "neck01",
    **{
        f"{name}_{side}": f"{bone}.{side}"
        for side in "LR"
        for name, bone in (
            ("eye", "eye"),
            ("shoulder", "upperarm01"),
            ("elbow", "lowerarm01"),
            ("wrist", "wrist"),
            ("hip", "upperleg01"),
            ("knee", "lowerleg01"),
            ("ankle", "foot"),
        )
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Angle:
    """Where the camera stands, seen from the person."""

    azimuth: float
    """Degrees to the left of straight ahead."""
    elevation: float
    """Degrees above."""
    direction: Array
    """From the person to the camera, in the body's axes (3,)."""

    @property
    def frontal(self) -> bool:
        """Whether they could look into it."""
        return abs((self.azimuth + 180) % 360 - 180) < _FRONTAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A way of the camera and a window that never moves on it; metres, z up."""

    places: Array
    """(k, 3)."""
    axes: Array
    """Columns right, up, back (k, 3, 3)."""
    left: float
    bottom: float
    wide: float
    top: float
    """The window, in tangents."""
    size: tuple[int, int]
    """Pixels: width, height."""
    distance: float
    """Metres to the person at mid-clip."""
    focal: float
    """Millimetres, equivalent to full-frame."""
    roll: float
    """Radians."""
    move: str | None
    """handheld, dolly, or none."""
    shot: str
    truncated: tuple[str, ...]
    """Sides of the picture that cut the person."""
    speed: float
    """Pixels a frame that all but 3 % of the person stay below."""

    @property
    def pixels(self) -> float:
        """Pixels in one unit of tangent: the focal length."""
        return self.size[0] / self.wide


def random_angle(rng: Generator, ahead: Array, *, close: bool) -> Angle:
    """An angle on somebody whose chest faces `ahead` (3,): half of them from the front, 18 % from behind."""
    azimuths = [rng.normal(0, 28), rng.uniform(30, 150), rng.uniform(-150, -30), rng.normal(180, 30)]
    azimuth = float(rng.choice(azimuths, p=[0.5, 0.16, 0.16, 0.18]))
    chance = rng.random()
    if chance < 0.8:
        elevation = float(rng.normal(2, 6))
    elif chance < 0.93:
        elevation = float(rng.uniform(18, 48))
    else:
        elevation = float(rng.uniform(-28, -12))
    if close and elevation > 30:
        elevation *= 0.6
    a, e = math.atan2(ahead[0], ahead[2]) + math.radians(azimuth), math.radians(elevation)
    direction = np.array([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])
    return Angle(azimuth=azimuth, elevation=elevation, direction=direction)


@dataclass(kw_only=True)
class _Window:
    """A rectangle in tangents, and the sides of it that cut somebody."""

    left: float
    right: float
    bottom: float
    top: float
    truncated: list[str]

    def cuts(self, side: str) -> bool:
        return side in self.truncated


def framed(
    assets: Assets, rng: Generator, motion: Motion, points: Array, angle: Angle, *, shot: str, size: int
) -> Camera:
    """Frame points (k, n, 3), metres, at the longer side's size in pixels; the first and last sample are not shown.

    Somebody who is not upright is shown whole, whatever the shot.
    """

    def heights(bone: str) -> Array:
        out: Array = to_metres(motion.places[:, assets.bone[bone]])[:, 2]
        return out

    count = len(points)
    middle = count // 2
    highest = float(points[middle, :, 2].max())
    if not heights("head")[middle] > heights("root")[middle] + 0.25:
        shot = "full"
    centre = (points[1:-1].min((0, 1)) + points[1:-1].max((0, 1))) / 2
    head = to_metres(motion.places[:, assets.bone["head"]])
    low = None
    if shot != "full":
        if shot == "threequarter":
            knees = heights("lowerleg01.L") + heights("lowerleg01.R")
            low = 0.5 * knees.mean() + rng.uniform(-0.12, 0.2)
        elif shot == "medium":
            low = heights("root").mean() + rng.uniform(-0.12, 0.12)
        else:
            low = heights("spine02").mean() + rng.uniform(-0.1, 0.1)
        centre = np.array([head[middle][0], head[middle][1], (highest + low) / 2])
    tall = (highest - (points[1:-1, :, 2].min() if low is None else low)) * 1.08
    focal = float(np.exp(rng.uniform(np.log(22 if shot == "full" else 32), np.log(100))))
    distance = max(tall * focal / _FILM_HEIGHT, 0.55)
    towards = TO_WORLD @ angle.direction
    way, move = _way(rng, towards, count=count, distance=distance)
    roll = math.radians(rng.normal(0, 2.5)) if rng.random() < 0.5 else 0
    places = centre + towards * distance + way
    axes = np.array([_facing(places[k], centre + way[k] * 0.6, roll) for k in range(count)])
    seen = [_projected(points[k], places[k], axes[k]) for k in range(count)]
    whole = len({len(xy) for xy in seen}) == 1
    corners = [*seen[1:-1], (seen[0] + seen[1]) / 2, (seen[-1] + seen[-2]) / 2] if whole else seen
    tangents = np.concatenate(corners)
    if low is None:
        (left, bottom), (right, top) = tangents.min(0), tangents.max(0)
        window = _Window(left=left, right=right, bottom=bottom, top=top, truncated=[])
    else:
        ground = np.array([[centre[0], centre[1], low]])
        window = _cut_window(rng, tangents, ground, head[middle], places, axes)
    width, height = _fitted(window, size)
    wide = window.right - window.left
    speeds = np.linalg.norm(np.diff(np.stack(seen), axis=0), axis=-1) * (width / wide) if whole else np.zeros((1, 1))
    return Camera(
        places=places,
        axes=axes,
        left=window.left,
        bottom=window.bottom,
        wide=wide,
        top=window.top,
        size=(width, height),
        distance=float(np.linalg.norm(places[middle] - centre)),
        focal=focal,
        roll=roll,
        move=move,
        shot=shot,
        truncated=tuple(window.truncated),
        speed=float(np.percentile(speeds, 97)),
    )


def _way(rng: Generator, towards: Array, *, count: int, distance: float) -> tuple[Array, str | None]:
    """How the camera moves (k, 3), and what that is called."""
    kind = rng.random()
    if kind < 0.35:
        amount = rng.uniform(0.002, 0.02) * distance
        return noise(rng, period=rng.uniform(8, 30), count=count, channels=3) * amount, "handheld"
    if kind < 0.5:
        aside = unit(np.cross(towards, [0, 0, 1.0])) * rng.uniform(-0.05, 0.05) * distance
        step = aside + towards * rng.uniform(-0.03, 0.03) * distance
        return np.linspace(-0.5, 0.5, count)[:, None] * step * count / 4, "dolly"
    return np.zeros((count, 3)), None


def _facing(place: Array, target: Array, roll: float) -> Array:
    """Columns right, up, back (3, 3) of a camera that looks at a target."""
    ahead = unit(target - place)
    right = unit(np.cross(ahead, [0, 0, 1.0]))
    out: Array = np.stack([right, np.cross(right, ahead), -ahead], 1) @ from_vectors([0, 0, roll])
    return out


def _projected(points: Array, place: Array, axes: Array) -> Array:
    """Tangents (n, 2) of the points before the camera."""
    q = (points - place) @ axes
    q = q[q[:, 2] < -0.05]
    return np.stack([q[:, 0] / -q[:, 2], q[:, 1] / -q[:, 2]], 1)


def _cut_window(rng: Generator, tangents: Array, ground: Array, head: Array, places: Array, axes: Array) -> _Window:
    """A window that ends below at a height in the world, and does not widen without end for arms."""
    truncated = ["bottom"]
    below = [((ground - place) @ a)[0] for place, a in zip(places, axes, strict=True)]
    bottom = min(float(q[1]) / -q[2] for q in below)
    above = tangents[tangents[:, 1] > bottom]
    left, right, top = above[:, 0].min(), above[:, 0].max(), above[:, 1].max()
    middle = len(places) // 2
    q = (head - places[middle]) @ axes[middle]
    centre = float(q[0]) / -q[2]
    reach = (top - bottom) * rng.uniform(0.55, 0.8)
    if left < centre - reach:
        left = centre - reach
        truncated.append("left")
    if right > centre + reach:
        right = centre + reach
        truncated.append("right")
    return _Window(left=left, right=right, bottom=bottom, top=top, truncated=truncated)


def _fitted(window: _Window, size: int) -> tuple[int, int]:
    """Add a margin where nobody is cut, and grow the window to the aspect of whole pixels; width and height."""
    margin = 0.03 * max(window.right - window.left, window.top - window.bottom)
    window.left -= margin * (not window.cuts("left"))
    window.right += margin * (not window.cuts("right"))
    window.top += margin
    window.bottom -= margin * (not window.cuts("bottom"))
    wide, high = window.right - window.left, window.top - window.bottom
    if wide >= high:
        width, height = size, max(_NARROWEST, round(size * high / wide / 2) * 2)
    else:
        width, height = max(_NARROWEST, round(size * wide / high / 2) * 2), size
    if wide / high < width / height:
        grow = high * width / height - wide
        window.left -= grow / 2
        window.right += grow / 2
    else:
        grow = wide * height / width - high
        cut = window.cuts("bottom")
        window.top += grow * (1 if cut else 0.5)
        window.bottom -= 0 if cut else grow * 0.5
    return width, height


def keypoints(assets: Assets, motion: Motion, camera: Camera) -> dict[str, Any]:
    """Joints in pixels on every frame shown, as meta.json has them."""
    bone = assets.bone
    frames = []
    for k in range(1, len(motion.turns) - 1):
        places, turns = motion.places[k], motion.turns[k]
        between_eyes = 0.5 * (places[bone["eye.L"]] + places[bone["eye.R"]])
        nose = between_eyes + turns[bone["head"]] @ np.array(_NOSE)
        joints = np.array([nose if name is None else places[bone[name]] for name in _KEYPOINTS.values()])
        q = (to_metres(joints) - camera.places[k]) @ camera.axes[k]
        x = (q[:, 0] / -q[:, 2] - camera.left) / camera.wide * camera.size[0]
        y = (camera.top - q[:, 1] / -q[:, 2]) / (camera.top - camera.bottom) * camera.size[1]
        frames.append(np.stack([x, y], 1).round(1).tolist())
    return {"names": list(_KEYPOINTS), "xy": frames}
