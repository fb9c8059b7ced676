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
from vimatte.engine.matting.classical.flow import Motion, believe, mismatch, motion
from vimatte.engine.matting.classical.frames import WorkFrame, work_frame
from vimatte.engine.matting.classical.picture import picture_mattes
from vimatte.engine.matting.classical.steady import steady
from vimatte.engine.matting.sizes import check_sizes
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
    near: Mapping[int, tuple[Motion, NDArray[np.float32]]]
    """Motion to each neighbour, by frame number, and the mismatch after it."""


class Classical:
    """Closed-form matting of all people at once, in bands around masks that neighbouring frames agree on.

    Every frame is read once and solved once in a run; frames up to three away are read as warm-up, so the mattes of a
    frame are the same bytes whichever frames are asked for.
    """

    name = "classical"
    reach = _MASK_RADIUS + _ALPHA_RADIUS

    def __init__(self, *, device: str = "cpu") -> None:
        """Take any `device`; all work is done on the CPU."""
        self._device = device

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Everything that changes a pixel."""
        return {"matting": self.name, "matting_version": 1}

    def mattes(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[MatteFrame]:
        """Yield the mattes of `frames` (ascending), one row for every id of `tracks.ids`, zeros where absent."""
        check_sizes(shot, tracks)
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
    # Where nobody was tracked nothing has been compared, and there is nothing to steady.
    neighbours = [(other.alphas, *one.near[n]) for n, other in others if n in one.near]
    alphas = steady(one.alphas, neighbours)
    return alphas if one.frame.full is None else enlarge(one.frame.full, alphas)


def _solve_all(stream: Iterable[Window[WorkFrame]]) -> Iterator[tuple[int, _Solved]]:
    for window in stream:
        one = window.centre
        if not one.present.any():
            yield window.number, _Solved(frame=one, alphas=np.zeros(one.distances.shape, np.float32), near={})
            continue
        near = {}
        said = []
        for number, other in window.items:
            if number == window.number:
                continue
            by = motion(one.picture, other.picture)
            difference = mismatch(one.picture, other.picture, by)
            near[number] = by, difference
            said.append((other.distances, other.present, by, believe(difference, tolerance=_MASK_TOLERANCE)))
        agreed = agree(one.distances, one.present, said)
        yield window.number, _Solved(frame=one, alphas=picture_mattes(one.picture, agreed), near=near)
