"""The authors' inference script: 8-bit files in, 8-bit mattes out, with its roundings; what made the goldens."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.matting.common.pictures import normalised, padded, uncovered
from vimatte.engine.matting.instmatt.infer import infer
from vimatte.engine.matting.instmatt.network import InstMatt
from vimatte.engine.matting.instmatt.tri_masks import summed_tri_masks

__all__ = ["Prepared", "finish", "prepare", "published_mattes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What the network is given, and what is needed to get back."""

    picture: Tensor
    """(3, H, W), normalised and padded."""
    tri_masks: Tensor
    """(n, 3, H, W), padded; outside [0, 1] where masks overlap."""
    size: tuple[int, int]
    """(h, w) before padding."""
    original: tuple[int, int]
    """(h, w) of the files."""


def published_mattes(
    network: InstMatt, picture: NDArray[np.uint8], masks: NDArray[np.uint8], *, max_side: int = 1280
) -> NDArray[np.uint8]:
    """Return mattes (n, h, w) of the people masked in one picture, as the script writes them.

    Args:
        network: In evaluation mode, on the CPU.
        picture: (h, w, 3), red first.
        masks: (n, H, W) grey, of any size; grey stays grey.
        max_side: Pictures with a longer side are shrunk to it.
    """
    prepared = prepare(picture, masks, max_side=max_side)
    with torch.inference_mode():
        mattes = infer(network, prepared.picture, prepared.tri_masks)
    return finish(mattes.final[:, 0], prepared)


def prepare(picture: NDArray[np.uint8], masks: NDArray[np.uint8], *, max_side: int = 1280) -> Prepared:
    """Shrink, normalise, pad; tri-masks by sums."""
    height, width = picture.shape[:2]
    masks = np.stack([_nearest(mask, (height, width)) for mask in masks])
    size = (height, width)
    if max(size) > max_side:
        ratio = max_side / max(size)
        size = (int(ratio * height), int(ratio * width))
        picture = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_LINEAR).astype(np.uint8)
        masks = np.stack([_nearest(mask, size) for mask in masks])
    shares = torch.from_numpy(masks.astype(np.float32) / np.float32(255.0))
    return Prepared(
        picture=padded(normalised(picture.astype(np.float32) / np.float32(255.0))),
        tri_masks=summed_tri_masks(padded(shares)),
        size=size,
        original=(height, width),
    )


def finish(targets: Tensor, prepared: Prepared) -> NDArray[np.uint8]:
    """Truncate to 8 bits, cut the padding off, enlarge: (n, h, w) from target mattes (n, H, W)."""
    counts = (targets * 255.0).to(torch.uint8)
    cut = uncovered(counts, height=prepared.size[0], width=prepared.size[1]).numpy()
    if prepared.size == prepared.original:
        return cut.copy()
    large = [cv2.resize(matte, prepared.original[::-1], interpolation=cv2.INTER_LINEAR) for matte in cut]
    return np.stack(large).astype(np.uint8)


def _nearest(mask: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if mask.shape == size:
        return mask
    return np.asarray(cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
