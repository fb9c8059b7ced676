"""Small grey copies of every frame, and masks carried between them along optical flow."""

from __future__ import annotations

from collections import OrderedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.masks import BoolMask
from vimatte.engine.vis.flow import FlowPair, WorkingImage, flow_between, warp, working_size

__all__ = ["Thumbs"]

_LONG_SIDE = 256


class Thumbs:
    """Thumbnails by place in the shot (37 kB each at 16:9); implements `sighting.Carry`.

    One thread may add frames, and ask for their flow, a few places ahead of another that carries masks.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = working_size(width, height, long_side=_LONG_SIDE)
        self._grey: dict[int, NDArray[np.uint8]] = {}
        self._flows: OrderedDict[int, FlowPair] = OrderedDict()

    def add(self, at: int, image: WorkingImage) -> None:
        """Keep a small copy of the frame at place `at`."""
        small = cv2.resize(image, (self.width, self.height), interpolation=cv2.INTER_AREA)
        self._grey[at] = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)

    def shrink(self, mask: NDArray[np.float32]) -> BoolMask:
        """A probability or mask of any size, at this size, above a half."""
        small = cv2.resize(mask, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return np.asarray(small > 0.5)

    def flow(self, at: int) -> FlowPair:
        """Flow (at -> at-1, at-1 -> at)."""
        if at not in self._flows:
            now, before = (np.repeat(self._grey[i][..., None], 3, axis=2) for i in (at, at - 1))
            self._flows[at] = flow_between(now, before)
            if len(self._flows) > 24:
                self._flows.popitem(last=False)
        self._flows.move_to_end(at)
        return self._flows[at]

    def __call__(self, mask: BoolMask, start: int, end: int) -> BoolMask:
        """Carry a mask of the frame at `start` to the frame at `end`, one frame at a time."""
        soft: NDArray[np.float32] = mask.astype(np.float32)
        for at in range(start + 1, end + 1):
            soft = np.asarray(warp(soft, self.flow(at)[0]), np.float32)
        for at in range(start, end, -1):
            soft = np.asarray(warp(soft, self.flow(at)[1]), np.float32)
        return soft > 0.5

    def motion(self, mask: BoolMask, at: int, *, ahead: bool) -> tuple[float, float]:
        """Median motion (x, y) of a mask of the frame at `at` to the next (or previous) frame, small pixels."""
        field = self.flow(at + 1)[1] if ahead else self.flow(at)[0]
        if not mask.any():
            return 0.0, 0.0
        x, y = np.median(field[mask], axis=0)
        return float(x), float(y)
