"""Clips whose truth is one matte, of one person or of everybody: what a model of several people is given there.

The model is given whoever there are masks of, and its matte is the sum of everybody's, at most 1: the A of the layers.
Without masks the truth above one half is one person's mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.clip_shot import ClipShot, open_shot
from vimatte.engine.errors import MediaError
from vimatte.engine.masks import Rle
from vimatte.engine.matte import MatteFrame
from vimatte.engine.metrics.benchmarks.scene import PICTURES
from vimatte.engine.metrics.truth_files import read_alpha
from vimatte.engine.tracks import TrackSet
from vimatte.engine.vis.backend import KeyMasks, VisOptions
from vimatte.engine.vis.mask_files import load_masks
from vimatte.engine.vis.masks import MasksBackend
from vimatte.ocio.sequence import list_sequences

__all__ = ["SingleScene", "frames_in", "masks_for", "union"]

_EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleScene:
    """A clip, and one true matte of some or all of its frames."""

    name: str
    plate: Path
    """A folder of frames."""
    truth: Mapping[int, Path]
    """Frame -> file; frames without one are seen by the model and not scored."""
    masks: Path | None
    """A folder in a layout of docs/masks.md, or a picture of everybody on the first frame; None: of the truth."""

    @contextmanager
    def shot(self) -> Iterator[ClipShot]:
        """Open all frames. Raises MediaError."""
        with open_shot(self.plate) as opened:
            yield opened

    def tracks(self, shot: ClipShot) -> TrackSet:
        """Give the masks as tracks; on frames between them they are carried by flow. Raises MediaError, ConfigError."""
        if self.masks is None:
            keys = _of_everybody(self.truth, shot)
        elif self.masks.is_file():
            keys = _of_everybody({shot.frames.first: self.masks}, shot)
        else:
            keys = load_masks(self.masks, info=shot.info, frames=shot.frames).keys
        carrying = MasksBackend().track(shot, keys=keys, options=VisOptions())
        while True:
            try:
                next(carrying)
            except StopIteration as end:
                tracks: TrackSet = end.value
                return tracks

    def alpha(self, frame: int, *, size: tuple[int, int]) -> NDArray[np.float32]:
        """(h, w) true alpha. Raises MediaError."""
        return read_alpha(self.truth[frame], size=size)


def union(matte: MatteFrame) -> NDArray[np.float32]:
    """(h, w): everybody's alphas added up, at most 1."""
    total: NDArray[np.float32] = matte.alphas.sum(axis=0, dtype=np.float32)
    return np.minimum(total, np.float32(1))


def frames_in(folder: Path) -> dict[int, Path]:
    """Frame -> file of the one sequence in a folder; empty where there is no folder. Raises MediaError for several."""
    found = list_sequences(folder, suffixes=PICTURES) if folder.is_dir() else []
    if len(found) > 1:
        names = ", ".join(one.pattern.name for one in found)
        raise MediaError(f"The folder {folder} must hold one sequence, found {names}; take the others out.")
    return found[0].files if found else {}


def masks_for(place: str, *, masks: Path | None) -> Path | None:
    """Find the masks of a clip: the folder `masks/place`, or `masks/place.png`. Raises MediaError when there are none.

    A picture beside the clips' names is how first-frame masks of these sets are passed around (MatAnyone's
    `VideoMatte_first_frame_seg_mask` and `CRGNN_first_frame_seg_mask`).
    """
    if masks is None:
        return None
    for path in (masks / place, masks / f"{place}.png"):
        if path.exists():
            return path
    raise MediaError(
        f"There are no masks of the clip {place} in {masks}: it must hold {place}.png for the first frame, or a folder "
        f"{place} in a layout of docs/masks.md; leave --masks out for masks of the truth."
    )


def _of_everybody(files: Mapping[int, Path], shot: ClipShot) -> KeyMasks:
    size = shot.info.width, shot.info.height
    masks = {frame: {_EVERYBODY: Rle.encode(read_alpha(path, size=size) > 0.5)} for frame, path in files.items()}
    return KeyMasks(names=(_EVERYBODY,), masks=masks)
