"""One colour for each instance: the same id has the same colour in every picture of every run."""

from __future__ import annotations

import colorsys

__all__ = ["Colour", "colour_of", "legible"]

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255, sRGB."""

_FIRST: tuple[Colour, ...] = (
    (255, 165, 30),
    (60, 165, 255),
    (225, 45, 120),
    (135, 255, 225),
    (240, 150, 180),
    (225, 90, 0),
    (240, 240, 105),
    (150, 75, 255),
    (180, 105, 180),
    (0, 210, 240),
    (180, 210, 135),
    (105, 180, 120),
)
"""Chosen one after the other, each the farthest from those before it in OKLab as seen with normal vision, protanopia
and deuteranopia (Machado et al. 2009), among colours light enough for dark backgrounds."""

_GOLDEN = 0.6180339887498949


def colour_of(instance_id: int) -> Colour:
    """Give the colour of an instance id (1 or more): the first 12 are well apart for colour-blind eyes too."""
    if instance_id < 1:
        raise ValueError(f"an instance id is 1 or more, found {instance_id}")
    if instance_id <= len(_FIRST):
        return _FIRST[instance_id - 1]
    step = instance_id - len(_FIRST)
    value, saturation = (1.0, 0.85, 0.92)[step % 3], (0.55, 0.75, 0.35)[step // 3 % 3]
    r, g, b = colorsys.hsv_to_rgb(step * _GOLDEN % 1.0, saturation, value)
    return round(r * 255), round(g * 255), round(b * 255)


def legible(colour: Colour) -> Colour:
    """Lighten a colour for small letters on a dark ground."""
    r, g, b = (round(0.72 * c + 0.28 * 255) for c in colour)
    return r, g, b
