"""Before and after the network, as its authors evaluate it: sizes, padding, ends, and windows over a clip."""

# ruff: noqa: N803 - names carry shapes: T frames, N people, H height, W width at the network's size, h w of plates
from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.matting.common.pictures import normalised
from vimatte.engine.matting.maggie.network import Maggie, Mattes
from vimatte.engine.shot import Picture

__all__ = [
    "MULTIPLE",
    "SHORT_SIDE",
    "ends",
    "fitted",
    "largest",
    "network_masks",
    "network_picture",
    "restored",
    "slide",
]

SHORT_SIDE = 576
"""Pixels of a picture's shorter side at which the networks were trained and are evaluated."""
MULTIPLE = 64
"""Sides are filled up to multiples of it."""
_END = 1.0 / 255.0
_SEEN = 0.05
Masks = NDArray[np.bool_] | NDArray[np.uint8]


def fitted(height: int, width: int, *, short: int = SHORT_SIDE) -> tuple[int, int]:
    """The size whose shorter side is `short`; sides are cut to whole pixels."""
    ratio = short / min(height, width)
    return max(1, int(height * ratio)), max(1, int(width * ratio))


def network_picture(
    picture: Picture | NDArray[np.uint8], size: tuple[int, int], *, device: torch.device | str = "cpu"
) -> Tensor:
    """(h, w, 3) of [0, 1], or 8-bit, resized to `size`, filled up with black below and right, normalised: (3, H, W)."""
    height, width = size
    # Published: bilinear always. Shrinking by more than a half that leaves pixels out, and edges flicker with motion.
    small = picture.shape[0] > 2 * height or picture.shape[1] > 2 * width
    how = cv2.INTER_AREA if small else cv2.INTER_LINEAR
    if picture.shape[:2] != size:
        picture = cv2.resize(picture, (width, height), interpolation=how)
    if picture.dtype == np.uint8:
        picture = picture.astype(np.float32) / np.float32(255.0)
    filled = np.zeros((*_filled(size), 3), np.float32)
    filled[:height, :width] = picture
    return normalised(filled, device=device)


def network_masks(masks: Masks, size: tuple[int, int], *, device: torch.device | str = "cpu") -> Tensor:
    """(n, h, w) of 0 and 1 by nearest neighbours to `size`, filled up with 0: (n, H, W) float32."""
    height, width = size
    rows = np.arange(height) * masks.shape[1] // height
    columns = np.arange(width) * masks.shape[2] // width
    filled = torch.zeros((masks.shape[0], *_filled(size)))
    filled[:, :height, :width] = torch.from_numpy(masks[:, rows[:, None], columns].astype(np.float32))
    return filled.to(device)


def restored(alphas: Tensor, size: tuple[int, int], *, plate: tuple[int, int]) -> Tensor:
    """Cut (..., H, W) back to `size` and resize it to the plate's, corners on corners."""
    cut = alphas[..., : size[0], : size[1]]
    maps = cut.flatten(0, -3)[:, None]
    return F.interpolate(maps, size=plate, mode="bilinear", align_corners=True).view(*alphas.shape[:-2], *plate)


def ends(alphas: Tensor) -> Tensor:
    """Take what is within 1/255 of 0 or 1 to be 0 or 1."""
    return alphas.masked_fill(alphas <= _END, 0.0).masked_fill(alphas >= 1.0 - _END, 1.0)


def largest(alpha_hw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep the largest piece of alpha above 0.05 (8-connected), 0 elsewhere; all of it where nothing is above."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((alpha_hw > _SEEN).astype(np.uint8), connectivity=8)
    if count < 2:
        return alpha_hw
    keep = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return np.where(labels == keep, alpha_hw, np.float32(0.0))


@torch.no_grad()
def slide(network: Maggie, images_T3HW: Tensor, masks_TNHW: Tensor) -> Iterator[Mattes | None]:
    """Matte every window of three frames, one frame further each time; None where nobody is in a window.

    The middle frame's mattes go into the next window; the recurrence starts anew in each, as the authors' evaluation
    does (its state is returned but never handed on).
    """
    previous = None
    for start in range(images_T3HW.shape[0] - 2):
        masks = masks_TNHW[start : start + 3]
        if not masks.any():
            yield None
            continue
        out: Mattes = network(images_T3HW[start : start + 3][None], masks[None], previous_BNHW=previous)
        previous = out.refined[:, 1]
        yield out


def _filled(size: tuple[int, int]) -> tuple[int, int]:
    height, width = (-(-side // MULTIPLE) * MULTIPLE for side in size)
    return height, width
