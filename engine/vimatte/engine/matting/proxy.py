"""Matting at a fraction of the plate's size, for a quick look: any model, smaller pictures, mattes enlarged again."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

import cv2
import numpy as np

from vimatte.engine.masks import Rle
from vimatte.engine.matte import MatteFrame
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.matting.sizes import check_sizes
from vimatte.engine.refine.couple import couple
from vimatte.engine.shot import Shot
from vimatte.engine.small_shot import SmallShot
from vimatte.engine.tracks import TrackSet
from vimatte.ocio.clip import ClipInfo

__all__ = ["ProxyMatting", "at_proxy"]


def at_proxy(model: MattingModel, divisor: int) -> MattingModel:
    """Give `model` itself for a divisor of 1, else the model at 1/divisor of the plate's width and height."""
    return model if divisor == 1 else ProxyMatting(model, divisor)


class ProxyMatting:
    """A `MattingModel` that lets another one work on pictures 1/divisor the size."""

    def __init__(self, model: MattingModel, divisor: int) -> None:
        self._model, self._divisor = model, divisor
        self.name = model.name
        self.reach = model.reach

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """The model's own, and the divisor."""
        return {**self._model.settings, "proxy": self._divisor}

    def mattes(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[MatteFrame]:
        """Mattes at the plate's size; interpolation keeps their sum at most 1."""
        check_sizes(shot, tracks)
        size = (shot.info.width, shot.info.height)
        width, height = (-(-side // self._divisor) for side in size)
        small = SmallShot(shot, width=width, height=height)
        with closing(self._model.mattes(small, _shrunk(tracks, small.info), frames)) as stream:
            for frame in stream:
                alphas = np.zeros((len(frame.ids), size[1], size[0]), np.float32)
                for row, alpha in enumerate(frame.alphas):
                    if alpha.any():
                        cv2.resize(alpha, size, dst=alphas[row], interpolation=cv2.INTER_LINEAR)
                # Interpolated ones may add up to a rounding step above 1.
                yield replace(frame, alphas=couple(alphas))


def _shrunk(tracks: TrackSet, info: ClipInfo) -> TrackSet:
    def small(rle: Rle) -> Rle:
        mask = rle.decode().astype(np.uint8) * 255
        return Rle.encode(cv2.resize(mask, (info.width, info.height), interpolation=cv2.INTER_AREA) > 127)

    masks = {one: {n: small(rle) for n, rle in by_frame.items()} for one, by_frame in tracks.masks.items()}
    return replace(
        tracks,
        width=info.width,
        height=info.height,
        masks={one: {n: rle for n, rle in by.items() if rle.area} for one, by in masks.items()},
    )
