"""Edges of carried masks laid anew by the matting network that comes with the program."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from vimatte.engine.masks import BoolMask, Rle, mask_iou
from vimatte.engine.shot import Picture, Shot
from vimatte.engine.small_shot import SmallShot
from vimatte.engine.tracks import Instance, TrackSet
from vimatte.engine.vis.propagation.frames import WorkingFrames
from vimatte.engine.vis.propagation.soft import Probability, SoftMask, from_rle

__all__ = ["SETTINGS", "Carried", "with_edges"]

SETTINGS: Mapping[str, str | int | float] = {"propagation_edges": "lite.matte 1", "propagation_edges_agree": 0.6}
"""What changes a mask: the network, and how much of a mask must stay for its new edge to be believed."""


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """What propagation says of one frame."""

    number: int
    soft: Mapping[int, Probability]
    """Instance id -> where they are, at working size: masks that were carried there."""
    known: Mapping[int, Rle | None]
    """Masks that are known there, at the shot's size; None: absent."""


def with_edges(shot: Shot, copies: WorkingFrames, frames: Iterable[Carried], *, device: str) -> Generator[Carried]:
    """Lay the outlines of carried masks where alphas of `lite` are a half; known masks guide it, and stay.

    A mask that would become quite another stays as it was. Cost and memory are those of matting working copies,
    whatever the plate's size, and some kilobytes a frame and person. Raises DeviceError where there is not enough.
    """
    # Whoever carries masks otherwise need not wait for a matting network to be read.
    from vimatte.engine.matting.lite import Lite

    height, width = copies.height, copies.width
    held: list[tuple[int, dict[int, SoftMask], Mapping[int, Rle | None]]] = []
    masks: dict[int, dict[int, Rle]] = {}
    todo: list[int] = []
    for one_frame in frames:
        number, known = one_frame.number, one_frame.known
        held.append((number, {o: SoftMask.pack(p, trust=1.0) for o, p in one_frame.soft.items()}, known))
        planes = {one: from_rle(rle, height, width) for one, rle in known.items() if rle is not None}
        for one, plane in {**one_frame.soft, **planes}.items():
            if (mask := plane > 0.5).any():
                masks.setdefault(one, {})[number] = Rle.encode(mask)
        if any(number in masks.get(one, {}) for one in one_frame.soft):
            todo.append(number)
    tracks = TrackSet(
        width=width,
        height=height,
        frames=shot.frames.numbers,
        instances=tuple(Instance(id=one, name=f"person_{one:02d}") for one in sorted(masks)),
        masks=masks,
    )
    asked = frozenset(todo)
    with closing(Lite(device=device).mattes(_Copies(shot, copies), tracks, todo)) as mattes:
        for number, packed, known in held:
            soft = {one: mask.unpack(height, width) for one, mask in packed.items()}
            if number in asked:
                for one, alpha in zip(tracks.ids, next(mattes).alphas, strict=True):
                    if one in soft and _agree(alpha, tracks.mask(one, number)):
                        soft[one] = alpha
            yield Carried(number, soft, known)


def _agree(alpha: Probability, mask: BoolMask) -> bool:
    return bool(mask.any()) and mask_iou(np.asarray(alpha > 0.5), mask) >= float(SETTINGS["propagation_edges_agree"])


class _Copies(SmallShot):
    """A shot whose pictures are working copies that are there already."""

    def __init__(self, shot: Shot, copies: WorkingFrames) -> None:
        super().__init__(shot, width=copies.width, height=copies.height)
        self._copies = copies

    def picture(self, number: int) -> Picture:
        return np.asarray(self._copies.get(number), np.float32) / np.float32(255)

    def pictures(self, numbers: Iterable[int]) -> Generator[tuple[int, Picture]]:
        return ((number, self.picture(number)) for number in numbers)
