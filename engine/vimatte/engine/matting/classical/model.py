"""`Classical`: closed-form matting of every person, frame by frame, without learned weights."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.matte import MatteFrame
from vimatte.engine.matting.classical.consensus import agree
from vimatte.engine.matting.classical.enlarge import enlarge
from vimatte.engine.matting.classical.flow import Motion, believe, motion
from vimatte.engine.matting.classical.frames import WorkFrame, work_frame
from vimatte.engine.matting.classical.picture import picture_mattes
from vimatte.engine.matting.classical.steady import steady
from vimatte.engine.shot import Shot
from vimatte.engine.tracks import TrackSet
from vimatte.engine.windows import Window, needed_numbers, windows

__all__ = ["Classical"]

_MASK_RADIUS = 2
"""Neighbours on each side that have a say in a mask."""
_ALPHA_RADIUS = 1
"""Neighbours on each side that steady a matte."""
_MASK_TOLERANCE = 0.06


@dataclass(frozen=True, slots=True, kw_only=True)
class _Solved:
    """A frame with its raw mattes at working size."""

    frame: WorkFrame
    alphas: NDArray[np.float32]
    motions: Mapping[int, Motion]
    """To the neighbours, by frame number."""


class Classical:
    """Closed-form matting of all people at once, in bands around masks that neighbouring frames agree on.

    Every frame is read once and solved once in a run; frames up to three away are read as warm-up, so the mattes of a
    frame are the same bytes whichever frames are asked for.
    """

    name = "classical"

    def __init__(self, *, device: str = "cpu") -> None:
        """Take any `device`; all work is done on the CPU."""
        self._device = device

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Everything that changes a pixel."""
        return {"matting": self.name, "matting_version": 1}

    def mattes(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[MatteFrame]:
        """Yield the mattes of `frames` (ascending), one row for every id of `tracks.ids`, zeros where absent."""
        available = shot.frames.numbers
        solved = needed_numbers(available, frames, _ALPHA_RADIUS)
        read = needed_numbers(available, solved, _MASK_RADIUS)
        with closing(shot.pictures(read)) as pictures:
            stream = ((n, work_frame(n, p, tracks)) for n, p in pictures)
            raw = _solve_all(windows(stream, available=available, wanted=solved, radius=_MASK_RADIUS))
            for window in windows(raw, available=available, wanted=frames, radius=_ALPHA_RADIUS):
                yield MatteFrame(number=window.number, ids=tracks.ids, alphas=_finish(window))


def _finish(window: Window[_Solved]) -> NDArray[np.float32]:
    one = window.centre
    others = [(n, other) for n, other in window.items if n != window.number]
    neighbours = [(other.frame.picture, other.alphas, one.motions[n]) for n, other in others]
    alphas = steady(one.frame.picture, one.alphas, neighbours)
    return alphas if one.frame.full is None else enlarge(one.frame.full, alphas)


def _solve_all(stream: Iterable[Window[WorkFrame]]) -> Iterator[tuple[int, _Solved]]:
    for window in stream:
        one = window.centre
        if not one.present.any():
            motions = {n: np.zeros((*one.picture.shape[:2], 2), np.float32) for n, _ in window.items}
            yield window.number, _Solved(frame=one, alphas=np.zeros(one.distances.shape, np.float32), motions=motions)
            continue
        others = [(n, f) for n, f in window.items if n != window.number]
        motions = {n: motion(one.picture, f.picture) for n, f in others}
        said = [
            (f.distances, f.present, motions[n], believe(one.picture, f.picture, motions[n], tolerance=_MASK_TOLERANCE))
            for n, f in others
        ]
        agreed = agree(one.distances, one.present, said)
        yield window.number, _Solved(frame=one, alphas=picture_mattes(one.picture, agreed), motions=motions)
