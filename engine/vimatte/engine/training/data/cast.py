"""The people of a clip: drawn, graded, moved to their places, blurred by their own motion and by the lens."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vimatte.engine.errors import MediaError
from vimatte.engine.training.data.blur import defocus, motion_blur
from vimatte.engine.training.data.extent import extent
from vimatte.engine.training.data.footage import Footage
from vimatte.engine.training.data.grading import grade
from vimatte.engine.training.data.layout import Cut, Person, cut_sides
from vimatte.engine.training.data.motion import person_move
from vimatte.engine.training.data.planes import alpha_of
from vimatte.engine.training.data.settings import Settings

__all__ = ["Member", "draw_member", "moved", "on_screen"]

Floats = NDArray[np.float32]
Maps = NDArray[np.float64]

_TRIES = 12
_SHRUNK = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody before they are put into a picture."""

    name: str
    """Their footage."""
    layer: Floats
    """(t, h, w, 4), premultiplied, cropped to where they are."""
    person: Person
    """What arranging needs."""


def draw_member(people: Footage, rng: Generator, *, settings: Settings, taken: set[str]) -> Member:
    """Draw somebody whose cut sides a picture can hide, and who is not in `taken` where there are enough people.

    Raises MediaError where footage cannot be read or has no alpha.
    """
    for last in (*(False,) * (_TRIES - 1), True):
        source = people.pick(rng)
        if source.name in taken and not last:
            continue
        straight = source.read(rng, frames=settings.frames, at_most=settings.largest)
        alphas = alpha_of(straight)
        if alphas.min() == 1:
            raise MediaError(f"'{source.files[0]}' has no alpha, or nothing but people; take it out of the people.")
        cut = cut_sides(alphas)
        if last or (cut.usable and alphas.max() > 0.5):
            break
    layer, mirrored = _premultiplied(straight, rng, strength=settings.grade)
    if mirrored:
        cut = Cut(top=cut.top, bottom=cut.bottom, left=cut.right, right=cut.left)
    alpha = alpha_of(layer)
    way = person_move(rng, frames=settings.frames, size=min(settings.height, settings.width), strength=settings.motion)
    return Member(name=source.name, layer=layer, person=Person(alphas=alpha, cut=cut, way=way))


def on_screen(member: Member, maps: Maps, rng: Generator, *, settings: Settings) -> Floats:
    """Give (t, h, w, 4) premultiplied in our picture, blurred."""
    layer = moved(member.layer, maps, height=settings.height, width=settings.width)
    chance = rng.random(3)
    if settings.blur > 0:
        middle = np.array([member.layer.shape[2] / 2, member.layer.shape[1] / 2, 1.0])
        places = (maps @ middle)[:, :2]
        if len(places) > 1 and chance[0] < 0.7:
            layer = motion_blur(layer, rng, strength=settings.blur, travel=np.gradient(places, axis=0))
        if chance[1] < (0.1 if len(places) > 1 else 0.2):
            layer = motion_blur(layer, rng, strength=settings.blur)
        if chance[2] < 0.3:
            layer = defocus(layer, rng, strength=settings.blur)
        # Sums of products of a filter may pass 1 by the last bit.
        np.minimum(layer, 1, out=layer)
    return layer


def moved(layer: Floats, maps: Maps, *, height: int, width: int, border: int = cv2.BORDER_CONSTANT) -> Floats:
    """Draw (t, h, w, c) by its maps into (t, height, width, c); what gets smaller is averaged first, or it would alias.

    One frame may stand for all.
    """
    tall, wide = layer.shape[1:3]
    zoom = float(np.sqrt(np.abs(np.linalg.det(maps[:, :2, :2]))).max())
    shrink = np.eye(3)
    frames = layer
    if zoom < _SHRUNK:
        size = (max(1, round(wide * zoom)), max(1, round(tall * zoom)))
        frames = np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in layer])
        x, y = wide / size[0], tall / size[1]
        # Places are middles of pixels: the first of a small picture is not the first of a large one.
        shrink = np.array([[x, 0, x / 2 - 0.5], [0, y, y / 2 - 0.5], [0, 0, 1]])
    out = np.empty((len(maps), height, width, layer.shape[3]), np.float32)
    for t, into in enumerate(out):
        frame = frames[min(t, len(frames) - 1)]
        cv2.warpAffine(frame, (maps[t] @ shrink)[:2], (width, height), into, cv2.INTER_LINEAR, border)
    return out


def _premultiplied(straight: Floats, rng: Generator, *, strength: float) -> tuple[Floats, bool]:
    """Crop (t, h, w, 4) to where somebody is, grade, mirror at even odds, and multiply by alpha."""
    rows, columns = extent(alpha_of(straight), margin=1)
    if rows.stop > 0:
        straight = np.ascontiguousarray(straight[:, rows, columns])
    frames, height, width, _ = straight.shape
    # All frames as one tall picture: one call for each step, and OpenCV packs channels quicker than numpy.
    tall = straight.reshape(frames * height, width, 4)
    mirrored = bool(rng.random() < 0.5)
    if mirrored:
        tall = cv2.flip(tall, 1)
    colour = grade(cv2.cvtColor(tall, cv2.COLOR_RGBA2RGB), rng, strength=strength)
    alpha = cv2.extractChannel(tall, 3)
    layer = cv2.merge([*(cv2.multiply(plane, alpha) for plane in cv2.split(colour)), alpha])
    return np.asarray(layer).reshape(frames, height, width, 4), mirrored
