"""`InstMattMatting`: all people of a frame at once, each guided by everybody's mask, then made to agree."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.errors import DeviceError
from vimatte.engine.masks import BoolMask
from vimatte.engine.matte import MatteFrame
from vimatte.engine.matting.common.pictures import normalised, padded, uncovered
from vimatte.engine.matting.instmatt.infer import infer
from vimatte.engine.matting.instmatt.tri_masks import united_tri_masks
from vimatte.engine.matting.instmatt.weights import WEIGHTS, open_network
from vimatte.engine.matting.sizes import check_sizes
from vimatte.engine.refine.couple import couple
from vimatte.engine.shot import Picture, Shot
from vimatte.engine.tracks import TrackSet

__all__ = ["InstMattMatting"]

_LONG_SIDE = 2048
"""Longer pictures are matted at this size. The authors' script stops at 1280, which would soften every HD plate."""
_PIXELS_AT_ONCE = 8_000_000
"""On a GPU, people go through the network together as long as their pictures have no more pixels in sum."""


class InstMattMatting:
    """InstMatt's second stage (Sun et al., CVPR 2022), frame by frame.

    Memory grows with the number of people on a frame, not with the shot: the refinement needs everybody's full-size
    feature at once, 32 floats a pixel. A process took 2.2 GB for one person at 1920x1080 on a CPU, 2.9 GB for two.
    """

    name = "instmatt"
    reach = 0

    def __init__(self, *, device: str = "cpu", state: Mapping[str, Tensor] | None = None) -> None:
        """Take weights in memory, or the user's own from the cache. Raises BackendError where there are none."""
        self._device = torch.device(device)
        self._network, self._sha256 = open_network(state, device=device)

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Everything that changes a pixel."""
        return {
            "matting": self.name,
            "matting_version": 1,
            "long_side": _LONG_SIDE,
            f"weights.{WEIGHTS}": self._sha256,
        }

    def mattes(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[MatteFrame]:
        """Yield the mattes of `frames` (ascending), one row for every id of `tracks.ids`, zeros where absent."""
        check_sizes(shot, tracks)
        with closing(shot.pictures(frames)) as pictures:
            for number, picture in pictures:
                alphas = np.zeros((len(tracks.ids), tracks.height, tracks.width), np.float32)
                here = tracks.masks_on(number)
                if here:
                    rows = [tracks.ids.index(one) for one in here]
                    alphas[rows] = self._matted(picture, list(here.values()))
                yield MatteFrame(number=number, ids=tracks.ids, alphas=couple(alphas))

    def _matted(self, picture: Picture, masks: Sequence[BoolMask]) -> NDArray[np.float32]:
        """Target mattes (n, h, w) in [0, 1], not yet coupled."""
        height, width = picture.shape[:2]
        size = _work_size(height, width)
        # By area; the script's bilinear sampling skips pixels, and what it skips changes from frame to frame.
        small = picture if size == (height, width) else cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
        try:
            targets = self._targets(np.asarray(small, np.float32), np.stack([_shrunk(mask, size) for mask in masks]))
        except torch.OutOfMemoryError:
            raise DeviceError(
                f"{self._device} has not enough free memory for InstMatt on {len(masks)} people at "
                f"{size[1]}x{size[0]}; type --device cpu, or --proxy 2 for mattes at half the size."
            ) from None
        if size == (height, width):
            return targets
        large = [cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR) for alpha in targets]
        return np.stack(large).astype(np.float32)

    @torch.inference_mode()
    def _targets(self, picture: Picture, masks: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = picture.shape[:2]
        planes = padded(normalised(picture, device=self._device))
        # By union (the paper's Eq. 5 and 6), not by sums as in the script: tracked masks may overlap, and then sums
        # leave [0, 1], which training never showed the network. Where no masks overlap the two are the same.
        tri_masks = united_tri_masks(padded(torch.from_numpy(masks).to(self._device)))
        together = max(1, _PIXELS_AT_ONCE // planes[0].numel()) if self._device.type == "cuda" else 1
        # Float alphas; the script truncates to 8 bits before it enlarges.
        mattes = infer(self._network, planes, tri_masks, batch=together).final[:, 0]
        return np.asarray(uncovered(mattes, height=height, width=width).cpu().numpy(), np.float32)


def _work_size(height: int, width: int) -> tuple[int, int]:
    ratio = min(1.0, _LONG_SIDE / max(height, width))
    return max(1, round(ratio * height)), max(1, round(ratio * width))


def _shrunk(mask: BoolMask, size: tuple[int, int]) -> NDArray[np.float32]:
    """A mask as shares of covered pixels: hard at the picture's own size, grey at its edge at a smaller one."""
    shares = mask.astype(np.float32)
    if mask.shape != size:
        shares = np.asarray(cv2.resize(shares, size[::-1], interpolation=cv2.INTER_AREA), np.float32)
    return shares
