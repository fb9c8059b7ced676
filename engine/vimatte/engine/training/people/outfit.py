"""What somebody wears: one outfit drawn from made suits, garments cut from the body's helpers, and shoes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.assets import BODY_VERTICES
from vimatte.engine.training.people.body import Body, item_part
from vimatte.engine.training.people.colours import recoloured
from vimatte.engine.training.people.cover import hidden_under, under_suit
from vimatte.engine.training.people.fabric import garment_texture
from vimatte.engine.training.people.garments import Sleeves, suit_part
from vimatte.engine.training.people.maths import Array
from vimatte.engine.training.people.mesh import Material, Part, compact, components
from vimatte.engine.training.people.separates import Separates, tucked
from vimatte.engine.training.people.shape import Person

__all__ = ["Outfit", "dressed"]

_WORKSUIT, _CASUAL = "clothes/male_worksuit01", "clothes/male_casualsuit01"
_TOPS = {
    "female": (
        *["clothes/female_casualsuit01"] * 2,
        *["clothes/female_casualsuit02"] * 2,
        *["clothes/female_elegantsuit01"] * 3,
        "clothes/female_sportsuit01",
        *("clothes/male_casualsuit02", "clothes/male_casualsuit03"),
        *("clothes/male_casualsuit04", "clothes/male_casualsuit05"),
        *("h_tee", "h_long", "h_turtle", "h_tank", "h_knit", "h_dress", "h_dress", "h_longdress"),
    ),
    "male": (
        *["clothes/male_casualsuit02"] * 2,
        *["clothes/male_casualsuit03"] * 3,
        *["clothes/male_casualsuit04"] * 2,
        *["clothes/male_casualsuit05"] * 3,
        *["clothes/male_casualsuit06"] * 2,
        *["clothes/male_elegantsuit01"] * 3,
        *("h_tee", "h_long", "h_turtle", "h_knit", _WORKSUIT, _CASUAL, _CASUAL),
    ),
    "child": (
        *("clothes/female_casualsuit01", "clothes/male_casualsuit02", "clothes/male_casualsuit03"),
        *("clothes/male_casualsuit04", "clothes/male_casualsuit05", "h_long", "h_tee", "h_knit"),
    ),
}
"""Tops by who wears them, as often as they are drawn; h_ are cut from helpers."""
_SHOES = 6
_SHOE_TEXTURE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Outfit:
    """Garments, the skin they hide, and what meta.json says of them."""

    parts: list[Part]
    hidden: Array
    """Skin vertices that are not drawn (13380,), bool."""
    meta: dict[str, Any]


def dressed(body: Body, neutral: Body, arms: Sleeves, rng: Generator, person: Person, *, side: int) -> Outfit:
    """Dress a body; `side` of the garments' textures in pixels."""
    tops = _TOPS["child" if person.child else person.sex]
    top = tops[rng.integers(len(tops))]
    if top == _WORKSUIT:
        outfit = _worksuit(body, rng, side=side)
    elif top == _CASUAL:
        outfit = _casual(body, rng, side=side)
    else:
        outfit = _separates(body, neutral, arms, rng, person, top=top, side=side)
    parts = [part for part in outfit.parts if len(part.vertices) and len(part.faces)]
    hidden, meta = outfit.hidden, outfit.meta
    if rng.random() < 0.95:
        shoes, name = _shoes(body, rng, side=side)
        parts.append(shoes)
        hidden = hidden | _listed(body.assets.items[name].covers)
        meta = {**meta, "shoes": name.removeprefix("clothes/")}
    return Outfit(parts=parts, hidden=hidden, meta=meta)


def _listed(covers: Array) -> Array:
    hidden = np.zeros(BODY_VERTICES, bool)
    hidden[covers[covers < BODY_VERTICES]] = True
    return hidden


def _worksuit(body: Body, rng: Generator, *, side: int) -> Outfit:
    """An overall over a T-shirt, which is the suit's second largest piece."""
    item = body.assets.items[_WORKSUIT]
    label = components(item.faces, count=len(item.corners))
    by_size = np.argsort(-np.bincount(label), kind="stable")
    shirt = label == by_size[1]
    top, of_top = suit_part(body, rng, key=_WORKSUIT, chosen=shirt, side=side, style="tee")
    overall, of_overall = suit_part(body, rng, key=_WORKSUIT, chosen=~shirt, side=side, style="overall")
    overall.name = "bottom"
    hidden = _listed(item.covers) | under_suit(body, overall)
    meta = {"tee": of_top, "overall": of_overall, "outfit": "worksuit"}
    return Outfit(parts=[top, overall], hidden=hidden, meta=meta)


def _casual(body: Body, rng: Generator, *, side: int) -> Outfit:
    """A suit whose shirt and jeans share vertices: the pieces of its texture tell them apart."""
    item = body.assets.items[_CASUAL]
    vertices, weights = body.pushed_out(body.fitted(item), 0.05), body.weights_of(item)
    patches = item.face_uv.astype(np.int64)
    patch = components(patches, count=len(item.uv))[patches[:, 0]]
    leg = weights[:, body.assets.bones_of("upperleg", "lowerleg", "pelvis")].sum(1)[item.faces[:, 0]]
    count = np.bincount(patch)
    below = (np.bincount(patch, leg) / np.maximum(count, 1) > 0.35)[patch]
    parts, meta = [], {}
    for name, rows, style in (("top", ~below, "shirt"), ("bottom", below, "jeans")):
        texture, meta[style] = garment_texture(body.assets, rng, key=_CASUAL, side=side, style=style)
        bumps = body.assets.texture("cl_male_casualsuit01_normal", width=side)
        v, f, w, _ = compact(vertices, item.faces[rows], weights)
        material = Material(texture=texture, roughness=0.8, normal_map=bumps)
        uv = item.corner_uv(rows)
        parts.append(Part(name=name, kind="cloth", vertices=v, faces=f, uv=uv, weights=w, material=material))
    meta["outfit"] = "casual01"
    return Outfit(parts=parts, hidden=_listed(item.covers), meta=meta)


def _separates(
    body: Body, neutral: Body, arms: Sleeves, rng: Generator, person: Person, *, top: str, side: int
) -> Outfit:
    shop = Separates(body=body, neutral=neutral, sleeves=arms, rng=rng, side=side)
    parts = shop.top(top)
    if "dress" not in top:
        bottom, same = shop.bottom(person, top)
        if not same:
            tucked(body, top=parts[0], bottom=bottom)
        parts.append(bottom)
    listed = np.zeros(BODY_VERTICES, bool)
    listed[shop.covers] = True
    return Outfit(parts=parts, hidden=hidden_under(body, parts, listed), meta=shop.meta)


def _shoes(body: Body, rng: Generator, *, side: int) -> tuple[Part, str]:
    """Shoes, and the item they are."""
    name = f"shoes{rng.integers(1, _SHOES + 1):02d}"
    texture = body.assets.texture(f"cl_{name}_diffuse", width=min(side, _SHOE_TEXTURE))
    if rng.random() < 0.6:
        hue, saturation, value = rng.random(), rng.uniform(0.2, 1.3), rng.uniform(0.4, 1.7)
        texture = recoloured(texture, hue=hue, saturation=saturation, value=value)
    item = f"clothes/{name}"
    return item_part(body, item, name="shoes", material=Material(texture=texture, roughness=0.45)), item
