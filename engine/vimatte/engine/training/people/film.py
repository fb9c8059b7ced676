"""From light to pictures: exposure, a film's curve, colour carried on outside the matte, and files of them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from PIL import Image

from vimatte.engine.training.people.colours import luma
from vimatte.engine.training.people.maths import Array

__all__ = ["LINEAR", "Tone", "coded", "encoded", "exposure", "random_tone"]

_BRIGHTEST = {"srgb": 0.82, "filmic": 1.5}
"""What the 96th percentile of brightness may reach, by curve, before highlights clip."""
_QUALITIES = (86, 74, 60)
"""WebP, tried until a frame is small enough; alpha is always lossless."""
_BYTES = 26_000


def _linear() -> Array:
    s = np.arange(256) / 255
    return np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4).astype(np.float32)


LINEAR = _linear()
"""sRGB byte -> linear light (256,), float32."""
LINEAR.flags.writeable = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """How light becomes a picture."""

    curve: str
    """srgb or filmic."""
    stops: float
    saturation: float
    gamma: float

    def to_json(self) -> dict[str, Any]:
        """What meta.json says of it."""
        return {
            "curve": self.curve,
            "ev": round(self.stops, 3),
            "sat": round(self.saturation, 3),
            "gamma": round(self.gamma, 3),
        }


def random_tone(rng: Generator) -> Tone:
    """A tone drawn by chance."""
    return Tone(
        curve=str(rng.choice(["srgb", "filmic"])),
        stops=float(rng.normal(0, 0.35)),
        saturation=float(rng.uniform(0.8, 1.12)),
        gamma=float(rng.uniform(0.92, 1.1)),
    )


def exposure(light: Array, weight: Array, tone: Tone) -> float:
    """A factor for linear light (h, w, 3) that exposes the person, who is where weight (h, w) is high."""
    solid = weight > 0.8
    bright = luma(light[solid if solid.any() else weight > 0.02])
    middle = np.median(bright) * 0.6 + np.percentile(bright, 90) * 0.25
    factor = float(np.clip(0.2 * 2**tone.stops / max(1e-3, middle), 0.15, 6.0))
    return float(min(factor, _BRIGHTEST[tone.curve] / max(1e-3, float(np.percentile(bright, 96)))))


def coded(light: Array, alpha: Array, weight: Array, tone: Tone, *, factor: float) -> Array:
    """Straight colour and alpha (h, w, 4), uint8, of linear straight light (h, w, 3) and alpha (h, w)."""
    x = light * factor
    grey = luma(x)[..., None]
    x = np.maximum(grey + (x - grey) * tone.saturation, 0)
    if tone.curve == "filmic":
        x = x * (1 + x / 9.0) / (1 + x) * 1.45
    x = np.clip(x, 0, 1) ** tone.gamma
    srgb = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-8) ** (1 / 2.4) - 0.055)
    colour = _extended(np.clip(srgb, 0, 1), np.clip(weight * 3, 0, 1)[..., None])
    rgba = np.concatenate([np.clip(colour, 0, 1), np.clip(alpha, 0, 1)[..., None]], 2)
    out: Array = (rgba * 255 + 0.5).astype(np.uint8)
    return out


def _extended(colour: Array, weight: Array) -> Array:
    """Colour (h, w, 3) carried on to where weight (h, w, 1) is 0, by pull and push: lossy coding does not bleed."""
    levels = []
    total = colour * weight
    while min(total.shape[:2]) > 2:
        levels.append((total, weight))
        h, w = ((side + 1) // 2 * 2 for side in total.shape[:2])
        total, weight = _quartered(total, h, w), _quartered(weight, h, w)
        most = np.maximum(weight, 1.0)
        total, weight = total / most, weight / most
    out = total / np.maximum(weight, 1e-6)
    for total, weight in reversed(levels):
        h, w = total.shape[:2]
        coarse = np.repeat(np.repeat(out, 2, 0), 2, 1)[:h, :w]
        share = np.clip(weight, 0, 1)
        out = total / np.maximum(weight, 1e-6) * share + coarse * (1 - share)
    return out


def _quartered(a: Array, height: int, width: int) -> Array:
    """Sums of blocks of 2 x 2, after filling up with zeros to an even height and width."""
    full = np.pad(a, ((0, height - a.shape[0]), (0, width - a.shape[1]), (0, 0)))
    out: Array = full.reshape(height // 2, 2, width // 2, 2, a.shape[2]).sum((1, 3))
    return out


def encoded(rgba: Array) -> bytes:
    """A WebP of (h, w, 4), uint8: lossy colour, lossless alpha, colour kept where alpha is 0."""
    picture = Image.fromarray(rgba)
    for quality in _QUALITIES:
        out = io.BytesIO()
        picture.save(out, "WEBP", quality=quality, alpha_quality=100, method=4, exact=True)
        if out.tell() <= _BYTES:
            break
    return out.getvalue()
