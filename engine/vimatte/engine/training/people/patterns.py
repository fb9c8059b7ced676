"""Patterns of cloth: plain, stripes, plaid, dots, flowers, prints."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from vimatte.engine.training.people.colours import cloth_colour, clouds
from vimatte.engine.training.people.maths import Array, smooth

__all__ = ["pattern"]

_KINDS = (
    *("plain", "plain", "plain", "plain", "hstripe", "vstripe", "plaid", "dots", "camo", "floral", "gradient"),
    *("print", "mottle", "zigzag"),
)
_FIFTH = 1.2566
"""A fifth of a circle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cloth:
    """What every pattern is drawn from."""

    rng: Generator
    side: int
    scale: float
    x: Array
    y: Array
    """0 .. 1 across and down (side, side)."""
    colours: tuple[Array, Array, Array]
    repeats: float
    """How often a motif repeats across."""

    def plain(self) -> Array:
        """The first colour all over (side, side, 3)."""
        out: Array = np.ones((self.side, self.side, 3), np.float32) * self.colours[0]
        return out

    def picture(self) -> Image.Image:
        """The same, to draw on."""
        return Image.new("RGB", (self.side, self.side), _bytes(self.colours[0]))


def pattern(rng: Generator, side: int = 512, *, scale: float = 1.0, kind: str | None = None) -> tuple[Array, str]:
    """A square of cloth (side, side, 3), sRGB-coded 0 .. 1, float32, and the pattern's name; larger scale, finer."""
    kind = kind or str(rng.choice(_KINDS))
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    first, second, third = cloth_colour(rng), cloth_colour(rng), cloth_colour(rng)
    if np.abs(first - second).sum() < 0.5:
        second = np.clip(1 - first * 0.8, 0, 1)
    repeats = rng.uniform(8, 40) * scale
    cloth = _Cloth(rng=rng, side=side, scale=scale, x=x, y=y, colours=(first, second, third), repeats=repeats)
    picture = _DRAWN[kind](cloth)
    weave = 1 + (rng.random((side, side, 1)).astype(np.float32) - 0.5) * rng.uniform(0.02, 0.14)
    return np.clip(picture * weave, 0, 1).astype(np.float32), kind


def _mask(condition: Array) -> Array:
    """As a share of 0 or 1 (side, side, 1)."""
    return condition[..., None].astype(np.float32)


def _mixed(below: Array, above: Array, share: Array) -> Array:
    out: Array = below * (1 - share) + above * share
    return out


def _bytes(colour: Array) -> tuple[int, int, int]:
    r, g, b = (int(255 * c) for c in colour)
    return r, g, b


def _floats(picture: Image.Image) -> Array:
    out: Array = np.asarray(picture).astype(np.float32) / 255
    return out


def _across(cloth: _Cloth) -> Array:
    width = cloth.rng.uniform(0.2, 0.6)
    return _mixed(cloth.colours[0], cloth.colours[1], _mask((cloth.y * cloth.repeats) % 1 > 1 - width))


def _down(cloth: _Cloth) -> Array:
    width = cloth.rng.uniform(0.1, 0.6)
    return _mixed(cloth.colours[0], cloth.colours[1], _mask((cloth.x * cloth.repeats) % 1 > 1 - width))


def _plaid(cloth: _Cloth) -> Array:
    picture = cloth.plain()
    repeats = cloth.repeats * 0.6
    widths = cloth.rng.uniform(0.2, 0.5), cloth.rng.uniform(0.05, 0.2)
    for colour, width in zip(cloth.colours[1:], widths, strict=True):
        shift = cloth.rng.random()
        for t in ((cloth.x * repeats + shift) % 1, (cloth.y * repeats + shift) % 1):
            picture = _mixed(picture, colour, _mask(t > 1 - width) * 0.5)
    return picture


def _dots(cloth: _Cloth) -> Array:
    across = cloth.x * cloth.repeats
    dx, dy = across % 1 - 0.5, (cloth.y * cloth.repeats + 0.5 * (np.floor(across) % 2)) % 1 - 0.5
    inside = dx * dx + dy * dy < cloth.rng.uniform(0.03, 0.12)
    return _mixed(cloth.colours[0], cloth.colours[1], _mask(inside))


def _camouflage(cloth: _Cloth) -> Array:
    first, second, third = cloth.colours
    picture = cloth.plain()
    for colour in (second, third, first * 0.5):
        patches = clouds(cloth.rng, cloth.side, base=int(6 * cloth.scale) + 3, octaves=3) > 0.58
        picture = _mixed(picture, colour, _mask(patches))
    return picture


def _flowers(cloth: _Cloth) -> Array:
    rng, (_, second, third) = cloth.rng, cloth.colours
    picture = cloth.picture()
    draw = ImageDraw.Draw(picture)

    def disc(x: float, y: float, radius: float, colour: tuple[int, int, int]) -> None:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    for _ in range(int(60 * cloth.scale * cloth.scale) + 25):
        x, y = rng.uniform(0, cloth.side, 2)
        radius = rng.uniform(0.008, 0.03) * cloth.side / cloth.scale**0.5
        base = second if rng.random() < 0.6 else third
        petal = _bytes(np.array([np.clip(c * rng.uniform(0.7, 1.2), 0, 1) for c in base]))
        turn = rng.uniform(0, 6.28)
        for k in range(5):
            angle = turn + k * _FIFTH
            disc(x + radius * math.cos(angle), y + radius * math.sin(angle), radius * 0.75, petal)
        disc(x, y, radius * 0.5, _bytes(third))
    return _floats(picture)


def _gradient(cloth: _Cloth) -> Array:
    t = smooth((cloth.y if cloth.rng.random() < 0.6 else cloth.x) * 1.2 - 0.1)
    return _mixed(cloth.colours[0], cloth.colours[1], _mask(t))


def _print(cloth: _Cloth) -> Array:
    """Discs, boxes, lines and letters."""
    rng, side = cloth.rng, cloth.side
    picture = cloth.picture()
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(4, 26))):
        x, y = rng.uniform(0, side, 2)
        dx, dy = rng.uniform(0.02, 0.12, 2) * side
        colour = _bytes(cloth_colour(rng))
        around = (x - dx, y - dy, x + dx, y + dy)
        match int(rng.integers(4)):
            case 0:
                draw.ellipse(around, fill=colour)
            case 1:
                draw.rectangle(around, fill=colour)
            case 2:
                draw.line(around, fill=colour, width=int(rng.integers(3, 18)))
            case _:
                word = "".join(chr(rng.integers(65, 90)) for _ in range(rng.integers(2, 9)))
                draw.text((x, y), word, fill=colour, font_size=float(rng.uniform(0.04, 0.14) * side))
    return _floats(picture)


def _mottled(cloth: _Cloth) -> Array:
    share = _mask(clouds(cloth.rng, cloth.side, base=24, octaves=4))
    out: Array = cloth.colours[0] * (0.75 + 0.5 * share)
    return out


def _zigzag(cloth: _Cloth) -> Array:
    t = (cloth.y * cloth.repeats + 0.5 * np.abs((cloth.x * cloth.repeats) % 2 - 1)) % 1
    return _mixed(cloth.colours[0], cloth.colours[1], _mask(t > 0.5))


_DRAWN: Mapping[str, Callable[[_Cloth], Array]] = {
    "plain": _Cloth.plain,
    "hstripe": _across,
    "vstripe": _down,
    "plaid": _plaid,
    "dots": _dots,
    "camo": _camouflage,
    "floral": _flowers,
    "gradient": _gradient,
    "print": _print,
    "mottle": _mottled,
    "zigzag": _zigzag,
}
