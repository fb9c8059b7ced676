"""A head that hair grows on: its directions, its roots, and how strands hang from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.body import Body
from vimatte.engine.training.people.maths import Array, smooth, unit
from vimatte.engine.training.people.shape import Person
from vimatte.engine.training.people.strands import Strands, roots, tapered

__all__ = ["Grown", "Head"]

_TRAIL = 0.45
"""How much hair on the shoulders trails behind."""
_TIP_TRAIL = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """One person's head, and what is drawn for it."""

    body: Body
    rng: Generator
    person: Person
    scalp: Array
    """Where hair grows, in texture space (512, 512)."""
    colour: Array
    """Linear (3,)."""
    parting: float
    """Decimetres left of the middle."""
    detail: float
    """Multiplies the number of strands."""
    receding: bool = False

    @property
    def place(self) -> Array:
        """Where the head's bone begins (3,)."""
        return self.body.joint("head")

    @property
    def eyes(self) -> float:
        """Their height."""
        return float(self.body.joint("eye.L")[1])

    def count(self, number: float) -> int:
        """How many strands to draw where full detail has this number."""
        return int(number * self.detail)

    def roots(self, count: int, *, all_over: bool = False) -> tuple[Array, Array]:
        """Points and normals (n, 3) of the scalp; fewer in front where hair recedes, unless all over."""
        thinned = self.receding and not all_over

        def density(points: Array) -> Array:
            out: Array = smooth((8.05 - points[:, 1]) / 0.25) + 0.1 + (points[:, 2] < 0.2) * 0.6
            return out

        return roots(self.body, self.rng, count, self.scalp, density=density if thinned else None)

    def outwards(self, points: Array) -> Array:
        """Away from the middle of the head (n, 3)."""
        return unit(points - (self.place + np.array([0, 0.6, 0.35])))

    def from_parting(self, points: Array, *, back: float) -> Array:
        """Combed to both sides of the parting and back (n, 3)."""
        side = np.tanh((points[:, 0] - self.parting) / 0.12)[:, None]
        out: Array = np.array([1.0, 0, 0]) * side + np.array([0, 0, -1.0]) * back
        return out

    def on_top(self, points: Array) -> Array:
        """1 on top of the head, 0 from the eyebrows down (n,)."""
        return smooth((points[:, 1] - self.eyes - 0.35) / 0.6)

    def strands(self, points: Array, width: Array, colour: Array, *, hangs: bool = False, tip: float = 0.25) -> Strands:
        """Strands (n, m, 3) that follow the head; what hangs follows the back below it, and trails."""
        n, m = points.shape[:2]
        down = smooth((self.place[1] + 0.2 - points[..., 1]) / 2.2) * 0.85 if hangs else np.zeros((n, m))
        bone, bones = self.body.assets.bone, self.body.assets.bones
        weights = np.zeros((n * m, len(bones)), np.float32)
        weights[:, bone["head"]] = 1 - down.ravel()
        weights[:, bone["spine01"]] = down.ravel()
        lag = down * _TRAIL + np.linspace(0, _TIP_TRAIL, m)[None]
        return Strands(points=points, width=tapered(width, m, tip=tip), colour=colour, weights=weights, lag=lag)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """A style's strands, the groomed ones first."""

    strands: list[Strands]
    scalp: float
    """How much of the hair's colour the skin takes, 0 .. 1."""
    meta: dict[str, Any] = field(default_factory=dict)
