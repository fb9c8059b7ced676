"""`Classical`: closed-form matting of every person, frame by frame, without learned weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from vimatte.engine.matte import MatteFrame
from vimatte.engine.matting.classical.picture import picture_mattes
from vimatte.engine.shot import Shot
from vimatte.engine.tracks import TrackSet

__all__ = ["Classical"]


class Classical:
    """Closed-form matting of all people at once inside bands around their masks."""

    name = "classical"

    def __init__(self, *, device: str = "cpu") -> None:
        self._device = device

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Everything that changes a pixel."""
        return {"matting": self.name, "version": 1}

    def mattes(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Iterator[MatteFrame]:
        """Yield the mattes of `frames` (ascending), one row for every id of `tracks.ids`, zeros where absent."""
        for number, picture in shot.pictures(frames):
            masks = np.zeros((len(tracks.ids), *picture.shape[:2]), bool)
            for row, one in enumerate(tracks.ids):
                rle = tracks.masks.get(one, {}).get(number)
                if rle is not None:
                    masks[row] = rle.decode()
            yield MatteFrame(number=number, ids=tracks.ids, alphas=picture_mattes(picture, masks))
