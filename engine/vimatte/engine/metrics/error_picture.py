"""One picture of where mattes are wrong: the worst frames of each person, beside the plate, the truth and the matte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vimatte.engine.clip_shot import open_shot
from vimatte.engine.metrics.layer_files import LayerFiles
from vimatte.engine.metrics.layers_score import LayersScore
from vimatte.engine.metrics.truth_files import TruthFolder
from vimatte.engine.preview.overlay import font
from vimatte.engine.shot import Picture, Shot
from vimatte.ocio.whole_file import whole_file

__all__ = ["WorstFrame", "draw_worst_frames", "error_map", "error_picture", "worst_frames"]

Bytes: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]

_BACK, _TEXT, _QUIET = (18, 19, 22), (236, 237, 241), (148, 152, 162)
_MUCH, _LITTLE = (255, 96, 48), (64, 156, 255)
_WIDE, _TALL, _GAP, _MARGIN, _LINE = 340, 420, 12, 40, 30
_HEADS = ("plate", "truth", "matte", "error")
_SEEN = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstFrame:
    """One person on one frame."""

    person: str
    layer: str | None
    frame: int
    mad: float
    picture: Picture | None
    """(h, w, 3), display-referred; None where no plate is at hand."""
    matte: Floats
    """(h, w)."""
    truth: Floats
    """(h, w)."""


def worst_frames(
    score: LayersScore, layers: LayerFiles, truth: TruthFolder, *, shot: Shot | None, count: int = 2
) -> list[WorstFrame]:
    """Read again the `count` frames of each person that have the largest MAD, the worst first.

    `shot` gives the plates' pictures where it has the frame.
    """
    found = []
    for name, person in score.people.items():
        for frame in person.worst[:count]:
            alphas, size = layers.alphas(frame)
            true = truth.alpha(name, frame, size=size)
            matte = alphas[person.layer] if person.layer is not None else np.zeros_like(true)
            picture = shot.picture(frame) if shot is not None and frame in shot.frames.numbers else None
            if picture is not None and picture.shape[:2] != true.shape:
                picture = None
            found.append(
                WorstFrame(
                    person=name,
                    layer=person.layer,
                    frame=frame,
                    mad=float(np.abs(matte - true).mean(dtype=np.float64)),
                    picture=picture,
                    matte=matte,
                    truth=true,
                )
            )
    return found


def error_map(matte: Floats, *, truth: Floats, picture: Picture | None = None) -> Bytes:
    """Paint (h, w, 3): orange where the matte is too much, blue where it is too little, full at an error of 0.5.

    Below lies the picture, grey and dark.
    """
    ground = np.zeros((*matte.shape, 3), np.float32) + 0.06
    if picture is not None:
        ground += 0.22 * (np.clip(picture, 0, 1) @ np.array([0.2126, 0.7152, 0.0722], np.float32))[..., None]
    error = (matte - truth)[..., None]
    strength = np.clip(np.abs(error) / 0.5, 0, 1)
    colour = np.where(error > 0, np.array(_MUCH, np.float32), np.array(_LITTLE, np.float32)) / 255
    return np.asarray(np.rint(255 * np.clip(ground * (1 - strength) + colour * strength, 0, 1)), np.uint8)


def error_picture(frames: Sequence[WorstFrame], *, title: str, below: str = "") -> Bytes:
    """Draw (h, w, 3): a row for each frame with plate, truth, matte and error, cut to the person."""
    crops = [_crop(one) for one in frames]
    sizes = [_fitted(*one.truth[crop].shape) for one, crop in zip(frames, crops, strict=True)]
    width = 2 * _MARGIN + 4 * _WIDE + 3 * _GAP
    height = 2 * _MARGIN + 3 * _LINE + sum(tall + _LINE + _GAP for _, tall in sizes)
    canvas = Image.new("RGB", (width, height), _BACK)
    draw = ImageDraw.Draw(canvas)
    draw.text((_MARGIN, _MARGIN), title, font=font(26), fill=_TEXT)
    draw.text((_MARGIN, _MARGIN + 1.3 * _LINE), below, font=font(17), fill=_QUIET)
    for column, head in enumerate(_HEADS):
        left = _MARGIN + column * (_WIDE + _GAP)
        draw.text((left, _MARGIN + 2.3 * _LINE), head, font=font(17), fill=_QUIET)
    legend = _MARGIN + 3 * (_WIDE + _GAP) + 70
    draw.text((legend, _MARGIN + 2.3 * _LINE), "too much", font=font(17), fill=_MUCH)
    draw.text((legend + 100, _MARGIN + 2.3 * _LINE), "too little", font=font(17), fill=_LITTLE)
    top = _MARGIN + 3 * _LINE
    for one, crop, (wide, tall) in zip(frames, crops, sizes, strict=True):
        text = f"{one.person} · layer {one.layer or 'none'} · frame {one.frame} · MAD {one.mad * 1e3:.2f} x 1e-3"
        draw.text((_MARGIN, top + 5), text, font=font(17), fill=_TEXT)
        for column, panel in enumerate(_panels(one, crop)):
            image = Image.fromarray(panel).resize((wide, tall), Image.Resampling.LANCZOS)
            canvas.paste(image, (_MARGIN + column * (_WIDE + _GAP), top + _LINE))
        top += tall + _LINE + _GAP
    return np.asarray(canvas, np.uint8)


def draw_worst_frames(
    path: Path, score: LayersScore, *, pred: str, truth_folder: Path, shot: Path | None = None, start_frame: int = 1001
) -> None:
    """Read everybody's worst frames again and write a PNG, whole or not at all.

    The plate is `shot`'s, else the layers' own R, G, B, else none. Raises MediaError.
    """
    truth = TruthFolder.open(truth_folder)
    layers = LayerFiles.open(Path(pred), still=truth.frames.first)
    with _plates(layers, shot, start_frame) as plates:
        frames = worst_frames(score, layers, truth, shot=plates)
    matched = f"people matched by {score.matched_by}"
    image = error_picture(frames, title=f"{layers.pattern.name}: the worst frames", below=f"MAD as_paper; {matched}")
    with whole_file(path, what="the picture of errors") as temp:
        Image.fromarray(image).save(temp, format="PNG")


@contextmanager
def _plates(layers: LayerFiles, shot: Path | None, start_frame: int) -> Iterator[Shot | None]:
    with ExitStack() as stack:
        if shot is not None:
            yield stack.enter_context(open_shot(shot, start_frame=start_frame, missing="skip"))
        elif layers.has_plate:
            yield stack.enter_context(open_shot(layers.pattern, missing="skip"))
        else:
            yield None


def _panels(one: WorstFrame, crop: tuple[slice, slice]) -> list[Bytes]:
    matte, truth = one.matte[crop], one.truth[crop]
    picture = None if one.picture is None else one.picture[crop]
    plate = np.full((*matte.shape, 3), 40, np.uint8) if picture is None else _bytes(picture)
    return [plate, _bytes(_grey(truth)), _bytes(_grey(matte)), error_map(matte, truth=truth, picture=picture)]


def _crop(one: WorstFrame) -> tuple[slice, slice]:
    """Rows and columns around the person and the errors, with air; the whole picture where there is neither."""
    there = (one.truth > _SEEN) | (np.abs(one.matte - one.truth) > _SEEN)
    if not there.any():
        return slice(0, there.shape[0]), slice(0, there.shape[1])
    x, y, w, h = cv2.boundingRect(there.astype(np.uint8))
    air = max(8, round(0.06 * max(w, h)))
    # As wide as a panel, so that panels stand close together; narrower only where the picture ends.
    aside = max(air, (round((h + 2 * air) * _WIDE / _TALL) - w) // 2)
    return slice(max(0, y - air), y + h + air), slice(max(0, x - aside), x + w + aside)


def _fitted(height: int, width: int) -> tuple[int, int]:
    """Width and height inside a panel, in proportion."""
    scale = min(_WIDE / width, _TALL / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _grey(alpha: Floats) -> Floats:
    return np.repeat(alpha[..., None], 3, axis=2)


def _bytes(values: Floats) -> Bytes:
    return np.asarray(np.rint(255 * np.clip(values, 0, 1)), np.uint8)
