"""Colour grading in scene-linear light: exposure, white balance, saturation and contrast, as a colourist turns them."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

__all__ = ["grade", "linear", "srgb"]

Floats = NDArray[np.float32]

_LUMA = np.array([0.2126, 0.7152, 0.0722])
_GREY = 0.18
_STEPS = 65535


def linear(colour: Floats) -> Floats:
    """IEC 61966-2-1: sRGB-coded values in [0, 1] to linear light."""
    low = colour / np.float32(12.92)
    return np.where(colour <= 0.04045, low, ((colour + 0.055) / 1.055) ** 2.4).astype(np.float32)


def srgb(light: Floats) -> Floats:
    """IEC 61966-2-1: linear light in [0, 1] to sRGB-coded values."""
    low = light * np.float32(12.92)
    return np.where(light <= 0.0031308, low, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055).astype(np.float32)


def grade(colour: Floats, rng: Generator, *, strength: float) -> Floats:
    """Grade (..., h, w, 3) sRGB-coded in [0, 1]; the same grade for every frame given.

    At strength 1 one standard deviation is 0.45 stops of exposure, 12 % in the gains of red and blue, 18 % in contrast
    around 18 % grey; saturation goes from 0.5 to 1.4, and one in twelve is black and white. What leaves [0, 1] clips.
    """
    stops, red, blue, power = rng.standard_normal(4) * strength
    colourful = 0.0 if rng.random() < strength / 12 else 1 + strength * rng.uniform(-0.5, 0.4)
    if strength == 0:
        return colour
    gains = 2.0 ** (0.45 * stops) * np.exp(0.12 * np.array([red, 0.0, blue]))
    saturate = colourful * np.eye(3) + (1 - colourful) * _LUMA
    matrix = (saturate @ np.diag(gains)).astype(np.float32)
    # A picture of any number of frames is one tall picture to OpenCV.
    tall = colour.reshape(-1, *colour.shape[-2:]) if colour.ndim > 3 else colour
    light = cv2.transform(_decode()[_steps(tall)], matrix)
    coded = _encode(float(np.exp(0.18 * power)))[_steps(light)]
    return np.asarray(coded.reshape(colour.shape))


def _steps(values: Floats) -> NDArray[np.uint16]:
    """Values in [0, 1] as table entries; those beyond clip."""
    wide = np.multiply(values, np.float32(_STEPS))
    np.clip(wide, 0, _STEPS, out=wide)
    wide += np.float32(0.5)
    return wide.astype(np.uint16)


@lru_cache(maxsize=1)
def _decode() -> Floats:
    return linear(np.linspace(0, 1, _STEPS + 1, dtype=np.float32))


@lru_cache(maxsize=1)
def _light() -> NDArray[np.float64]:
    return np.linspace(0, 1, _STEPS + 1)


def _encode(power: float) -> Floats:
    """Contrast as a power around middle grey, then the sRGB curve, as one table."""
    # Computed on 2,048 places even in code value, where the eye's steps are, and drawn out between.
    coded = np.linspace(0, 1, 2048)
    places = linear(coded.astype(np.float32)).astype(np.float64)
    toned = np.minimum(_GREY * (places / _GREY) ** power, 1.0)
    return np.interp(_light(), places, srgb(toned.astype(np.float32))).astype(np.float32)
