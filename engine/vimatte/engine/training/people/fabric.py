"""The cloth of made garments: the maker's own texture recoloured, or a pattern under its shading."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.assets import Assets
from vimatte.engine.training.people.colours import cloth_colour, hsv, luma, recoloured, resized
from vimatte.engine.training.people.maths import Array
from vimatte.engine.training.people.patterns import pattern

__all__ = ["garment_texture"]

_BELOW = ("jeans", "trousers", "leggings", "shorts", "skirt")
_DETAILED = ("male_casualsuit03", "male_casualsuit05", "female_elegantsuit01", "male_worksuit01")
"""Whose own texture shows buttons and pockets: it is kept more often."""
_WITH_TIE = "male_elegantsuit01"
_PATTERN_SIDE = 512
_SOBER = ("plain", "plain", "plain", "vstripe", "plaid", "mottle")


def garment_texture(assets: Assets, rng: Generator, *, key: str, side: int, style: str) -> tuple[Array, str]:
    """Colour (side, side, 3), sRGB-coded 0 .. 1, float32, and what it is."""
    name = key.split("/")[1]
    own = assets.texture(f"cl_{name}_diffuse", width=side) if assets.has_texture(f"cl_{name}_diffuse") else None
    shade = _shading(assets, name, side)
    if style in _BELOW and own is not None and rng.random() < 0.8:
        cloth, what = _jeans(rng, own) if style == "jeans" else _trousers(rng, own)
        return (cloth * shade).astype(np.float32), what
    if own is not None and rng.random() < (0.28 if name in _DETAILED else 0.07):
        hue, saturation, value = rng.random(), rng.uniform(0.3, 1.3), rng.uniform(0.6, 1.3)
        cloth = recoloured(own, hue=hue, saturation=saturation, value=value)
        return (cloth * shade).astype(np.float32), "original hue-shifted"
    kind = str(rng.choice(_SOBER)) if style in ("blazer", "trousers") else None
    cloth, what = pattern(rng, _PATTERN_SIDE, scale=1.6 if style == "blazer" else 1.0, kind=kind)
    repeats = side // _PATTERN_SIDE if side >= _PATTERN_SIDE else 1
    cloth = np.tile(cloth, (repeats, repeats, 1))[:side, :side]
    if side < _PATTERN_SIDE:
        cloth = resized(cloth, (side, side))
    if name == _WITH_TIE and own is not None:  # its shirt, tie and shoes stay as they are
        light = luma(own)
        usual = np.median(light)
        keep = (np.abs(light - usual) > 0.12)[..., None]
        folds = 0.5 + 0.5 * np.clip(light / max(0.02, float(usual)), 0, 1.6)[..., None]
        return np.where(keep, own, cloth * folds).astype(np.float32), what
    return (cloth * shade).astype(np.float32), what


def _shading(assets: Assets, name: str, side: int) -> Array:
    """Folds and seams as a factor (side, side, 1)."""
    if assets.has_texture(f"cl_{name}_ao"):
        occlusion = assets.texture(f"cl_{name}_ao", "L", width=side)
    else:
        occlusion = np.ones((side, side), np.float32)
    if occlusion.shape[0] != side:
        occlusion = resized(occlusion, (side, side))
    return 0.45 + 0.55 * occlusion[..., None]


def _jeans(rng: Generator, own: Array) -> tuple[Array, str]:
    kind = rng.random()
    if kind < 0.45:
        hue, saturation, value = rng.normal(0, 0.015), rng.uniform(0.5, 1.2), rng.uniform(0.5, 1.25)
        return recoloured(own, hue=hue, saturation=saturation, value=value), "denim"
    if kind < 0.7:
        saturation, value = rng.uniform(0, 0.15), rng.uniform(0.15, 0.5)
        return recoloured(own, hue=0, saturation=saturation, value=value), "black jeans"
    light = luma(own)[..., None]
    if kind < 0.85:
        colour = hsv(rng.uniform(0.06, 0.12), rng.uniform(0.25, 0.5), rng.uniform(0.6, 1))
        return np.clip(light * 1.5 * colour, 0, 1), "chino"
    return np.clip(light * 1.6 * cloth_colour(rng), 0, 1), "coloured jeans"


def _trousers(rng: Generator, own: Array) -> tuple[Array, str]:
    if rng.random() >= 0.8:
        return own, "original"
    light = luma(own)
    relative = np.clip(light[..., None] / max(0.05, float(np.median(light))), 0.6, 1.6)
    return np.clip(relative**0.7 * cloth_colour(rng), 0, 1), "recoloured"
