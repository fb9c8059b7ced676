"""`Lite`: the matting network that ships, streamed over a shot."""

# ruff: noqa: N803, N815 - names carry shapes: P people of a frame, C channels, h w of a feature, H W of a picture

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.checkpoints.fit import fit
from vimatte.engine.checkpoints.state import digest_of
from vimatte.engine.device import inference
from vimatte.engine.errors import BackendError
from vimatte.engine.lite.shipped import shipped
from vimatte.engine.matte import MatteFrame
from vimatte.engine.matting.lite.network import MatteNetwork, Part, People, Seen, TimeTap
from vimatte.engine.matting.lite.refine import refined
from vimatte.engine.matting.sizes import check_sizes
from vimatte.engine.packed import can_pack, pack
from vimatte.engine.precision import name_of_quickest, quickest
from vimatte.engine.refine.polish import polished
from vimatte.engine.shot import Picture, Shot
from vimatte.engine.threads import ahead, shared_cores
from vimatte.engine.tracks import TrackSet
from vimatte.engine.windows import Window, needed_numbers, windows

__all__ = ["Lite"]

_Item = TypeVar("_Item")
_LONG_SIDE = 1100
"""The coarse network sees the plate at its size divided by a whole number, so that it is no longer than this."""
_ALIGNED = 16
"""Sides the coarse network takes are multiples of this."""
_AROUND = 48
_SHARE_AROUND = 0.35
"""How far from the box of their mask somebody is looked for: pixels of the coarse picture, and a share of the box."""
_SOFT = 0.05
_GROW = 1
_PULL = 0.05
"""What the closed form is given: `refine.polish`."""
_LARGE = 4_000_000
"""Pixels of a plate from which frames are made one after the other."""
_INSTEAD = "--proxy 2 for mattes at half the size"


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame with people on its way through the network."""

    ids: tuple[int, ...]
    """Who is there, in the order of rows."""
    picture_3HW: Tensor
    """At the plate's size, filled up to whole multiples."""
    people: People
    within: Sequence[Part]
    """Where each of them can be."""
    seen: Seen
    x_PChw: Tensor
    """What goes into the next exchange over time."""


@dataclass(frozen=True, slots=True)
class _Decided:
    """Who is where on a frame, before edges are laid along the picture's; nobody by default."""

    number: int
    ids: tuple[int, ...] = ()
    picture_3HW: Tensor = field(default_factory=lambda: torch.zeros(3, 0, 0))
    alphas_PHW: Tensor = field(default_factory=lambda: torch.zeros(0, 0, 0))


class Lite:
    """Everybody together, from masks that may be rough, lag or leak; frames two before and two after count, too.

    A coarse pass at no more than 1100 pixels decides who is where; a fine one at the plate's own size works only where
    the coarse alpha is unsure; closed form lays what is left soft along the picture's edges. Cost goes with pixels and
    with people, not with the shot's length.
    """

    name = "lite"
    reach = 2

    def __init__(self, *, device: str = "cpu", state: Mapping[str, Tensor] | None = None) -> None:
        """Take weights in memory, or those that come with the program. Raises BackendError."""
        if state is None:
            own = shipped("matte")
            state, self._sha256 = own.tensors, own.sha256
        else:
            self._sha256 = digest_of(state)
        network = MatteNetwork()
        differs = fit(state, network.state_dict())
        if not differs.whole:
            raise BackendError(f"The weights given do not fit lite.matte ({differs}); give all of them.")
        network.load_state_dict(dict(state))
        self._device = device
        self._network = network.eval().to(device)
        if can_pack(torch.device(device)):
            pack(self._network, quickest(device))

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Everything that changes a pixel."""
        return {
            "matting": self.name,
            "matting_version": 1,
            "lite.long_side": _LONG_SIDE,
            "lite.precision": name_of_quickest(self._device),
            "weights.lite.matte": self._sha256,
        }

    def mattes(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[MatteFrame]:
        """Yield the mattes of `frames` (ascending), one row for every id of `tracks.ids`, zeros where absent."""
        check_sizes(shot, tracks)
        # Three frames are under way, each on its thread: looked at, decided, polished.
        large = tracks.width * tracks.height > _LARGE
        cores = nullcontext() if large else shared_cores()
        with cores, closing(_beside(self._decided(shot, tracks, frames), large=large)) as decided:
            for one in decided:
                yield MatteFrame(number=one.number, ids=tracks.ids, alphas=_polished(one, tracks))

    def _decided(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[_Decided]:
        """Say who is where on `frames`, as the networks have it."""
        available = shot.frames.numbers
        near = needed_numbers(available, frames, 1)
        large = tracks.width * tracks.height > _LARGE
        with closing(_beside(self._near(shot, tracks, near), large=large)) as second:
            for window in windows(second, available=available, wanted=frames, radius=1):
                yield self._last(window)

    def _near(self, shot: Shot, tracks: TrackSet, near: Sequence[int]) -> Generator[tuple[int, _Frame | None]]:
        """Look at `near`, and go on to where frames are told of their neighbours' for the second time."""
        available = shot.frames.numbers
        with closing(self._first(shot, tracks, needed_numbers(available, near, 1))) as first:
            yield from self._second(windows(first, available=available, wanted=near, radius=1))

    def _first(self, shot: Shot, tracks: TrackSet, numbers: Sequence[int]) -> Generator[tuple[int, _Frame | None]]:
        """Look at each frame by itself; None where nobody is."""
        with closing(shot.pictures(numbers)) as pictures:
            for number, picture in pictures:
                masks = tracks.masks_on(number)
                ids = tuple(one for one in tracks.ids if one in masks)
                # Nothing is yielded within `inference`: the caller would go on in torch's inference mode.
                frame = self._looked(picture, ids, [masks[one] for one in ids]) if ids else None
                yield number, frame

    def _looked(self, picture: Picture, ids: tuple[int, ...], masks: Sequence[NDArray[np.bool_]]) -> _Frame:
        factor = _factor(picture)
        with inference(self._device, what="lite", instead=_INSTEAD):
            planes = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).to(self._device)
            planes = planes.nan_to_num(nan=0.0, posinf=1.0, neginf=0.0).clamp_(0.0, 1.0)
            planes = _filled(planes, factor * _ALIGNED, repeat=True)
            own = torch.from_numpy(np.stack(masks)).to(self._device, torch.float32)
            guidance = _shrunk(_filled(own, factor * _ALIGNED, repeat=False), factor)
            small = _shrunk(planes[None], factor)
            seen = self._network.look(small.contiguous(memory_format=torch.channels_last))
            people = People.of(torch.zeros(len(ids), dtype=torch.int64, device=self._device), _with_others(guidance))
            within = _parts(guidance)
            return _Frame(ids, planes, people, within, seen, self._network.first(seen, people, within=within))

    def _second(self, around: Iterator[Window[_Frame | None]]) -> Iterator[tuple[int, _Frame | None]]:
        """Exchange over time at a sixteenth, and go on."""
        for window in around:
            frame = window.centre
            if frame is not None:
                with inference(self._device, what="lite", instead=_INSTEAD):
                    x = _exchanged(self._network.wide_time, frame, window)
                    frame = replace(
                        frame, x_PChw=self._network.second(x, frame.seen, frame.people, within=frame.within)
                    )
            yield window.number, frame

    def _last(self, window: Window[_Frame | None]) -> _Decided:
        """Exchange over time at an eighth, decode, and refine."""
        frame = window.centre
        if frame is None:
            return _Decided(window.number)
        with inference(self._device, what="lite", instead=_INSTEAD):
            x = _exchanged(self._network.middle_time, frame, window)
            context, logits = self._network.third(x, frame.seen, frame.people, within=frame.within)
            alphas = refined(self._network.fine, frame.picture_3HW, logits, context)
        return _Decided(window.number, frame.ids, frame.picture_3HW, alphas.cpu())


def _beside(items: Generator[_Item], *, large: bool) -> Generator[_Item]:
    """On a thread of its own, but for large plates: of those one frame at a time is what memory has room for."""
    return items if large else ahead(items)


def _polished(decided: _Decided, tracks: TrackSet) -> NDArray[np.float32]:
    """Lay edges along the picture's; a row for every id of `tracks.ids`."""
    out = np.zeros((len(tracks.ids), tracks.height, tracks.width), np.float32)
    if decided.ids:
        rows = [tracks.ids.index(one) for one in decided.ids]
        inside = (slice(None), slice(tracks.height), slice(tracks.width))
        picture = np.ascontiguousarray(decided.picture_3HW[inside].permute(1, 2, 0).cpu().numpy())
        out[rows] = polished(picture, decided.alphas_PHW[inside].numpy(), soft=_SOFT, grow=_GROW, pull=_PULL)
    return out


def _factor(picture: Picture) -> int:
    longest: int = max(picture.shape[:2])
    return -(-longest // _LONG_SIDE)


def _shrunk(planes: Tensor, factor: int) -> Tensor:
    """Means over squares of `factor` pixels; at 1 they are the pixels, which torch would copy slowly."""
    return planes if factor == 1 else F.avg_pool2d(planes, factor)


def _filled(planes_CHW: Tensor, multiple: int, *, repeat: bool) -> Tensor:
    """Fill up at the right and below to multiples, with the last column and row or with zeros."""
    height, width = planes_CHW.shape[1:]
    more = (0, -width % multiple, 0, -height % multiple)
    if not any(more):
        return planes_CHW
    return F.pad(planes_CHW[None], more, mode="replicate" if repeat else "constant")[0]


def _with_others(own_PHW: Tensor) -> Tensor:
    """(p, 2, H, W): each person's mask and the union of everybody else's."""
    out = own_PHW.new_zeros((len(own_PHW), 2, *own_PHW.shape[1:]))
    out[:, 0] = own_PHW
    # The largest of those before, then of those after.
    for order in (range(len(out)), reversed(range(len(out)))):
        largest = torch.zeros_like(own_PHW[0])
        for row in order:
            torch.maximum(out[row, 1], largest, out=out[row, 1])
            largest = torch.maximum(largest, own_PHW[row])
    return out


def _parts(guidance_PHW: Tensor) -> list[Part]:
    """Where each person can be, in quarters of the coarse size: the box of their mask, generously enlarged."""
    parts: list[Part] = []
    for mask in guidance_PHW > 0:
        spans = []
        for hit in (mask.any(dim=1), mask.any(dim=0)):
            there = hit.nonzero()
            spans.append((int(there[0]), int(there[-1]) + 1) if len(there) else (0, len(hit)))
        more = max(_AROUND, round(_SHARE_AROUND * max(last - first for first, last in spans)))
        rows, columns = (slice(max(0, first - more) // 4, -(-(last + more) // 4)) for first, last in spans)
        parts.append((rows, columns))
    return parts


def _exchanged(tap: TimeTap, frame: _Frame, window: Window[_Frame | None]) -> Tensor:
    """Give everybody of the middle frame what they were before and after; who was not there, what they are now."""
    numbers = [number for number, _ in window.items]
    middle = numbers.index(window.number)
    before = window.items[middle - 1][1] if middle > 0 else None
    after = window.items[middle + 1][1] if middle + 1 < len(numbers) else None
    out: Tensor = tap(_rows(before, frame), frame.x_PChw, _rows(after, frame))
    return out


def _rows(other: _Frame | None, frame: _Frame) -> Tensor:
    """Rows of another frame in this one's order; this one's own where there is none, or nobody on it."""
    if other is None:
        return frame.x_PChw
    place = {one: row for row, one in enumerate(other.ids)}
    found = [other.x_PChw[place[one]] if one in place else x for one, x in zip(frame.ids, frame.x_PChw, strict=True)]
    return torch.stack(found)
