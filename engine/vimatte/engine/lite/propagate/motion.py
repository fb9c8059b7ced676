"""Masks brought from one frame to the next by optical flow, and how far the pictures agree after it."""

# ruff: noqa: N803, N806, N815 - names carry shapes: N people, H height, W width of masks, which are at a half of the picture

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vimatte.engine.vis.flow import Field, WorkingImage

__all__ = ["Motion", "motion_between", "stillness"]

_LOUD = 0.25
"""Difference of code values, from 0 to 1, that is as bad as any."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Where everything on a frame was on the one before it."""

    grid_1HW2: Tensor
    """Places to look at, as `grid_sample` counts them."""
    disagreement_1HW: Tensor
    """0 where the frame before looks the same there, 1 where it does not at all."""

    def bring(self, mask_NHW: Tensor) -> Tensor:
        """Masks of the frame before as they are on this one; what comes from outside is nobody."""
        N = len(mask_NHW)
        grid = self.grid_1HW2.expand(N, -1, -1, -1)
        return functional.grid_sample(mask_NHW[:, None], grid, align_corners=False)[:, 0]

    def to(self, device: str) -> Motion:
        """The same on another device."""
        return Motion(self.grid_1HW2.to(device), self.disagreement_1HW.to(device))


def motion_between(now: WorkingImage, before: WorkingImage) -> Motion:
    """Flow of Dense Inverse Search (Kroeger et al., ECCV 2016) between two pictures of even sides."""
    height, width = now.shape[0] // 2, now.shape[1] // 2
    flow = cv2.resize(_flow(now, before), (width, height), interpolation=cv2.INTER_AREA) / 2
    x = np.arange(width, dtype=np.float32)[None] + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    small, was = (cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in (now, before))
    there = cv2.remap(was, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    apart = cv2.absdiff(small, there).astype(np.float32).mean(axis=2) / 255
    disagreement = np.minimum(cv2.blur(apart, (3, 3)) / _LOUD, 1)
    grid = np.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], axis=2).astype(np.float32)
    return Motion(torch.from_numpy(grid)[None], torch.from_numpy(np.asarray(disagreement, np.float32))[None])


def stillness(mask_NHW: Tensor) -> Motion:
    """Nothing moves, pictures agree: for a frame asked about itself."""
    _, height, width = mask_NHW.shape
    x, y = (2 * torch.arange(width) + 1) / width - 1, (2 * torch.arange(height) + 1) / height - 1
    grid = torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)], dim=2)
    return Motion(grid[None], torch.zeros(1, height, width))


def _flow(now: WorkingImage, before: WorkingImage) -> Field:
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    engine.setUseSpatialPropagation(True)
    engine.setFinestScale(1)
    one, two = (cv2.cvtColor(i, cv2.COLOR_RGB2GRAY) for i in (now, before))
    return np.asarray(engine.calc(one, two, np.zeros((*one.shape, 2), np.float32)), np.float32)
