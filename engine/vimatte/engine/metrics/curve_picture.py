"""A plot of VIMQ against the amount of error in the guidance, a curve for each kind of error."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vimatte.engine.metrics.robustness import RobustnessScore
from vimatte.engine.preview.colours import colour_of, legible
from vimatte.engine.preview.overlay import font
from vimatte.ocio.whole_file import whole_file

__all__ = ["curve_picture", "draw_curves"]

Bytes: TypeAlias = NDArray[np.uint8]

_BACK, _RULE, _TEXT, _QUIET = (18, 19, 22), (52, 55, 62), (236, 237, 241), (148, 152, 162)
_WIDTH, _HEIGHT = 1120, 640
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 820, 110, 570


def draw_curves(path: Path, score: RobustnessScore) -> None:
    """Write the plot as PNG, whole or not at all. Raises MediaError."""
    with whole_file(path, what="the plot") as temp:
        Image.fromarray(curve_picture(score)).save(temp, format="PNG")


def curve_picture(score: RobustnessScore) -> Bytes:
    """Draw (h, w, 3): VIMQ_mse in percent upwards, the amount to the right; every curve begins at clean guidance."""
    most = max(t.amount for t in score.trials) or 1.0
    canvas = np.full((_HEIGHT, _WIDTH, 3), _BACK, np.uint8)
    for percent in range(0, 101, 20):
        y = _y(percent / 100)
        cv2.line(canvas, (_LEFT, y), (_RIGHT, y), _RULE, 1)
    names = list(dict.fromkeys(t.corruption for t in score.trials[1:]))
    for index, name in enumerate(names, start=1):
        points = [(0.0, score.clean.vimq["mse"])]
        points += sorted((t.amount, t.score.vimq["mse"]) for t in score.trials if t.corruption == name)
        places = np.array([(_x(amount, most), _y(value)) for amount, value in points], np.int32)
        cv2.polylines(canvas, [places], False, colour_of(index), 3, cv2.LINE_AA)
        for x, y in places.tolist():
            cv2.circle(canvas, (x, y), 6, colour_of(index), -1, cv2.LINE_AA)
    image = Image.fromarray(canvas)
    draw = ImageDraw.Draw(image)
    draw.text((_LEFT, 34), f"{score.model}: mattes from broken guidance", font=font(26), fill=_TEXT)
    said = f"VIMQ_mse in percent, {score.clean.definition}; frames {score.frames}; seed {score.seed}"
    draw.text((_LEFT, 70), said, font=font(17), fill=_QUIET)
    for percent in range(0, 101, 20):
        draw.text((_LEFT - 12, _y(percent / 100)), f"{percent}", font=font(17), fill=_QUIET, anchor="rm")
    for amount in sorted({0.0, *(t.amount for t in score.trials)}):
        draw.text((_x(amount, most), _BOTTOM + 14), f"{amount:g}", font=font(17), fill=_QUIET, anchor="ma")
    draw.text(((_LEFT + _RIGHT) // 2, _BOTTOM + 40), "amount", font=font(17), fill=_QUIET, anchor="ma")
    for index, name in enumerate(names, start=1):
        y = _TOP + 14 + 34 * (index - 1)
        draw.rounded_rectangle((_RIGHT + 40, y - 5, _RIGHT + 66, y + 5), radius=4, fill=colour_of(index))
        draw.text((_RIGHT + 78, y), name, font=font(18), fill=legible(colour_of(index)), anchor="lm")
    return np.asarray(image, np.uint8)


def _x(amount: float, most: float) -> int:
    return round(_LEFT + (_RIGHT - _LEFT) * amount / most)


def _y(share: float) -> int:
    return round(_BOTTOM - (_BOTTOM - _TOP) * share)
