"""What somebody carries: hat, glasses, backpack, and something in a hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.random import Generator

from vimatte.engine.training.people.backpack import backpack
from vimatte.engine.training.people.body import Body
from vimatte.engine.training.people.glasses import glasses
from vimatte.engine.training.people.hats import random_hat
from vimatte.engine.training.people.held import held
from vimatte.engine.training.people.maths import Array
from vimatte.engine.training.people.mesh import Part
from vimatte.engine.training.people.shape import Person

__all__ = ["Props", "random_props"]

_TOO_LARGE = ("s_bun", "s_afro", "s_locs", "ponytail01")
"""Hair that no hat goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Props:
    """Their meshes and what meta.json says of them."""

    parts: list[Part]
    meta: dict[str, Any]
    brim: Callable[[Array], Array] | None
    """Of the hat, if there is one: points (n, 3) -> its height there (n,)."""


def random_props(body: Body, rng: Generator, person: Person, outfit: list[Part], *, hair: str) -> Props:
    """Things drawn by chance; 14 % wear a hat, a fifth glasses, a tenth a backpack, a fifth hold something."""
    parts: list[Part] = []
    meta: dict[str, Any] = {}
    brim = None
    if rng.random() < 0.14:
        hat = random_hat(body, rng)
        if hair not in _TOO_LARGE:
            parts, brim = hat.parts, hat.brim
            meta["hat"] = hat.kind
    if (rng.random() < 0.2 and not person.child) or rng.random() < 0.03:
        spectacles = glasses(body, rng)
        parts += spectacles
        meta["glasses"] = "sun" if len(spectacles) > 1 else True
    if rng.random() < 0.1:
        parts += backpack(body, rng, outfit)
        meta["bag"] = "backpack"
    if rng.random() < 0.2:
        thing, kind, bag = held(body, rng)
        parts.append(thing)
        meta["held"] = kind
        if bag:
            meta["bag"] = kind
    return Props(parts=[part for part in parts if len(part.vertices)], meta=meta, brim=brim)
