"""Tops, trousers, skirts and dresses, worn together: the bottom goes under the top's hem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.body import Body
from vimatte.engine.training.people.garments import SKIRT, Sleeves, cut, split, suit_part
from vimatte.engine.training.people.maths import Array
from vimatte.engine.training.people.mesh import Material, Part, compact, relaxed, seamless
from vimatte.engine.training.people.patterns import pattern
from vimatte.engine.training.people.shape import Person

__all__ = ["SUITS", "Separates", "Suit", "tucked"]


@dataclass(frozen=True, slots=True)
class Suit:
    """A made suit: for whom, and what its halves are."""

    sex: str
    top: str
    bottom: str


SUITS = {
    "clothes/female_casualsuit01": Suit("female", "tee", "jeans"),
    "clothes/female_casualsuit02": Suit("female", "tee", "shorts"),
    "clothes/female_elegantsuit01": Suit("female", "shirt", "skirt"),
    "clothes/female_sportsuit01": Suit("female", "crop", "leggings"),
    "clothes/male_casualsuit02": Suit("male", "sweat", "jeans"),
    "clothes/male_casualsuit03": Suit("male", "shirt", "jeans"),
    "clothes/male_casualsuit04": Suit("male", "tee", "jeans"),
    "clothes/male_casualsuit05": Suit("male", "jacket", "jeans"),
    "clothes/male_casualsuit06": Suit("male", "loosetee", "jeans"),
    "clothes/male_elegantsuit01": Suit("male", "blazer", "trousers"),
}
_SUIT_TROUSERS = "clothes/male_elegantsuit01"
_SLEEVELESS = -1
_HEM_PARTS = 24
"""Directions around the body in which a hem's height is known."""
_TRUNK = 3.0
"""Decimetres from the middle within which nothing is an arm."""


@dataclass(kw_only=True, eq=False)
class Separates:
    """Makes garments one after the other for one body, and remembers what they are and hide."""

    body: Body
    neutral: Body
    sleeves: Sleeves
    rng: Generator
    side: int
    """Of textures of made garments, pixels."""
    meta: dict[str, Any] = field(default_factory=dict)
    covers: list[int] = field(default_factory=list)
    """Skin vertices that made garments hide."""

    def top(self, kind: str) -> list[Part]:
        """A top, or a dress: then the skirt too."""
        if kind.startswith("h_"):
            return self._cut_top(kind)
        part = self._half(kind, bottom=False)
        part.vertices = self.body.pushed_out(part.vertices, 0.05)
        return [part]

    def bottom(self, person: Person, top: str) -> tuple[Part, bool]:
        """Trousers or a skirt, and whether it is of the same suit as the top and so needs no tucking in."""
        kind = self._bottom_for(person, top)
        if kind.startswith("h_"):
            part, cloth = self._cut_bottom(kind)
            self.meta.update(bottom=kind, bottom_pattern=cloth)
            return part, False
        part = self._half(kind, bottom=True)
        if SUITS[kind].bottom == "skirt":
            part.weights = relaxed(part.weights, part.faces, steps=25)
        part.vertices = self.body.pushed_out(part.vertices, 0.04)
        return part, kind == top

    def _half(self, key: str, *, bottom: bool) -> Part:
        parts = split(self.neutral, key)
        style = SUITS[key].bottom if bottom else SUITS[key].top
        chosen = parts.bottom if bottom else ~parts.bottom
        part, cloth = suit_part(self.body, self.rng, key=key, chosen=chosen, side=self.side, style=style)
        which = "bottom" if bottom else "top"
        part.name = which
        self.covers += parts.covers[parts.under_bottom == bottom].tolist()
        self.meta.update({which: key, f"{which}_pattern": cloth})
        return part

    def _fabric(self) -> tuple[Material, str]:
        cloth, kind = pattern(self.rng, scale=self.rng.uniform(0.5, 1.2))
        return Material(texture=cloth, roughness=self.rng.uniform(0.5, 0.95)), kind

    def _cut_top(self, kind: str) -> list[Part]:
        rng = self.rng
        material, cloth = self._fabric()
        thickness = {
            "h_tee": rng.uniform(0.07, 0.2),
            "h_long": rng.uniform(0.05, 0.14),
            "h_turtle": 0.08,
            "h_tank": 0.06,
            "h_knit": rng.uniform(0.18, 0.34),
            "h_dress": 0.08,
            "h_longdress": 0.08,
        }[kind]
        hem = rng.uniform(0.2, 0.9) if kind == "h_tank" else rng.uniform(-0.5, 0.6)
        sleeve = {
            "h_tee": rng.uniform(0.3, 0.8),
            "h_long": rng.choice([1.5, 1.93, 1.93]),
            "h_turtle": 1.93,
            "h_tank": _SLEEVELESS,
            "h_knit": 1.95,
            "h_dress": rng.choice([_SLEEVELESS, 0.35, 0.6, 1.9]),
            "h_longdress": rng.choice([_SLEEVELESS, 0.5, 1.9]),
        }[kind]
        neck = 6.05 if kind == "h_turtle" else rng.uniform(5.45, 5.8)
        neckline = 0 if kind == "h_turtle" else rng.uniform(0.0, 0.9)
        inside = self._top_field(hem=1.3 if "dress" in kind else hem, sleeve=sleeve, neck=neck, neckline=neckline)
        smoothing = int(rng.integers(3, 9))
        v, f, w, uv, _ = cut(self.body, inside, thickness=thickness, smoothing=smoothing)
        parts = [Part(name="top", kind="cloth", vertices=v, faces=f, uv=uv, weights=w, material=material)]
        self.meta.update(top=kind, top_pattern=cloth)
        if "dress" in kind:
            length = rng.uniform(-4.2, -1.9) if kind == "h_dress" else rng.uniform(-7.2, -5.0)
            parts.append(self._skirt(hem=length, flare=rng.uniform(0.0, 0.5), material=material))
            self.meta["skirt_len"] = round(float(length), 2)
        return parts

    def _top_field(self, *, hem: float, sleeve: float, neck: float, neckline: float) -> Callable[[Array], Array]:
        """Above 0 between hem, neckline (its depth in front) and the end of the sleeves; neutral points."""
        arms = self.sleeves

        def inside(points: Array) -> Array:
            x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
            front = neck - neckline * np.clip((z - 0.2) / 0.8, 0, 1) * (1 - np.clip(x / 0.9, 0, 1))
            out = np.minimum(y - hem, front - y + 0.35 * np.clip((x - 0.55) / 0.5, 0, 1.5))
            if sleeve < 0:
                armhole = np.maximum(1.42 - x, (4.35 - y) * 1.0)
                return np.minimum(out, np.minimum((0.5 - arms.share) * 1.5, armhole))
            return np.minimum(out, np.where(arms.along > -0.9, (sleeve - arms.along) * 2.2, 9.0))

        return inside

    def _bottom_for(self, person: Person, top: str) -> str:
        """What goes with a top."""
        rng = self.rng
        suit = SUITS.get(top)
        jeans = [k for k, s in SUITS.items() if s.bottom == "jeans" and (s.sex == person.sex or person.child)]
        chance = rng.random()
        if person.child:
            if chance < 0.7:
                return jeans[rng.integers(len(jeans))]
            return "h_leg" if person.female else "h_jogger"
        if not person.female:
            if suit is not None and (suit.bottom == "trousers" or chance < 0.5):
                return top
            others = [_SUIT_TROUSERS, "h_shorts", "h_jogger"]
            odds = [0.7 / len(jeans)] * len(jeans) + [0.12, 0.09, 0.09]
            return str(rng.choice(jeans + others, p=odds))
        if suit is not None and suit.sex == "female" and chance < 0.3:
            return top
        kinds = [
            *[jeans[0]] * 3,
            *("clothes/female_elegantsuit01", "clothes/female_casualsuit02", "clothes/female_sportsuit01"),
            *("h_leg", "h_leg", "h_skirt", "h_skirt", "h_longskirt", _SUIT_TROUSERS),
        ]
        kind = str(rng.choice(kinds))
        return "h_leg" if top == "h_tank" and kind == "h_longskirt" else kind

    def _cut_bottom(self, kind: str) -> tuple[Part, str]:
        rng = self.rng
        material, cloth = self._fabric()
        if "skirt" in kind:
            hem = rng.uniform(-3.9, -1.8) if kind == "h_skirt" else rng.uniform(-7.2, -4.8)
            return self._skirt(hem=hem, flare=rng.uniform(0, 0.55), material=material), cloth
        if rng.random() < 0.75:
            material = replace(material, texture=pattern(rng, 256, kind="plain")[0])
        end = {"h_leg": rng.choice([-7.3, -7.3, -5.5]), "h_shorts": rng.uniform(-3.6, -2.2), "h_jogger": -7.2}[kind]
        thickness = {"h_leg": 0.045, "h_shorts": rng.uniform(0.15, 0.3), "h_jogger": rng.uniform(0.12, 0.25)}[kind]

        def inside(points: Array) -> Array:
            y = points[:, 1]
            out: Array = np.minimum(np.minimum(1.45 - y, y - end), (0.5 - self.sleeves.share) * 2)
            return out

        v, f, w, uv, _ = cut(self.body, inside, thickness=thickness, smoothing=3)
        return Part(name="bottom", kind="cloth", vertices=v, faces=f, uv=uv, weights=w, material=material), cloth

    def _skirt(self, *, hem: float, flare: float, material: Material) -> Part:
        """Cut from the skirt helper, widened and gathered into folds towards the hem."""
        body, rng = self.body, self.rng
        v, f, w, _, _ = cut(body, lambda points: points[:, 1] - hem, thickness=0.05, smoothing=0, group=SKIRT)
        down = np.clip((v[:, 1].max() - v[:, 1]) / 4.0, 0, 1.5)
        middle = body.joint("root")[2] + 0.35
        wider = 1 + flare * down
        v = v.copy()
        v[:, 0] *= wider
        v[:, 2] = middle + (v[:, 2] - middle) * wider
        around = np.arctan2(v[:, 0], v[:, 2])
        folds, phase = rng.integers(6, 14), rng.uniform(0, 6)
        depth = (flare * 0.05 * down)[:, None]
        v *= 1 + (np.sin(around * folds + phase)[:, None] * np.array([1, 0, 1]) * depth)
        v = body.pushed_out(v, 0.15)
        turn = np.arctan2(v[:, 0], v[:, 2] - middle) / 6.2832 + 0.5
        uv = np.stack([turn * 2, v[:, 1] * 0.085], 1)[np.maximum(f, 0)]
        return Part(
            name="skirt",
            kind="cloth",
            vertices=v,
            faces=f,
            uv=seamless(uv, period=2),
            weights=relaxed(w, f, steps=12),
            material=material,
        )


def tucked(body: Body, *, top: Part, bottom: Part) -> None:
    """Take the bottom in under the top's hem and let the top out over it; both are changed."""
    hem = _hem_line(top.vertices)
    above = (bottom.vertices[:, 1] > hem(bottom.vertices) + 0.95) & (np.abs(bottom.vertices[:, 0]) < _TRUNK)
    kept = ~np.where(bottom.faces >= 0, above[np.maximum(bottom.faces, 0)], True).all(1)
    bottom.vertices, bottom.faces, bottom.weights, _ = compact(bottom.vertices, bottom.faces[kept], bottom.weights)
    if bottom.uv is not None:
        bottom.uv = bottom.uv[kept]
    near = np.clip((bottom.vertices[:, 1] - hem(bottom.vertices) + 0.25) / 0.3, 0, 1)
    height, _, index = body.above_skin(bottom.vertices)
    inwards = np.maximum(height - 0.05, 0) * (near * (np.abs(bottom.vertices[:, 0]) < _TRUNK))
    bottom.vertices = bottom.vertices - body.normals[index] * inwards[:, None]
    low = (top.vertices[:, 1] < hem(top.vertices) + 1.3) & (np.abs(top.vertices[:, 0]) < _TRUNK)
    height, _, index = body.above_skin(top.vertices)
    outwards = np.maximum(0.16 - height, 0) * low
    top.vertices = top.vertices + body.normals[index] * outwards[:, None]


def _hem_line(vertices: Array) -> Callable[[Array], Array]:
    """The height of a garment's hem around the trunk, for points (n, 3) -> (n,)."""
    trunk = vertices[np.abs(vertices[:, 0]) < 2.6]
    azimuth = np.arctan2(trunk[:, 0], trunk[:, 2] - 0.1)
    part = ((azimuth + np.pi) / (2 * np.pi) * _HEM_PARTS).astype(int) % _HEM_PARTS
    lowest = np.full(_HEM_PARTS, np.inf)
    np.minimum.at(lowest, part, trunk[:, 1])
    known = np.isfinite(lowest)
    if not known.any():
        return lambda points: np.full(len(points), np.nan)
    lowest = np.interp(np.arange(_HEM_PARTS), np.nonzero(known)[0], lowest[known])
    centres = (np.arange(_HEM_PARTS) + 0.5) / _HEM_PARTS * 2 * np.pi - np.pi

    def height(points: Array) -> Array:
        around = np.arctan2(points[:, 0], points[:, 2] - 0.1)
        return np.asarray(np.interp(around, centres, lowest, period=2 * np.pi))

    return height
