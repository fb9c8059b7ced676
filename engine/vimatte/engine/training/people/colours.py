"""Colours of cloth and skin, and what is done to textures; all sRGB-coded 0 .. 1 unless said otherwise."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.random import Generator
from PIL import Image

from vimatte.engine.training.people.maths import Array

__all__ = ["GAMMA", "SKIN_TONES", "cloth_colour", "clouds", "hsv", "linear_cloth", "luma", "recoloured", "resized"]

SKIN_TONES = (
    (0.89, 0.74, 0.66),
    (0.88, 0.72, 0.62),
    (0.86, 0.69, 0.58),
    (0.83, 0.65, 0.53),
    (0.79, 0.60, 0.47),
    (0.72, 0.53, 0.40),
    (0.62, 0.45, 0.335),
    (0.52, 0.37, 0.27),
    (0.42, 0.295, 0.215),
    (0.33, 0.23, 0.17),
    (0.26, 0.175, 0.135),
)
"""From fair to dark."""
GAMMA = 2.2
"""Near enough to sRGB's curve for colours drawn by chance."""
_CLEAR_OF_SKIN = 0.1
_CLOTH_TONES = 9
"""Cloth as dark as the darkest skins is too common to leave out."""


def hsv(hue: float, saturation: float, value: float) -> Array:
    """RGB (3,); hue wraps around."""
    return np.array(colorsys.hsv_to_rgb(hue % 1, min(1, max(0, saturation)), min(1, max(0, value))))


def luma(rgb: Array) -> Array:
    """Brightness (…) of colours (…, 3 or 4)."""
    out: Array = rgb[..., 0] * 0.3 + rgb[..., 1] * 0.59 + rgb[..., 2] * 0.11
    return out


def cloth_colour(rng: Generator) -> Array:
    """A colour of clothes (3,), mostly not one that reads as bare skin."""
    for _ in range(8):
        colour = _cloth_colour(rng)
        if min(np.abs(colour - np.array(tone)).max() for tone in SKIN_TONES[:_CLOTH_TONES]) > _CLEAR_OF_SKIN:
            break
    return colour


def linear_cloth(rng: Generator, *, strength: float = 1.0) -> tuple[float, float, float]:
    """A colour of clothes in linear light."""
    r, g, b = cloth_colour(rng) ** GAMMA * strength
    return float(r), float(g), float(b)


def _cloth_colour(rng: Generator) -> Array:
    kind = rng.random()
    if kind < 0.2:  # nearly black
        return hsv(rng.random(), rng.uniform(0, 0.08), rng.uniform(0.02, 0.14))
    if kind < 0.36:  # nearly white
        return hsv(rng.random(), rng.uniform(0, 0.06), rng.uniform(0.75, 0.96))
    if kind < 0.46:  # grey
        return hsv(rng.random(), rng.uniform(0, 0.08), rng.uniform(0.2, 0.7))
    if kind < 0.6:  # navy, blue
        return hsv(rng.uniform(0.56, 0.68), rng.uniform(0.3, 0.8), rng.uniform(0.12, 0.6))
    if kind < 0.7:  # tan, brown
        return hsv(rng.uniform(0.05, 0.13), rng.uniform(0.2, 0.6), rng.uniform(0.25, 0.8))
    return hsv(rng.random(), rng.uniform(0.3, 0.95), rng.uniform(0.25, 0.95))


def clouds(rng: Generator, side: int, *, base: int = 4, octaves: int = 4) -> Array:
    """Fractal noise (side, side) in 0 .. 1, float32; `base` blobs across."""
    out = np.zeros((side, side), np.float32)
    amplitude = 1.0
    for octave in range(octaves):
        cells = min(side, base * 2**octave)
        grid = Image.fromarray(rng.random((cells, cells)).astype(np.float32))
        out += amplitude * np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC))
        amplitude *= 0.5
    stretched: Array = (out - out.min()) / (np.ptp(out) + 1e-6)
    return stretched


def recoloured(rgb: Array, *, hue: float, saturation: float, value: float) -> Array:
    """Hue turned by a share of the circle, saturation and value multiplied; float32."""
    picture = Image.fromarray((np.clip(rgb, 0, 1) * 255).astype(np.uint8)).convert("HSV")
    a = np.asarray(picture).astype(np.float32)
    a[..., 0] = (a[..., 0] + hue * 255) % 256
    a[..., 1] = np.clip(a[..., 1] * saturation, 0, 255)
    a[..., 2] = np.clip(a[..., 2] * value, 0, 255)
    size = (a.shape[1], a.shape[0])
    turned = Image.frombytes("HSV", size, a.astype(np.uint8).tobytes()).convert("RGB")
    out: Array = np.asarray(turned).astype(np.float32) / 255
    return out


def resized(picture: Array, size: tuple[int, int], *, smooth: bool = False) -> Array:
    """A picture in 0 .. 1 of 8 bits, resized to (width, height): bilinear if smooth, else bicubic; float32."""
    how = Image.Resampling.BILINEAR if smooth else Image.Resampling.BICUBIC
    out: Array = np.asarray(Image.fromarray((picture * 255).astype(np.uint8)).resize(size, how)).astype(np.float32)
    return out / 255
