"""`Rvm`: Robust Video Matting's alpha of everybody, divided among the tracked people."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.errors import DeviceError
from vimatte.engine.masks import BoolMask
from vimatte.engine.matte import MatteFrame
from vimatte.engine.matting.rvm.enlarge import enlarge
from vimatte.engine.matting.rvm.network import Found, Recurrent
from vimatte.engine.matting.rvm.weights import open_network
from vimatte.engine.matting.sizes import check_sizes
from vimatte.engine.refine.divide import divide
from vimatte.engine.shot import Picture, Shot
from vimatte.engine.tracks import TrackSet
from vimatte.engine.windows import stretches

__all__ = ["Rvm"]

_LONG_SIDE = 1100
"""The recurrent network sees, and people are divided, at a whole fraction of the plate's size no longer than this."""
_LENGTH = 64
"""Frames from one fresh state to the next."""
_WARM_UP = 24
"""Frames run before a stretch and thrown away, so that its first mattes are those of a state that has settled.

Measured on two shots, against a state 36 frames old: with 12 frames 0.3 % and 2.2 % of the pixels are off by more than
0.1 on the first frame of a stretch, with 24 frames 0.2 % and 0.1 %.
"""


class Rvm:
    """A recurrent network looks at the whole picture; who is who, the tracks say.

    The network runs at the plate's size divided by a whole number, so that its long side has at most 1100 pixels, and
    its guided filter brings the alpha back to full size. It never looks at masks: other masks on other frames leave a
    frame as it is.
    """

    name = "rvm"
    reach = 0

    def __init__(self, *, device: str = "cpu", state: Mapping[str, Tensor] | None = None) -> None:
        """Take weights in memory, or those fetched into the cache. Raises BackendError where there are none."""
        network, self._sha256 = open_network(state)
        self._device = torch.device(device)
        self._network = network.to(self._device)

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Everything that changes a pixel."""
        return {
            "matting": self.name,
            "matting_version": 1,
            "rvm.long_side": _LONG_SIDE,
            "rvm.stretch": _LENGTH,
            "rvm.warm_up": _WARM_UP,
            "weights.rvm": self._sha256,
        }

    def mattes(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[MatteFrame]:
        """Yield the mattes of `frames` (ascending), one row for every id of `tracks.ids`, zeros where absent."""
        check_sizes(shot, tracks)
        for number, picture, alpha in self._everybody(shot, frames):
            alphas = np.zeros((len(tracks.ids), *alpha.shape), np.float32)
            masks = tracks.masks_on(number)
            here = [row for row, one in enumerate(tracks.ids) if one in masks]
            if here:
                alphas[here] = _divided(picture, alpha, np.stack([masks[tracks.ids[row]] for row in here]))
            yield MatteFrame(number=number, ids=tracks.ids, alphas=alphas)

    def _everybody(self, shot: Shot, frames: Sequence[int]) -> Iterator[tuple[int, Picture, NDArray[np.float32]]]:
        """(number, picture, alpha of everybody) of `frames`; the state begins anew with every stretch."""
        for stretch in stretches(shot.frames.numbers, frames, length=_LENGTH, warm_up=_WARM_UP):
            wanted = set(stretch.wanted)
            state: Recurrent | None = None
            read = [n for n in (*stretch.warm_up, *stretch.frames) if n <= stretch.wanted[-1]]
            with closing(shot.pictures(read)) as pictures:
                for number, broken in pictures:
                    picture = np.clip(np.nan_to_num(broken, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
                    alpha, state = self._look(picture, state)
                    if number in wanted:
                        yield number, picture, alpha

    @torch.inference_mode()
    def _look(self, picture: Picture, state: Recurrent | None) -> tuple[NDArray[np.float32], Recurrent]:
        small = _shrunk(picture)
        full_planes = self._planes(picture)
        small_planes = full_planes if small is picture else self._planes(small)
        try:
            found: Found = self._network(full_planes, small_planes, state)
        except torch.OutOfMemoryError as error:
            raise DeviceError(
                f"Device '{self._device}' ran out of memory on a picture of {picture.shape[1]}x{picture.shape[0]}; "
                f"type --device cpu, or --proxy 2 for mattes of half the size."
            ) from error
        return found.alpha[0, 0].cpu().numpy(), found.state

    def _planes(self, picture: Picture) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].to(self._device)


def _divided(picture: Picture, alpha: NDArray[np.float32], masks: BoolMask) -> NDArray[np.float32]:
    small = _shrunk(picture)
    if small is picture:
        return divide(picture, alpha, masks)
    size = (small.shape[1], small.shape[0])
    small_alpha = np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), np.float32)
    small_masks = [cv2.resize(m.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) > 127 for m in masks]
    return enlarge(picture, alpha, divide(small, small_alpha, np.stack(small_masks)))


def _shrunk(picture: Picture) -> Picture:
    """The picture at working size; itself where that is its own."""
    height, width = picture.shape[:2]
    factor = -(-max(height, width) // _LONG_SIDE)
    if factor == 1:
        return picture
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
