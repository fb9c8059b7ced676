"""Masks made as wrong as those of a tracker: for training on clean mattes, and for asking how much a model bears.

Every function is pure: bool masks in, new bool masks out, drawn from the generator it is given, so a seed decides.
`masks` are the n people of one frame, (n, h, w); `clip` is t frames of them, (t, n, h, w), the same person in the same
row throughout. `strength` is 0, nothing changed, to 1, the most that is of use; each function says what it means.

Source where none is named: Li et al., 'Video Instance Matting', WACV 2024 (MSG-VIM), sections 4.2, 4.3 and 5.2. The
paper says what is done and gives neither sizes nor odds; those, and what is marked so, are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

__all__ = [
    "drop_out",
    "each_frame",
    "erase",
    "erode_or_dilate",
    "lag",
    "merge",
    "paste",
    "polygons",
    "salt_and_pepper",
    "shift",
    "swap",
    "temporal_guidance",
]

Masks: TypeAlias = NDArray[np.bool_]
"""(n, h, w)."""
Clip: TypeAlias = NDArray[np.bool_]
"""(t, n, h, w)."""


def salt_and_pepper(masks: Masks, rng: Generator, *, strength: float) -> Masks:
    """Set a share `strength` of all pixels to 0 or 1 at even odds, each person's by themselves.

    MSG-VIM, section 5.2 and Fig. 3, 'Salt-and-Pepper noise to 25% of the pixels of the mask guidance': strength 0.25.
    """
    _check(strength)
    hit = rng.random(masks.shape) < strength
    return np.where(hit, rng.random(masks.shape) < 0.5, masks)


def erode_or_dilate(masks: Masks, rng: Generator, *, strength: float) -> Masks:
    """Grow or shrink each person, at even odds, with a round brush whose width is drawn up to a limit.

    MSG-VIM, section 4.2. At strength 1 the limit is a tenth of the picture's shorter side (ours); the brush is always
    at least 3 pixels wide unless strength is 0. A person who would vanish by it is left as they are.
    """
    _check(strength)
    out = masks.copy()
    limit = 0.1 * strength * min(masks.shape[-2:])
    for row, mask in enumerate(masks):
        grow, share = rng.random() < 0.5, rng.random()
        width = max(3, round((0.5 + 0.5 * share) * limit))
        if strength > 0 and mask.any():
            changed = _brushed(mask, width, grow=grow)
            out[row] = changed if changed.any() else mask
    return out


def shift(masks: Masks, rng: Generator, *, strength: float) -> Masks:
    """Move each person by up to a tenth of their own size (at strength 1) in a direction of their own (ours)."""
    _check(strength)
    out = np.zeros_like(masks)
    for row, mask in enumerate(masks):
        angle, share = 2 * np.pi * rng.random(), rng.random()
        rows, columns = _box(mask)
        size = max(rows.stop - rows.start, columns.stop - columns.start)
        reach = 0.1 * strength * size * (0.5 + 0.5 * share)
        out[row] = _moved(mask, down=round(reach * float(np.sin(angle))), right=round(reach * float(np.cos(angle))))
    return out


def erase(masks: Masks, rng: Generator, *, strength: float) -> Masks:
    """Mask Erase: take a rectangle out of each person, MSG-VIM, section 4.2, 'randomly erasing parts of the guidance'.

    The rectangle's sides are a share of the person's box: drawn between half of sqrt(strength) and all of it, so that
    at strength 1 a person can vanish (ours).
    """
    _check(strength)
    out = masks.copy()
    for row, mask in enumerate(masks):
        rows, columns = _part(mask, rng, strength)
        out[row, rows, columns] = False
    return out


def paste(masks: Masks, rng: Generator, *, strength: float) -> Masks:
    """Mask Paste: copy one rectangle of the guidance over another of the same size, MSG-VIM, section 4.2.

    From one person to a person, each drawn, the same one at times; sides as in `erase`.
    """
    _check(strength)
    out = masks.copy()
    n, height, width = masks.shape
    for row in range(n):
        giver = int(rng.integers(n))
        rows, columns = _part(masks[giver], rng, strength)
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
        if tall and wide:
            out[row, top : top + tall, left : left + wide] = masks[giver, rows, columns]
    return out


def polygons(masks: Masks, rng: Generator, *, strength: float) -> Masks:
    """Redraw each person as coarse polygons, as COCO's annotators and a hurried artist do (ours).

    Corners may lie off the outline by 3 % of the person's longer side at strength 1, and are moved by up to half of it.
    """
    _check(strength)
    out = masks.copy()
    for row, mask in enumerate(masks):
        rows, columns = _box(mask)
        off = 0.03 * strength * max(rows.stop - rows.start, columns.stop - columns.start)
        if off < 0.5:
            continue
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        plane = np.zeros(mask.shape, np.uint8)
        for outline in outlines:
            corners = cv2.approxPolyDP(outline, off, closed=True).astype(np.float64)
            corners += rng.uniform(-off / 2, off / 2, corners.shape)
            cv2.fillPoly(plane, [np.rint(corners).astype(np.int32)], 1)
        out[row] = plane > 0
    return out


def merge(clip: Clip, rng: Generator, *, strength: float) -> Clip:
    """Mask Merge: on a share `strength` of the frames everybody's mask is everybody's, MSG-VIM, section 4.2.

    The paper merges 'the whole target and reference mask at the selected frame', the reference being all others.
    """
    _check(strength)
    hit = rng.random(len(clip)) < strength
    return clip | (clip.any(axis=1, keepdims=True) & hit[:, None, None, None])


def drop_out(clip: Clip, rng: Generator, *, strength: float) -> Clip:
    """Lose each person's mask on a share `strength` of the frames, as a detector does (ours)."""
    _check(strength)
    kept = rng.random(clip.shape[:2]) >= strength
    return clip & kept[:, :, None, None]


def swap(clip: Clip, rng: Generator, *, strength: float) -> Clip:
    """Shuffle who is who on a share `strength` of the frames: identity switches of a tracker (ours).

    On such a frame everybody has somebody else's mask; with one person nothing changes.
    """
    _check(strength)
    out = clip.copy()
    people = clip.shape[1]
    for t, hit in enumerate(rng.random(len(clip)) < strength):
        step = int(rng.integers(1, max(2, people)))
        if hit and people > 1:
            out[t] = np.roll(clip[t], step, axis=0)
    return out


def temporal_guidance(clip: Clip, rng: Generator, *, strength: float) -> Clip:
    """Temporal mask guidance: m_t := m_t + m_i, i drawn from the clip's frames, on a share `strength` of them.

    MSG-VIM, section 4.3: for each frame, strength 1. Everybody has the same i (ours); a sum of masks is their union.
    """
    _check(strength)
    hit = rng.random(len(clip)) < strength
    other = rng.integers(len(clip), size=len(clip))
    return clip | (clip[other] & hit[:, None, None, None])


def lag(clip: Clip, rng: Generator, *, strength: float) -> Clip:
    """Be one frame late on a share `strength` of the frames, as masks propagated by flow are (ours).

    The first frame has none before it and stays.
    """
    _check(strength)
    hit = rng.random(len(clip)) < strength
    late = np.concatenate([clip[:1], clip[:-1]])
    return np.where(hit[:, None, None, None], late, clip)


def each_frame(
    change: Callable[..., Masks],
) -> Callable[..., Clip]:
    """Turn a change of one frame's masks into one of a clip's: drawn anew on every frame, so guidance flickers."""

    def changed(clip: Clip, rng: Generator, *, strength: float) -> Clip:
        return np.stack([change(masks, rng, strength=strength) for masks in clip])

    return changed


def _check(strength: float) -> None:
    if not 0 <= strength <= 1:
        raise ValueError(f"a strength is 0 to 1, found {strength}")


def _brushed(mask: NDArray[np.bool_], width: int, *, grow: bool) -> NDArray[np.bool_]:
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return np.asarray((cv2.dilate if grow else cv2.erode)(mask.astype(np.uint8), brush) > 0)


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of what is set; empty where nothing is."""
    if not mask.any():
        return slice(0, 0), slice(0, 0)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _part(mask: NDArray[np.bool_], rng: Generator, strength: float) -> tuple[slice, slice]:
    """Draw a rectangle inside the box of a mask."""
    parts = []
    for whole in _box(mask):
        length = whole.stop - whole.start
        side = round(length * np.sqrt(strength) * (0.5 + 0.5 * rng.random()))
        start = whole.start + int(rng.integers(length - side + 1))
        parts.append(slice(start, start + side))
    return parts[0], parts[1]


def _moved(mask: NDArray[np.bool_], *, down: int, right: int) -> NDArray[np.bool_]:
    """Shift by whole pixels; what leaves the picture is lost, what enters is empty."""
    height, width = mask.shape
    out = np.zeros_like(mask)
    if abs(down) >= height or abs(right) >= width:
        return out
    out[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = mask[
        max(0, -down) : height + min(0, -down), max(0, -right) : width + min(0, -right)
    ]
    return out
