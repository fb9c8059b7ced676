"""The tracked masks themselves as mattes: hard edges, no matting; the baseline everything else is measured against."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

import numpy as np

from vimatte.engine.matte import MatteFrame
from vimatte.engine.matting.sizes import check_sizes
from vimatte.engine.refine.couple import couple
from vimatte.engine.shot import Shot
from vimatte.engine.tracks import TrackSet

__all__ = ["MaskMattes"]


class MaskMattes:
    """Hard masks as alphas. Where masks overlap the people share the pixel evenly."""

    name = "masks"
    reach = 0

    def __init__(self, *, device: str = "cpu") -> None:
        self._device = device

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Everything that changes a pixel."""
        return {"matting": self.name, "version": 1}

    def mattes(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[MatteFrame]:
        """Yield the masks of `frames` as alphas, one row for every id of `tracks.ids`."""
        check_sizes(shot, tracks)
        for number in frames:
            masks = np.zeros((len(tracks.ids), tracks.height, tracks.width), np.float32)
            for row, one in enumerate(tracks.ids):
                rle = tracks.masks.get(one, {}).get(number)
                if rle is not None:
                    masks[row] = rle.decode()
            yield MatteFrame(number=number, ids=tracks.ids, alphas=couple(masks))
