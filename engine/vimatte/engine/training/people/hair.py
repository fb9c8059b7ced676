"""Somebody's hair: a style drawn by chance, as a mesh with loose strands or as strands alone, and a beard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.body import Body
from vimatte.engine.training.people.hair_colour import DYED, hair_colour
from vimatte.engine.training.people.hair_mesh import hair_mesh
from vimatte.engine.training.people.hair_styles import afro, bun, buzz, cropped, flowing, locs, stray
from vimatte.engine.training.people.head import Grown, Head
from vimatte.engine.training.people.maths import Array
from vimatte.engine.training.people.mesh import Part
from vimatte.engine.training.people.shape import Person
from vimatte.engine.training.people.skin import HairRegions
from vimatte.engine.training.people.strands import Strands, grown, roots, strand_colours, tapered

__all__ = ["STYLES", "Hair", "beard", "random_hair"]

_GROWN: Mapping[str, Callable[[Head, str], Grown]] = {
    "s_buzz": buzz,
    "s_crop": cropped,
    "s_side": cropped,
    "s_messy": cropped,
    "s_afro": afro,
    "s_locs": locs,
    "s_bun": bun,
    "s_long": flowing,
    "s_wavy": flowing,
    "s_curly": flowing,
    "s_bobs": flowing,
}
_MESHES = ("long01", "ponytail01", "bob02", "braid01", "short01", "short02", "short03", "short04")
STYLES = ("bald", *_GROWN, *_MESHES)
"""Every style; those that begin with s_ are strands alone."""
_MESH_SCALP = 0.75
"""How much of the hair's colour the skin under a mesh takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hair:
    """Meshes, strands, and what the skin needs to know."""

    parts: list[Part]
    strands: list[Strands]
    style: str
    colour: Array
    """Linear (3,)."""
    colour_name: str
    scalp: float
    """How much of that the skin of the scalp takes, 0 .. 1."""
    meta: dict[str, Any]

    @property
    def dyed(self) -> bool:
        """Whether no beard grows in this colour."""
        return self.colour_name == DYED


def random_hair(
    body: Body, rng: Generator, person: Person, regions: HairRegions, *, detail: float, style: str | None = None
) -> Hair:
    """Hair of a style, or of one drawn by chance; `detail` multiplies the number of strands."""
    colour, name = hair_colour(rng, person)
    if style is None:
        odds = _odds(person)
        names = sorted(odds)
        weights = np.array([odds[n] for n in names])
        style = names[rng.choice(len(names), p=weights / weights.sum())]
    parting = rng.choice([0, 0.3, -0.3, 0.45, -0.45]) * rng.uniform(0.6, 1.2)
    head = Head(body=body, rng=rng, person=person, scalp=regions.scalp, colour=colour, parting=parting, detail=detail)
    parts: list[Part] = []
    strands: list[Strands] = []
    meta: dict[str, Any] = {"hair": style, "hair_color": name}
    if style == "bald":
        scalp = rng.uniform(0.15, 0.5) if rng.random() < 0.5 else 0
    elif style in _MESHES:
        part, strands = hair_mesh(head, style)
        parts, scalp = [part], _MESH_SCALP
        if strands:
            meta["flyaway"] = len(strands[0].points)
    else:
        head = replace(head, receding=person.old and not person.female and rng.random() < 0.5)
        made = _GROWN[style](head, style)
        strands, scalp = made.strands, made.scalp
        meta.update(made.meta)
        if style != "s_buzz":
            strands.append(stray(head, style, strands[0].points))
            meta["flyaway"] = len(strands[-1].points)
    return Hair(
        parts=parts, strands=strands, style=style, colour=colour, colour_name=name, scalp=float(scalp), meta=meta
    )


def _odds(person: Person) -> dict[str, float]:
    """How often each style is worn."""
    odds: dict[str, float]
    if person.female:
        odds = {
            "long01": 3,
            "ponytail01": 2.4,
            "bob02": 1.6,
            "braid01": 1.6,
            "short03": 1.0,
            "short01": 0.5,
            "short04": 0.4,
            "s_long": 2.6,
            "s_wavy": 2.2,
            "s_curly": 1.6,
            "s_bobs": 1.2,
            "s_crop": 0.5,
            "s_bun": 1.3,
            "s_locs": 0.5,
            "s_afro": 1.0 + 1.5 * person.african,
        }
    else:
        odds = {
            "short01": 1.8,
            "short02": 2.0,
            "short03": 0.5,
            "short04": 2.2,
            "s_crop": 2.6,
            "s_buzz": 1.5,
            "s_messy": 2.0,
            "s_curly": 0.9,
            "s_long": 0.5,
            "s_wavy": 0.5,
            "s_side": 1.5,
            "s_locs": 0.4,
            "s_bun": 0.25,
            "s_afro": 0.7 + person.african,
            "bald": 0.7 + (1.2 if person.old else 0),
        }
    if person.child:
        odds.pop("bald", None)
    return odds


def beard(body: Body, rng: Generator, regions: HairRegions, colour: Array) -> tuple[Strands, float]:
    """A beard of this linear colour, and its length in decimetres."""
    count = int(rng.choice([1500, 3000, 4500]))
    length = float(rng.choice([0.04, 0.08, 0.2, 0.5, 0.9], p=[0.3, 0.25, 0.25, 0.12, 0.08]))
    start, normals = roots(body, rng, count, regions.beard)
    n = len(start)
    direction = normals * 0.5 + np.array([0, -1, 0.2]) + rng.normal(0, 0.3, (n, 3))
    m = 5 if length > 0.15 else 3
    points = grown(
        body,
        rng,
        start,
        normals,
        direction,
        length * rng.uniform(0.6, 1.1, n),
        points=m,
        gravity=0.1,
        noise=0.12,
        collide=False,
    )
    weights = np.repeat(body.assets.weights[body.nearest(start)[1]][:, None], m, 1).reshape(n * m, -1)
    width = tapered(rng.uniform(0.007, 0.012, n), m, tip=0.4)
    colours = strand_colours(rng, n, colour)
    return Strands(points=points, width=width, colour=colours, weights=weights, lag=np.zeros((n, m))), length
