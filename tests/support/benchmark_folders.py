"""What tests of benchmarks lay out on disk, and a model whose score can be worked out."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np

from vimatte.engine.matte import MatteFrame
from vimatte.engine.shot import Shot
from vimatte.engine.tracks import TrackSet

from support.pictures import write_picture

H, W = 48, 80


class Hard:
    """A model whose mattes are its masks, whatever they overlap; it keeps what it was asked for."""

    name = "hard"
    reach = 0

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []
        self.people: list[int] = []

    @property
    def settings(self) -> dict[str, str | int | float]:
        return {}

    def mattes(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[MatteFrame]:
        self.asked.append(tuple(frames))
        self.people.append(len(tracks.ids))
        for number, picture in shot.pictures(frames):
            assert picture.shape == (tracks.height, tracks.width, 3)
            alphas = np.stack([tracks.mask(i, number) for i in tracks.ids]).astype(np.float32)
            yield MatteFrame(number=number, ids=tracks.ids, alphas=alphas)


def box(x: int, *, height: int = H, width: int = W) -> np.ndarray:
    """(h, w, 1): somebody 16 pixels wide and 30 tall, x from the left."""
    plane = np.zeros((height, width, 1), np.float32)
    plane[10:40, x : x + 16] = 1
    return plane


def save(path: Path, pixels: np.ndarray) -> None:
    """Write (h, w, c) as 8 bits, one channel or three."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, pixels, kind="uint8", channels=("Y",) if pixels.shape[2] == 1 else ("R", "G", "B"))


def plate(path: Path, *, height: int = H, width: int = W) -> None:
    """Write a grey picture."""
    save(path, np.full((height, width, 3), 0.4, np.float32))
