"""The plate with its people in colour: soft tints, thin contours and name tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vimatte.engine.preview.colours import Colour, legible
from vimatte.engine.shot import Picture

__all__ = ["font", "overlay", "shrunk"]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Box = tuple[int, int, int, int]

_TINT, _DIM, _GREY = 0.5, 0.62, 0.35
_SEEN = 0.5
_TAG, _TAG_ALPHA = (16, 17, 20), 205


def overlay(
    picture: Picture,
    alphas: Mapping[str, Floats],
    colours: Mapping[str, Colour],
    *,
    tags: bool = True,
    long_side: int | None = None,
    caption: str = "",
) -> Bytes:
    """Paint (h, w, 3) uint8: `picture` (h, w, 3), display-referred, with each person's alpha (h, w) tinted.

    `alphas` and `colours` go by name. What belongs to nobody is dimmed. `tags` writes the names above the heads.
    `long_side` makes the result (and the work) smaller. `caption` stands in the lower left corner ('1001').
    """
    picture = np.clip(np.nan_to_num(picture, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0).astype(np.float32)
    picture = shrunk(picture, long_side)
    small = {name: shrunk(np.nan_to_num(a).astype(np.float32), long_side) for name, a in alphas.items()}
    canvas = _tinted(picture, small, colours)
    thickness = max(1, round(max(canvas.shape[:2]) / 900))
    for name, alpha in small.items():
        outline, _ = cv2.findContours((alpha > _SEEN).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, outline, -1, colours[name], thickness, cv2.LINE_AA)
    image = Image.fromarray(canvas)
    size = max(11, round(min(canvas.shape[:2]) / 30))
    if tags:
        _tags(image, small, colours, size)
    if caption:
        _caption(image, caption, size)
    return np.asarray(image, dtype=np.uint8)


def shrunk(values: Floats, long_side: int | None) -> Floats:
    """Make (h, w) or (h, w, c) smaller by area averages so that its long side is at most `long_side`."""
    height, width = values.shape[:2]
    if long_side is None or max(height, width) <= long_side:
        return values
    scale = long_side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


@lru_cache(maxsize=32)
def font(size: int) -> Any:
    """Give Pillow's own typeface at `size` pixels: the same letters on every machine."""
    return ImageFont.load_default(size)


def _tinted(picture: Floats, alphas: Mapping[str, Floats], colours: Mapping[str, Colour]) -> Bytes:
    luma = (picture @ np.array([0.2126, 0.7152, 0.0722], np.float32))[..., None]
    nobody = ((1 - _GREY) * picture + _GREY * luma) * np.float32(_DIM)
    total = sum(alphas.values(), np.zeros(picture.shape[:2], np.float32))[..., None]
    out = nobody * (1 - np.clip(total, 0, 1))
    for name, alpha in alphas.items():
        paint = np.array(colours[name], np.float32) / 255
        # The tint follows the person's own light and shade, so that faces and folds stay legible.
        tinted = (1 - _TINT) * picture + _TINT * paint * (0.25 + 0.9 * luma)
        out = out + tinted * (np.clip(alpha, 0, 1)[..., None] / np.maximum(total, 1))
    return np.ascontiguousarray(np.rint(np.clip(out, 0, 1) * 255).astype(np.uint8))


def _tags(image: Image.Image, alphas: Mapping[str, Floats], colours: Mapping[str, Colour], size: int) -> None:
    taken: list[Box] = []
    draw = ImageDraw.Draw(image, "RGBA")
    for name, alpha in alphas.items():
        rows = np.flatnonzero((alpha > _SEEN).any(axis=1))
        if rows.size == 0:
            continue
        # Above the highest part of the person, where the head mostly is.
        top = int(rows[0])
        head = np.flatnonzero((alpha[top : top + max(3, (int(rows[-1]) - top) // 8)] > _SEEN).any(axis=0))
        box = _place(draw, name, size, (int(head[0]) + int(head[-1])) // 2, top, image.size, taken)
        taken.append(box)
        _tag(draw, box, name, colours[name], size)


def _place(
    draw: ImageDraw.ImageDraw, name: str, size: int, x: int, y: int, within: tuple[int, int], taken: Sequence[Box]
) -> Box:
    """Give a free box for a tag: above (x, y), else below it, else lower still; always inside the picture."""
    width = round(draw.textlength(name, font=font(size))) + round(size * 1.5)
    height = round(size * 1.55)
    left = min(max(x - width // 2, 2), max(within[0] - width - 2, 0))
    gap = max(2, size // 3)
    lowest = max(within[1] - height - 2, 0)
    starts = [y - gap - height, y + gap, *(y + gap + k * (height + 2) for k in range(1, 12))]
    boxes = [(left, t, left + width, t + height) for t in (min(max(s, 2), lowest) for s in starts)]
    return next((b for b in boxes if not any(_meet(b, o) for o in taken)), boxes[0])


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _tag(draw: ImageDraw.ImageDraw, box: Box, name: str, colour: Colour, size: int) -> None:
    left, top, right, bottom = box
    draw.rounded_rectangle(box, radius=max(2, size // 4), fill=(*_TAG, _TAG_ALPHA))
    chip = max(3, size // 4)
    draw.rounded_rectangle((left, top, left + chip, bottom), radius=max(1, chip // 2), fill=(*colour, 255))
    draw.text(((left + chip + right) / 2, (top + bottom) / 2), name, font=font(size), fill=legible(colour), anchor="mm")


def _caption(image: Image.Image, text: str, size: int) -> None:
    draw = ImageDraw.Draw(image, "RGBA")
    width, height = round(draw.textlength(text, font=font(size))) + size, round(size * 1.5)
    left, top = size // 2, image.size[1] - height - size // 2
    draw.rounded_rectangle((left, top, left + width, top + height), radius=max(2, size // 4), fill=(*_TAG, _TAG_ALPHA))
    draw.text((left + width / 2, top + height / 2), text, font=font(size), fill=(235, 236, 240, 255), anchor="mm")
