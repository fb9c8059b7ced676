"""A picture of what training sees: composites, their guidance and their truth side by side."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vimatte.engine.preview.colours import colour_of
from vimatte.engine.preview.overlay import font
from vimatte.engine.training.data.sample import Sample
from vimatte.ocio.whole_file import whole_file

__all__ = ["draw_sheet", "save_sheet"]

Bytes = NDArray[np.uint8]

_GAP, _WORDS, _COLUMNS = 10, 22, 4
_BACK, _TEXT = (18, 19, 22), (190, 193, 202)


def draw_sheet(samples: Iterable[Sample], *, side: int = 160) -> Bytes:
    """Draw (h, w, 3) uint8: of each sample's middle frame the picture, guidance and alphas, each `side` pixels wide.

    Everybody has a colour; in the truth it is as strong as their alpha.
    """
    cells = [_cell(sample, side) for sample in samples]
    if not cells:
        raise ValueError("a sheet needs at least one sample")
    tall, wide = cells[0].shape[:2]
    columns = min(_COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    sheet = np.full((rows * (tall + _GAP) + _GAP, columns * (wide + _GAP) + _GAP, 3), _BACK, np.uint8)
    for k, cell in enumerate(cells):
        top, left = _GAP + k // columns * (tall + _GAP), _GAP + k % columns * (wide + _GAP)
        sheet[top : top + tall, left : left + wide] = cell
    return sheet


def save_sheet(path: Path, samples: Iterable[Sample], *, side: int = 160) -> None:
    """Write the sheet, as what the file's name says (png, jpg, webp), whole or not at all. Raises MediaError."""
    with whole_file(path, what="the sheet of training clips") as temp:
        Image.fromarray(draw_sheet(samples, side=side)).save(temp, quality=88)


def _cell(sample: Sample, side: int) -> Bytes:
    frame = len(sample.pictures) // 2
    guidance = sample.guidance[frame].astype(np.float32)
    shown = np.hstack(
        [_small(p, side) for p in (sample.pictures[frame], _painted(guidance), _painted(sample.alphas[frame]))]
    )
    cell = Image.new("RGB", (shown.shape[1], shown.shape[0] + _WORDS), _BACK)
    cell.paste(Image.fromarray(shown), (0, _WORDS))
    people = sample.alphas.shape[1]
    words = f"{sample.seed[1]}   {sample.protocol}, {people} people, {100 * sample.occlusion:.0f} % hidden"
    ImageDraw.Draw(cell).text((2, 3), words, font=font(13), fill=_TEXT)
    return np.asarray(cell, dtype=np.uint8)


def _painted(alphas: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give (h, w, 3): the colours of (n, h, w), added; where guidance overlaps it is bright."""
    colours = np.array([colour_of(k + 1) for k in range(len(alphas))], np.float32) / 255
    return np.asarray(np.minimum(np.einsum("nhw,nc->hwc", alphas, colours), 1), np.float32)


def _small(picture: NDArray[np.float32], side: int) -> Bytes:
    height = max(1, round(picture.shape[0] * side / picture.shape[1]))
    return np.asarray(cv2.convertScaleAbs(cv2.resize(picture, (side, height), interpolation=cv2.INTER_AREA), alpha=255))
