"""Third pass: the movie and the contact sheet, made from the finished layers, so that they show what is on disk."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.clip_shot import ClipShot
from vimatte.engine.events import Event, PhaseStarted, Progress
from vimatte.engine.preview import ContactSheet, colour_of, overlay
from vimatte.ocio.output_pattern import OutputPattern
from vimatte.ocio.read_layers import LayersFile, read_layers
from vimatte.ocio.write_video import PreviewWriter

__all__ = ["preview_shot"]

_LONG_SIDE = 1280


def preview_shot(shot: ClipShot, pattern: OutputPattern) -> Generator[Event]:
    """Write `layers.preview.mp4` (not for stills) and `layers.contact.png`. Memory does not grow with the shot."""
    frames = list(shot.frames)
    first = read_layers(pattern.path(frames[0]))
    scale = min(1.0, _LONG_SIDE / max(shot.info.width, shot.info.height))
    size = (max(1, round(shot.info.width * scale)), max(1, round(shot.info.height * scale)))
    colours = {name: colour_of(first.ids.get(name, i + 1)) for i, name in enumerate(first.alphas)}
    sheet = ContactSheet(names=tuple(first.alphas), colours=colours, frames=frames, title=str(pattern))
    yield PhaseStarted(phase="preview", total=len(frames))
    with (
        PreviewWriter(pattern.preview, width=size[0], height=size[1], fps=shot.info.fps) as movie,
        closing(shot.pictures(frames)) as pictures,
    ):
        for done, (number, picture) in enumerate(pictures, start=1):
            layers = read_layers(pattern.path(number))
            small, alphas = _fit(picture, layers, size)
            movie.write(overlay(small, alphas, colours))
            if number in sheet.frames_wanted:
                sheet.add(number, small, alphas)
            yield Progress(phase="preview", done=done, total=len(frames), detail=f"frame {number}")
    sheet.save(pattern.contact_sheet)


def _fit(
    picture: NDArray[np.float32], layers: LayersFile, size: tuple[int, int]
) -> tuple[NDArray[np.float32], Mapping[str, NDArray[np.float32]]]:
    if picture.shape[1::-1] == size:
        return picture, layers.alphas
    shrink = {name: cv2.resize(a, size, interpolation=cv2.INTER_AREA) for name, a in layers.alphas.items()}
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA), shrink
