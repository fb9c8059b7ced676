"""People to put into made-up shots: drawn ones that run everywhere, and rendered ones from a folder of RGBA clips."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Figure", "drawn_figure", "pillar", "rendered_figures"]

_PHASES = 8
Rgba = NDArray[np.uint8]
"""(h, w, 4), straight colour, sRGB codes."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """Somebody in a few poses; they stand on the middle of the lower edge."""

    poses: tuple[Rgba, ...]
    """All of one size."""

    def pose(self, phase: int, *, height: int, mirrored: bool = False) -> Rgba:
        """The picture of a phase of the walk (any integer) at a height in pixels."""
        image = self.poses[phase % len(self.poses)]
        width = max(2, round(image.shape[1] * height / image.shape[0]))
        small = _resized(image, width, height)
        return np.ascontiguousarray(small[:, ::-1]) if mirrored else small


def _resized(image: Rgba, width: int, height: int) -> Rgba:
    soft = image.astype(np.float32)
    soft[..., :3] *= soft[..., 3:] / 255.0
    way = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_LINEAR
    soft = np.asarray(cv2.resize(soft, (width, height), interpolation=way))
    soft[..., :3] /= np.maximum(soft[..., 3:] / 255.0, 1e-3)
    return np.clip(np.rint(soft), 0, 255).astype(np.uint8)


@cache
def drawn_figure(look: int) -> Figure:
    """A walking body with head, limbs and patterned clothes; each number looks different, the same one always alike."""
    rng = np.random.default_rng(7000 + look)
    golden = 0.61803398875
    shirt = _colour(look * golden, rng.uniform(0.5, 0.95), rng.uniform(0.45, 0.95))
    second = _colour(look * golden + rng.uniform(0.25, 0.75), rng.uniform(0.2, 0.9), rng.uniform(0.3, 0.95))
    trousers = _colour(rng.uniform(), rng.uniform(0.1, 0.7), rng.uniform(0.15, 0.7))
    skin = _colour(0.06, rng.uniform(0.3, 0.6), rng.uniform(0.35, 0.95))
    hair = _colour(0.08, rng.uniform(0.1, 0.7), rng.uniform(0.05, 0.6))
    pattern, build, skirt = int(rng.integers(4)), float(rng.uniform(0.85, 1.2)), bool(rng.integers(3) == 0)
    texture = rng.normal(0, 9, (240, 140, 1)).astype(np.float32)
    poses = []
    for phase in range(_PHASES):
        swing = np.sin(2 * np.pi * phase / _PHASES)
        image = np.zeros((240, 140, 4), np.uint8)
        _limb(image, (70, 130), (70 - 30 * swing, 236), 13, trousers)
        _limb(image, (70, 130), (70 + 30 * swing, 236), 13, tuple(int(0.85 * c) for c in trousers))
        _limb(image, (70, 66), (70 + 34 * swing, 132), 9, skin)
        body = np.zeros((240, 140), np.uint8)
        cv2.ellipse(body, (70, 96), (int(25 * build), 46), 0, 0, 360, 255, -1, cv2.LINE_AA)
        if skirt:
            cv2.fillPoly(body, [np.array([(48, 116), (92, 116), (106, 172), (34, 172)], np.int32)], 255, cv2.LINE_AA)
        _paint(image, body, _pattern(shirt, second, pattern))
        _limb(image, (70, 66), (70 - 34 * swing, 132), 9, shirt)
        cv2.ellipse(image, (70, 28), (15, 19), 0, 0, 360, (*skin, 255), -1, cv2.LINE_AA)
        cv2.ellipse(image, (70, 22), (16, 17), 0, 180, 360, (*hair, 255), -1, cv2.LINE_AA)
        shaded = image[..., :3].astype(np.float32) + texture
        image[..., :3] = np.clip(shaded, 0, 255).astype(np.uint8)
        poses.append(image[8:, 18:122].copy())
    return Figure(tuple(poses))


def pillar(*, aspect: float) -> Figure:
    """Something of the scenery to hide behind; `aspect` is its width over its height."""
    rng = np.random.default_rng(11)
    width = max(2, round(240 * aspect))
    image = np.full((240, width, 4), 255, np.uint8)
    grain = cv2.GaussianBlur(rng.normal(0, 40, (240, width, 3)).astype(np.float32), (0, 0), 2.0)
    image[..., :3] = np.clip(np.array((120, 112, 100)) + 2.0 * grain, 0, 255).astype(np.uint8)
    return Figure((image,))


def rendered_figures(folder: Path, *, count: int, side: str = "train") -> list[Figure]:
    """People of a folder of clips `side/clip_*/NNN.webp` with alpha, by name; those too narrow or cut off are left out.

    May return fewer than `count`; an empty list where there is no such folder.
    """
    found: list[Figure] = []
    for clip in sorted((folder / side).glob("clip_*")):
        if len(found) == count:
            break
        images = [_read(path) for path in sorted(clip.glob("[0-9]*.webp"))]
        figure = _cropped(images)
        if figure is not None:
            found.append(figure)
    return found


def _read(path: Path) -> Rgba:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA"), np.uint8)


def _cropped(images: Sequence[Rgba]) -> Figure | None:
    """To the box that holds every pose, played to and fro so that the walk closes."""
    if len(images) < 2 or len({i.shape for i in images}) != 1:
        return None
    solid = np.max([i[..., 3] for i in images], axis=0) > 127
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    if not rows.size or np.ptp(rows) < 1.6 * np.ptp(columns):
        return None
    if columns[0] == 0 or columns[-1] == solid.shape[1] - 1 or rows[0] == 0:
        return None
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    poses = tuple(_resized(i[window], max(2, round(240 * np.ptp(columns) / np.ptp(rows))), 240) for i in images)
    return Figure(poses + poses[-2:0:-1])


Colour = tuple[int, ...]


def _colour(hue: float, saturation: float, value: float) -> Colour:
    return tuple(round(255 * c) for c in colorsys.hsv_to_rgb(hue % 1.0, saturation, value))


def _limb(image: Rgba, start: tuple[float, float], end: tuple[float, float], width: int, colour: Colour) -> None:
    a, b = ((round(p[0]), round(p[1])) for p in (start, end))
    cv2.line(image, a, b, (*colour, 255), width, cv2.LINE_AA)


def _pattern(one: Colour, two: Colour, kind: int) -> Rgba:
    rows, columns = np.mgrid[:240, :140]
    where = (rows // 12 % 2 == 0, columns // 12 % 2 == 0, (rows // 14 + columns // 14) % 2 == 0, rows < 100)[kind]
    return np.where(where[..., None], np.array(one), np.array(two)).astype(np.uint8)


def _paint(image: Rgba, mask: NDArray[np.uint8], colours: Rgba) -> None:
    inside = mask > 127
    image[inside, :3] = colours[inside]
    image[inside, 3] = 255
