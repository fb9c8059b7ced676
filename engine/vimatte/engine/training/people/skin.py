"""The skin's texture: a photograph recoloured to a tone, with the scalp under the hair and the shade of a beard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from vimatte.engine.training.people.assets import Assets
from vimatte.engine.training.people.colours import GAMMA, SKIN_TONES, clouds, luma, resized
from vimatte.engine.training.people.maths import Array
from vimatte.engine.training.people.shape import Person

__all__ = ["HairRegions", "SkinTexture", "bearded", "hair_regions", "shaven", "skin_texture"]

_SKINS = {
    "female": (
        "darthfurby_caucasian_female",
        "middleage_eurasian_female_diffuse",
        "young_eurasian_female_diffuse",
        "creamy_female_diffuse",
        "young_lightskinned_female_diffuse_Bronze",
    ),
    "female_old": ("old_eurasian_female_diffuse", "middleage_eurasian_female_diffuse"),
    "male": ("young_lightskinned_male_diffuse2", "young_lightskinned_male_diffuse3", "skin_male_african_middleage"),
    "male_old": ("old_eurasian_male_diffuse",),
}
_CHILDREN = ("young_eurasian_female_diffuse", "young_lightskinned_male_diffuse3")
_DARK_SKIN = "skin_male_african_middleage"
"""The one photograph of dark skin; its contrast suits dark tones only."""
_DARK_FROM = 6
"""Tones from here on are dark."""
_SCALP = (
    *((245, 550), (250, 500), (240, 450), (232, 425), (262, 395), (300, 395), (345, 395), (362, 388), (345, 362)),
    *((332, 330), (338, 292), (370, 278), (405, 268), (430, 240), (455, 190), (462, 130), (466, 45), (466, 20)),
    *((30, 20), (30, 550)),
)
"""Outline of the hair's half in MakeHuman's texture, in pixels of a drawing of its head: 600 x 1125."""
_BEARD = (
    *((428, 550), (430, 520), (445, 505), (462, 488), (455, 450), (425, 412), (378, 392), (386, 372), (440, 398)),
    *((488, 440), (528, 482), (540, 550)),
)
_LIPS = (462, 550)
_REGION_SIDE = 512
_FOREHEAD = (0.515, 0.783)
"""Row and column in the texture, as shares: skin that never has hair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HairRegions:
    """Where hair grows, as shares in texture space (512, 512)."""

    scalp: Array
    beard: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class SkinTexture:
    """sRGB-coded 0 .. 1 (h, w, 3), float32, and where it comes from."""

    picture: Array
    skin: str
    tone: int


def hair_regions() -> HairRegions:
    """Draw the two regions, the same left and right."""
    return HairRegions(scalp=_region(_SCALP, blur=2.2), beard=_region(_BEARD, blur=2.5, hole=_LIPS))


def _on_texture(x: float, y: float) -> tuple[float, float]:
    """From the drawing of the head to pixels of a region."""
    return (0.6 + x * 0.4 / 600) * _REGION_SIDE, (0.15 + y * 0.75 / 1125) * _REGION_SIDE


def _region(outline: tuple[tuple[int, int], ...], *, blur: float, hole: tuple[int, int] | None = None) -> Array:
    picture = Image.new("L", (_REGION_SIDE, _REGION_SIDE))
    draw = ImageDraw.Draw(picture)
    draw.polygon([_on_texture(x, y) for x, y in outline], fill=255)
    draw.polygon([_on_texture(x, 1100 - y) for x, y in outline], fill=255)
    if hole is not None:
        x, y = _on_texture(*hole)
        draw.ellipse((x - 6.5, y - 14, x + 6.5, y + 14), fill=0)
    out: Array = np.asarray(picture.filter(ImageFilter.GaussianBlur(blur))).astype(np.float32) / 255
    return out


def skin_texture(
    assets: Assets, rng: Generator, person: Person, *, side: int, scalp: Array, hair_colour: Array
) -> SkinTexture:
    """A skin of this person's tone; `scalp` (512, 512) says how much of the hair's colour (3,) it takes where."""
    skins = _SKINS[person.sex + ("_old" if person.old else "")]
    skin = skins[rng.integers(len(skins))]
    if person.child:
        skin = _CHILDREN[0] if rng.random() < 0.5 else _CHILDREN[1]
    darkness = person.african * 9.2 + person.asian * 3.6 + person.caucasian * 1.6
    tone = int(np.clip(round(darkness + rng.normal(0, 1.3)), 0, 10))
    if skin == _DARK_SKIN and tone < _DARK_FROM:
        if rng.random() < 0.8:
            skin = _SKINS["male"][rng.integers(2)]
        else:
            tone = int(rng.integers(_DARK_FROM, len(SKIN_TONES)))
    photograph = assets.texture(f"skin_{skin}", width=side)
    colour = np.array(SKIN_TONES[tone])
    return _toned(rng, photograph, skin=skin, tone=tone, colour=colour, scalp=scalp, hair_colour=hair_colour)


def _toned(
    rng: Generator, photograph: Array, *, skin: str, tone: int, colour: Array, scalp: Array, hair_colour: Array
) -> SkinTexture:
    height = photograph.shape[0]
    chest = photograph[int(0.2 * height) : int(0.45 * height), int(0.25 * height) : int(0.75 * height)]
    usual = np.median(chest.reshape(-1, 3), 0)
    colour = colour * (1 + rng.normal(0, 0.03, 3))
    relative = np.clip(photograph / np.maximum(usual, 0.05), 0, 2.2)
    contrast = 0.9 if skin == _DARK_SKIN else float(np.interp(luma(colour), [0.2, 0.8], [1.15, 0.95]))
    picture = np.clip(colour * relative**contrast, 0, 1)
    if tone >= _DARK_FROM:  # lips and palms of dark skin are lighter and pinker than scaling makes them
        red = np.clip((relative[..., 0] - relative[..., 1]) * 2.2, 0, 1)[..., None]
        picture = np.clip(picture + red * np.array([0.10, 0.03, 0.04]), 0, 1)
    share = resized(scalp, (height, height), smooth=True)[..., None]
    picture = picture * (1 - share) + (colour * 0.55 + hair_colour * 0.45) * share
    return SkinTexture(picture=picture.astype(np.float32), skin=skin, tone=tone)


def shaven(rng: Generator, picture: Array, regions: HairRegions) -> Array:
    """A skin (h, w, 3) whose painted stubble is filled with the forehead's colour."""
    height, width = picture.shape[:2]
    wide = Image.fromarray((regions.scalp * 255).astype(np.uint8)).filter(ImageFilter.MaxFilter(9))
    soft = np.asarray(wide.filter(ImageFilter.GaussianBlur(5)).resize((width, height))).astype(np.float32)
    share = np.clip(soft[..., None] / 255 * 1.05, 0, 1)
    row, column = _FOREHEAD
    forehead = picture[int(row * height), int(column * width)]
    blotches = 0.97 + 0.06 * clouds(rng, height, base=64, octaves=3)[..., None]
    out: Array = (picture * (1 - share) + forehead * blotches * share).astype(np.float32)
    return out


def bearded(picture: Array, regions: HairRegions, hair_colour: Array) -> Array:
    """A skin (h, w, 3) with the shade of a beard of this linear colour (3,)."""
    share = resized(regions.beard, (picture.shape[1], picture.shape[0]))[..., None] * 0.35
    out: Array = picture * (1 - share) + np.clip(hair_colour, 0, 1) ** (1 / GAMMA) * share
    return out
