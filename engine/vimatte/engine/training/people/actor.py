"""Somebody, whole: body, motion, clothes, hair, what they carry, and their skin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from vimatte.engine.training.people.assets import Assets
from vimatte.engine.training.people.body import Body, item_part
from vimatte.engine.training.people.colours import GAMMA
from vimatte.engine.training.people.garments import Sleeves, sleeves
from vimatte.engine.training.people.hair import Hair, beard, random_hair
from vimatte.engine.training.people.maths import Array
from vimatte.engine.training.people.mesh import Material, Part, compact
from vimatte.engine.training.people.motion import Acted, act
from vimatte.engine.training.people.outfit import dressed
from vimatte.engine.training.people.props import random_props
from vimatte.engine.training.people.shape import Person, random_person, shaped
from vimatte.engine.training.people.skin import HairRegions, bearded, hair_regions, shaven, skin_texture
from vimatte.engine.training.people.strands import Strands

__all__ = ["Actor", "Studio", "open_studio", "random_actor"]

_DETAIL = {"full": 0.75, "threequarter": 0.85, "medium": 1.0, "mcu": 1.05}
"""Strands of hair by shot, as a share of a whole head."""
_CLOSE_MOTIONS = {"cmu": 0.15, "gesture": 0.65, "pose": 0.2}
_BROWS, _LASHES = 12, 4
_GREY_BROWS = (0.28, 0.25, 0.23)
_OPEN_MOUTHS = ("laug", "smil", "surp", "fear", "stun", "ange", "effo")
"""How the names of expressions begin that show teeth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Studio:
    """What all clips share."""

    assets: Assets
    neutral: Body
    sleeves: Sleeves
    regions: HairRegions


def open_studio(assets: Assets) -> Studio:
    """Work out once what every clip needs."""
    neutral = Body(assets, assets.vertices)
    return Studio(assets=assets, neutral=neutral, sleeves=sleeves(neutral), regions=hair_regions())


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """All there is of somebody, and what meta.json says of them."""

    body: Body
    acted: Acted
    parts: list[Part]
    strands: list[Strands]
    meta: dict[str, Any]


def random_actor(
    studio: Studio,
    rng: Generator,
    *,
    shot: str,
    count: int,
    sex: str | None = None,
    motion: str | None = None,
    hair: str | None = None,
) -> Actor:
    """Somebody drawn by chance, moving for `count` samples, in as much detail as a shot needs."""
    assets = studio.assets
    close = shot in ("medium", "mcu")
    person = random_person(assets, rng, sex=sex)
    body = Body(assets, shaped(assets, person))
    if motion is None and close:
        motion = str(rng.choice(list(_CLOSE_MOTIONS), p=list(_CLOSE_MOTIONS.values())))
    acted = act(body, rng, count=count, kind=motion)
    outfit = dressed(body, studio.neutral, studio.sleeves, rng, person, side=1024 if close else 512)
    grown = random_hair(body, rng, person, studio.regions, detail=_DETAIL[shot], style=hair)
    props = random_props(body, rng, person, outfit.parts, hair=grown.style)
    if props.brim is not None:
        for part in grown.parts:
            part.vertices = body.under_hat(part.vertices, props.brim)
        for lock in grown.strands:
            flat = body.under_hat(lock.points.reshape(-1, 3), props.brim)
            lock.points = flat.reshape(lock.points.shape)
    strands, length = list(grown.strands), None
    if person.sex == "male" and not person.child and person.age > 0.45 and rng.random() < 0.38:
        whiskers, length = beard(body, rng, studio.regions, grown.colour * (0.2 if grown.dyed else 0.8))
        strands.append(whiskers)
    skin, of_skin = _skin(studio, rng, person, grown, side=2048 if shot == "mcu" else 1024, beard=length is not None)
    rough = rng.uniform(0.38, 0.55)
    parts = [_bare(body, outfit.hidden, Material(texture=skin, roughness=rough))]
    face, eyes = _face(body, rng, person, grown, acted)
    meta: dict[str, Any] = {
        "person": {
            **person.to_json(),
            "stature_m": round(float(np.ptp(body.skin[:, 1])) / 10, 3),
            **of_skin,
            "eyes": eyes,
        },
        "outfit": outfit.meta,
        "hair": grown.meta,
        "props": props.meta,
    }
    if length is not None:
        meta["beard_dm"] = length
    parts += [*face, *outfit.parts, *props.parts, *grown.parts]
    return Actor(body=body, acted=acted, parts=parts, strands=strands, meta=meta)


def _skin(
    studio: Studio, rng: Generator, person: Person, hair: Hair, *, side: int, beard: bool
) -> tuple[Array, dict[str, Any]]:
    """The skin's texture, and what meta.json says of it."""
    colour = np.clip(hair.colour, 0, 1) ** (1 / GAMMA)
    scalp = studio.regions.scalp * hair.scalp
    made = skin_texture(studio.assets, rng, person, side=side, scalp=scalp, hair_colour=colour)
    picture = made.picture
    if hair.style == "bald" and hair.scalp == 0:
        picture = shaven(rng, picture, studio.regions)
    if beard:
        picture = bearded(picture, studio.regions, hair.colour)
    return picture, {"skin": made.skin, "tone": made.tone}


def _bare(body: Body, hidden: Array, material: Material) -> Part:
    """The skin that shows."""
    assets = body.assets
    kept = (~hidden)[assets.body_faces].any(1)
    vertices, faces, weights, _ = compact(body.vertices, assets.body_faces[kept], assets.weights)
    uv = assets.uv[assets.body_face_uv[kept]]
    return Part(name="body", kind="skin", vertices=vertices, faces=faces, uv=uv, weights=weights, material=material)


def _face(body: Body, rng: Generator, person: Person, hair: Hair, acted: Acted) -> tuple[list[Part], str]:
    """Eyes, brows, lashes, and teeth and tongue where they show; and the eyes' colour."""
    assets = body.assets
    eyes = _eye_colour(assets, rng, person)
    parts = [
        item_part(
            body,
            "eyes/low",
            name="eyes",
            material=Material(texture=assets.texture(f"eye_{eyes}", width=256), roughness=0.08),
        )
    ]
    brow = f"eyebrow{rng.integers(1, _BROWS + 1):03d}"
    hairs = assets.texture(brow, "RGBA", width=256)
    grey = hair.colour_name in ("grey", "white") or hair.dyed
    colour = np.array(_GREY_BROWS) if grey else np.clip(hair.colour * 0.6, 0, 0.4) ** (1 / GAMMA)
    hairs = np.concatenate([np.ones_like(hairs[..., :3]) * colour, hairs[..., 3:]], 2)
    parts.append(
        item_part(body, f"brow/{brow}", name="brows", material=Material(texture=hairs, cut_out=True, roughness=0.7))
    )
    lash = f"eyelashes{rng.integers(1, _LASHES + 1):02d}"
    hairs = assets.texture(lash, "RGBA", width=256)
    hairs[..., :3] = 0.03
    parts.append(
        item_part(body, f"lash/{lash}", name="lashes", material=Material(texture=hairs, cut_out=True, roughness=0.7))
    )
    face = acted.meta["face"]
    if face["jaw"] > 0.05 or face.get("expression", "").startswith(_OPEN_MOUTHS):
        for name, roughness in (("teeth", 0.3), ("tongue", 0.4)):
            material = Material(texture=assets.texture(name, width=256), roughness=roughness)
            parts.append(item_part(body, f"{name}/{name}", name=name, material=material))
    return parts, eyes


def _eye_colour(assets: Assets, rng: Generator, person: Person) -> str:
    names = assets.eye_colours()
    if person.caucasian < 0.6:
        odds = np.array([6.0 if name == "brown" else 3.0 if "brown" in name else 0.8 for name in names])
    else:
        odds = np.ones(len(names))
    return names[rng.choice(len(names), p=odds / odds.sum())]
