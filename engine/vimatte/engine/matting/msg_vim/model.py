"""`MsgVim`: each person guided by their own masks and everybody else's, in chunks of ten frames."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.errors import DeviceError
from vimatte.engine.matte import MatteFrame
from vimatte.engine.matting.common.pictures import normalised
from vimatte.engine.matting.common.weights import opened
from vimatte.engine.matting.msg_vim.evaluation import Evaluation
from vimatte.engine.matting.msg_vim.guidance import guided
from vimatte.engine.matting.msg_vim.network import Network
from vimatte.engine.matting.sizes import check_sizes
from vimatte.engine.refine.couple import couple
from vimatte.engine.shot import Picture, Shot
from vimatte.engine.tracks import TrackSet
from vimatte.engine.windows import Stretch, stretches

__all__ = ["MsgVim"]

_CHUNK = 10
"""Frames after which the recurrence begins anew, as the authors run it; the last chunk of a shot may be shorter."""
_WEIGHTS = "msg_vim"
_PIXELS_AT_ONCE = 2_000_000
"""People go through the network together as long as their pictures have no more pixels in sum."""


@dataclass(frozen=True, slots=True)
class _Group:
    """People who go through the network together, and what its recurrence holds for them."""

    ids: tuple[int, ...]
    state: Tensor | None = None
    """(n, 16, h/2, w/2), a row for each of `ids`; None before the first frame."""


class MsgVim:
    """MSG-VIM's generator (Li et al., WACV 2024), frame by frame, with what it remembers within a chunk.

    As in the authors' script a person is matted on every frame of a chunk up to the last one with a mask, those without
    one included, since what is remembered passes through them; their rows stay zero there. Chunks are counted from the
    shot's first frame, so that any frames asked for come out the same.
    """

    name = "msg-vim"
    reach = _CHUNK - 1

    def __init__(self, *, device: str = "cpu", state: Mapping[str, Tensor] | None = None) -> None:
        """Take weights in memory, or the user's own from the cache. Raises BackendError where there are none."""
        network, self._sha256 = opened(Network, state, name=_WEIGHTS)
        self._device = device
        self._evaluation = Evaluation.of(network, device=device)

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Everything that changes a pixel."""
        return {
            "matting": self.name,
            "matting_version": 1,
            "chunk": _CHUNK,
            f"weights.{_WEIGHTS}": self._sha256,
        }

    def mattes(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[MatteFrame]:
        """Yield the mattes of `frames` (ascending), one row for every id of `tracks.ids`, zeros where absent."""
        check_sizes(shot, tracks)
        for stretch in stretches(shot.frames.numbers, frames, length=_CHUNK):
            yield from self._chunk(shot, tracks, stretch)

    def _chunk(self, shot: Shot, tracks: TrackSet, stretch: Stretch) -> Iterator[MatteFrame]:
        last = _last_masks(tracks, stretch)
        numbers = [n for n in stretch.frames if n <= stretch.wanted[-1]]
        groups = self._groups(tracks, tuple(last))
        with closing(shot.pictures([n for n in numbers if any(n <= end for end in last.values())])) as pictures:
            for number in numbers:
                alphas = np.zeros((len(tracks.ids), tracks.height, tracks.width), np.float32)
                groups = [_kept(group, [one for one in group.ids if number <= last[one]]) for group in groups]
                groups = [group for group in groups if group.ids]
                if groups:
                    _, picture = next(pictures)
                    found, groups = self._step(picture, tracks, number, groups)
                    for one in tracks.masks_on(number):
                        alphas[tracks.ids.index(one)] = found[one]
                if number in stretch.wanted:
                    yield MatteFrame(number=number, ids=tracks.ids, alphas=couple(alphas))

    def _groups(self, tracks: TrackSet, ids: tuple[int, ...]) -> list[_Group]:
        together = max(1, _PIXELS_AT_ONCE // (tracks.width * tracks.height))
        return [_Group(ids[at : at + together]) for at in range(0, len(ids), together)]

    @torch.inference_mode()
    def _step(
        self, picture: Picture, tracks: TrackSet, number: int, groups: Sequence[_Group]
    ) -> tuple[dict[int, NDArray[np.float32]], list[_Group]]:
        """Matte one frame: alphas (h, w) by id, and the groups as they go on."""
        masks = {one: torch.from_numpy(mask).to(self._device) for one, mask in tracks.masks_on(number).items()}
        found: dict[int, NDArray[np.float32]] = {}
        after = []
        try:
            planes = normalised(picture, device=self._device)
            for group in groups:
                x = torch.stack([guided(planes, masks, of=one) for one in group.ids])
                alphas, state = self._evaluation.frame(x, group.state, height=tracks.height, width=tracks.width)
                found |= zip(group.ids, alphas.cpu().numpy(), strict=True)
                after.append(_Group(group.ids, state))
        except torch.OutOfMemoryError:
            raise DeviceError(
                f"{self._device} has not enough free memory for MSG-VIM on {max(len(g.ids) for g in groups)} people at "
                f"{tracks.width}x{tracks.height}; type --device cpu, or --proxy 2 for mattes at half the size."
            ) from None
        return found, after


def _last_masks(tracks: TrackSet, stretch: Stretch) -> dict[int, int]:
    """The last frame of a stretch on which each person has a mask, of those who have one there at all."""
    masked = {one: [n for n in stretch.frames if n in tracks.masks[one]] for one in tracks.ids}
    return {one: numbers[-1] for one, numbers in masked.items() if numbers}


def _kept(group: _Group, ids: Sequence[int]) -> _Group:
    if len(ids) == len(group.ids) or group.state is None:
        return _Group(tuple(ids), group.state)
    return _Group(tuple(ids), group.state[[group.ids.index(one) for one in ids]])
