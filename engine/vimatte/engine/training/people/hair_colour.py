"""Colours of hair, by where somebody's forebears come from and by age."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.colours import GAMMA, hsv
from vimatte.engine.training.people.maths import Array
from vimatte.engine.training.people.shape import Person

__all__ = ["DYED", "hair_colour"]

DYED = "dyed"
_COLOURS = {
    "black": (0.02, 0.017, 0.015),
    "darkbrown": (0.05, 0.032, 0.022),
    "brown": (0.11, 0.065, 0.04),
    "lightbrown": (0.22, 0.135, 0.08),
    "darkblond": (0.33, 0.23, 0.12),
    "blond": (0.55, 0.42, 0.25),
    "platinum": (0.75, 0.68, 0.55),
    "red": (0.30, 0.085, 0.03),
    "auburn": (0.14, 0.04, 0.02),
    "grey": (0.33, 0.32, 0.31),
    "white": (0.72, 0.71, 0.69),
}
"""Linear."""


def hair_colour(rng: Generator, person: Person) -> tuple[Array, str]:
    """A linear colour (3,) and its name."""
    fair = person.caucasian
    odds = {
        "black": 0.9 + 3 * (1 - fair),
        "darkbrown": 1.2 + 1.2 * (1 - fair),
        "brown": 1.0 * (0.3 + fair),
        "lightbrown": 0.8 * fair + 0.1,
        "darkblond": 0.8 * fair + 0.05,
        "blond": 0.9 * fair + 0.05,
        "platinum": 0.25 * fair + 0.04,
        "red": 0.45 * fair + 0.03,
        "auburn": 0.35 * fair + 0.05,
        "grey": 0.1,
        "white": 0.05,
    }
    if person.age > 0.62:
        odds["grey"] += 6 * (person.age - 0.5)
        odds["white"] += 5 * max(0, person.age - 0.7)
    names, weights = list(_COLOURS), np.array([odds[name] for name in _COLOURS])
    name = names[rng.choice(len(names), p=weights / weights.sum())]
    colour = np.array(_COLOURS[name]) * rng.uniform(0.8, 1.25)
    if rng.random() < 0.05 and not person.child:
        return hsv(rng.random(), 0.85, 0.8) ** GAMMA * rng.uniform(0.3, 1), DYED
    return colour, name
