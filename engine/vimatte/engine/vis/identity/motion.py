"""Small copies of all frames, the motion between them, where scenes begin, and masks carried along."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from vimatte.engine.masks import BoolMask
from vimatte.engine.vis.appearance import colour_gap, lab_of
from vimatte.engine.vis.cuts import alike, is_cut
from vimatte.engine.vis.flow import (
    Field,
    FlowPair,
    WorkingImage,
    consistency,
    flow_back,
    warp,
    working_size,
)

__all__ = ["Overlap", "ShotMotion"]


class Overlap:
    """How the masks of an earlier frame, carried along the flow, lie on those of a later one."""

    def __init__(self, carried: sparse.csr_array, now: sparse.csr_array) -> None:
        self.both = np.asarray((carried.T @ now).todense(), np.float64)
        """(n, m) pixels in common."""
        self.carried = np.asarray(carried.sum(axis=0), np.float64).ravel()
        """(n,) pixels of the carried masks."""
        self.now = np.asarray(now.sum(axis=0), np.float64).ravel()
        """(m,) pixels of the later masks."""

    @property
    def iou(self) -> NDArray[np.float64]:
        """(n, m) intersection over union."""
        return np.asarray(self.both / np.maximum(self.carried[:, None] + self.now[None] - self.both, 1.0))

    def within(self, earlier: int, later: int) -> float:
        """Share of the smaller of two masks that lies in the other."""
        return float(self.both[earlier, later] / max(1.0, min(self.carried[earlier], self.now[later])))


class ShotMotion:
    """Frames are added in order, with their masks; 37 kB a frame at 16:9 and the masks' pixels are kept.

    One thread may ask for `overlaps` of the latest frame while another adds the next.
    """

    def __init__(self, width: int, height: int, *, long_side: int = 384, kept: int = 12) -> None:
        self.width, self.height = working_size(width, height, long_side=long_side)
        self._kept = kept
        self._grey: list[NDArray[np.uint8]] = []
        self._before: tuple[WorkingImage, NDArray[np.float64]] | None = None
        self._masks: list[sparse.csc_array] = []
        self._by_pixel: OrderedDict[int, sparse.csr_array] = OrderedDict()
        self._flows: dict[int, Field] = {}
        self.cuts: list[int] = []
        """Places of frames that begin another scene."""

    def add(self, image: WorkingImage, masks: Sequence[BoolMask]) -> list[BoolMask]:
        """Take in the next frame; its masks, of any size, come back at the small size."""
        at = len(self._grey)
        small = np.asarray(cv2.resize(image, (self.width, self.height), interpolation=cv2.INTER_AREA))
        self._grey.append(np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8))
        codes = (small // 32).astype(np.int64) @ np.array([64, 8, 1])
        colours = np.bincount(codes.ravel(), minlength=512).astype(np.float64)
        if self._before is not None:
            last, before = self._before
            here, there = (np.repeat(self._grey[i][..., None], 3, axis=2) for i in (at, at - 1))
            self._keep(at, back := flow_back(here, there))
            # Most frames are no cut by their colours alone, which are quicker looked at.
            if not alike(before, colours):
                agree = _agree((back, flow_back(there, here)), small, last)
                if is_cut(agree, before=before, now=colours):
                    self.cuts.append(at)
        self._before = small, colours
        shrunk = [self._shrink(m) for m in masks]
        columns = [np.flatnonzero(m) for m in shrunk]
        indices = np.concatenate([np.zeros(0, np.int64), *columns])
        places = np.cumsum([0, *(len(c) for c in columns)])
        table = sparse.csc_array(
            (np.ones(len(indices), np.int32), indices, places), shape=(self.width * self.height, len(shrunk))
        )
        self._masks.append(table)
        return shrunk

    def _shrink(self, mask: BoolMask) -> BoolMask:
        small = cv2.resize(mask.astype(np.uint8) * 255, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return np.asarray(small > 127)

    def scene(self, at: int) -> int:
        """Number of the scene a frame belongs to."""
        return sum(c <= at for c in self.cuts)

    def _keep(self, at: int, back: Field) -> None:
        """Keep the flow from a frame to the one before, of the latest frames."""
        self._flows[at] = back
        if len(self._flows) > self._kept:
            del self._flows[min(self._flows)]

    def overlaps(self, at: int, *, back: int) -> dict[int, Overlap]:
        """Earlier place -> how its masks lie on those of the frame `at`, for up to `back` frames of the same scene.

        `at` is the last frame added, or the one before; `back` is less than the frames kept by two.
        """
        y, x = (g.astype(np.float32) for g in np.mgrid[: self.height, : self.width])
        out: dict[int, Overlap] = {}
        for start in range(at - 1, max(-1, at - back - 1), -1):
            if start + 1 in self.cuts:
                break
            flow = self._flows[start + 1]
            step = np.asarray(cv2.remap(flow, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
            x, y = x + step[..., 0], y + step[..., 1]
            column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
            inside = ((column >= 0) & (row >= 0) & (column < self.width) & (row < self.height)).ravel()
            source = (row * self.width + column).ravel()[inside]
            out[start] = Overlap(self._rows(start)[source], self._rows(at)[np.flatnonzero(inside)])
            out[start].now = np.asarray(self._masks[at].sum(axis=0), np.float64).ravel()
        return out

    def _rows(self, at: int) -> sparse.csr_array:
        """Who is at each pixel; half a megabyte a frame, so for the latest frames only."""
        if at not in self._by_pixel:
            self._by_pixel[at] = self._masks[at].tocsr()
            if len(self._by_pixel) > self._kept:
                self._by_pixel.popitem(last=False)
        self._by_pixel.move_to_end(at)
        return self._by_pixel[at]

    def own(self, at: int) -> NDArray[np.float64]:
        """(n, n) pixels that masks of one frame have in common."""
        table = self._masks[at]
        return np.asarray((table.T @ table).todense(), np.float64)


def _agree(pair: FlowPair, now: WorkingImage, before: WorkingImage) -> float:
    """How much of a picture came from the one before: the flow returns, and the colours are those of there."""
    lab, lab_before = (cv2.blur(lab_of(i), (3, 3)) for i in (now, before))
    gap = colour_gap(lab, warp(np.asarray(lab_before, np.float32), pair[0]))
    return float((consistency(pair) * np.exp(-gap / (2 * 8.0**2))).mean())
