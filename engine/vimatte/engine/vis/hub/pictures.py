"""Pictures as a network wants them, by the checkpoint's own preprocessing file; and its masks back at the shot's size.

The library's own processors for these models need torchvision, which has no build for every machine; what they do is
written in the file that comes with the weights (size, padding, mean, deviation) and is done here with torch alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vimatte.engine.errors import BackendError
from vimatte.engine.shot import Picture

__all__ = ["Preparation", "Prepared", "read_preparation"]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_FILES = ("video_preprocessor_config.json", "preprocessor_config.json", "processor_config.json")
_BICUBIC = (3, "bicubic")


@dataclass(frozen=True, slots=True)
class Prepared:
    """One picture, ready for a network."""

    values: torch.Tensor
    """(3, h, w) float32, normalised, on the CPU."""
    content: tuple[int, int]
    """(h, w) that the picture fills, from the upper left corner; the rest is padding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What is done to a picture before a network sees it."""

    size: Mapping[str, int]
    """As in the file: height and width, or shortest_edge and longest_edge, or max_height and max_width."""
    mean: tuple[float, ...] = _MEAN
    std: tuple[float, ...] = _STD
    scale: float = 1.0
    """Factor from a picture in 0..1 to the values that are normalised."""
    bicubic: bool = False
    antialias: bool = True
    divisor: int = 1
    """Sides are stretched to multiples of it."""
    pad: tuple[int, int] | None = None
    """(h, w) to fill with zeros at the right and the bottom; None for no padding."""

    def target(self, height: int, width: int) -> tuple[int, int]:
        """(h, w) a picture of this size is resized to."""
        size = self.size
        if "height" in size and "width" in size:
            new = (size["height"], size["width"])
        elif "shortest_edge" in size:
            new = _shortest(height, width, size["shortest_edge"], size.get("longest_edge"))
        elif "longest_edge" in size:
            new = _within(height, width, size["longest_edge"], size["longest_edge"])
        else:
            new = _within(height, width, size["max_height"], size["max_width"])
        high, wide = (max(self.divisor, math.ceil(side / self.divisor) * self.divisor) for side in new)
        return high, wide

    def __call__(self, picture: Picture) -> Prepared:
        """Prepare (h, w, 3) float32 in [0, 1]."""
        new = self.target(picture.shape[0], picture.shape[1])
        values = torch.from_numpy(np.require(picture, np.float32, ["C", "W"])).permute(2, 0, 1)[None]
        if new != tuple(picture.shape[:2]):
            values = torch.nn.functional.interpolate(
                values,
                size=new,
                mode="bicubic" if self.bicubic else "bilinear",
                align_corners=False,
                antialias=self.antialias,
            ).clamp_(0.0, 1.0)
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.std))
        values = (values * self.scale - mean) / std
        if self.pad is not None:
            right, below = max(0, self.pad[1] - new[1]), max(0, self.pad[0] - new[0])
            values = torch.nn.functional.pad(values, (0, right, 0, below))
        return Prepared(values[0], new)

    def back(self, logits: torch.Tensor, *, prepared: Prepared, height: int, width: int) -> NDArray[np.float32]:
        """Logits (n, mh, mw) over the padded picture, at (n, height, width) of the shot."""
        full = (int(prepared.values.shape[1]), int(prepared.values.shape[2]))
        out: NDArray[np.float32] = np.empty((len(logits), height, width), np.float32)
        for n, one in enumerate(logits):  # one at a time: at 4K each is 33 MB
            soft = one[None, None].float()
            if full != prepared.content:
                soft = torch.nn.functional.interpolate(soft, size=full, mode="bilinear", align_corners=False)
                soft = soft[..., : prepared.content[0], : prepared.content[1]]
            soft = torch.nn.functional.interpolate(soft, size=(height, width), mode="bilinear", align_corners=False)
            out[n] = soft[0, 0].cpu().numpy()
        return out


def read_preparation(folder: Path, *, fallback: Preparation) -> Preparation:
    """Read the file beside the weights; `fallback` where there is none. Raises BackendError for one that is broken."""
    for name in _FILES:
        path = folder / name
        if not path.is_file():
            continue
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            values = values.get("video_processor") or values.get("image_processor") or values
            if "size" in values or "image_mean" in values:
                return _from_file(values, fallback)
        except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            raise BackendError(f"{path} cannot be understood ({error}); fetch the weights again.") from error
    return fallback


def _from_file(values: Mapping[str, Any], fallback: Preparation) -> Preparation:
    if values.get("do_split_image"):
        raise ValueError("it cuts pictures into parts, which is for semantic segmentation, not for instances")
    size = values.get("size") or fallback.size
    if isinstance(size, int):
        size = {"shortest_edge": size, "longest_edge": int(values.get("max_size") or 1333)}
    size = {k: int(v) for k, v in dict(size).items() if v is not None}
    if not ({"height", "width"} <= set(size) or {"max_height", "max_width"} <= set(size)) and not (
        {"shortest_edge", "longest_edge"} & set(size)
    ):
        raise ValueError(f"size {size}")
    normalise = bool(values.get("do_normalize", True))
    rescale = bool(values.get("do_rescale", True))
    pad: tuple[int, int] | None = fallback.pad
    given = values.get("pad_size")
    if isinstance(given, Mapping) and given.get("height"):
        pad = (int(given["height"]), int(given["width"]))
    elif values.get("do_pad") is False:
        pad = None
    elif values.get("do_pad") and "shortest_edge" in size and pad is not None:
        pad = (size["shortest_edge"], size.get("longest_edge", size["shortest_edge"]))
    return Preparation(
        size=size,
        mean=tuple(map(float, values.get("image_mean") or fallback.mean)) if normalise else (0.0, 0.0, 0.0),
        std=tuple(map(float, values.get("image_std") or fallback.std)) if normalise else (1.0, 1.0, 1.0),
        scale=255.0 * float(values.get("rescale_factor") or 1 / 255) if rescale else 255.0,
        bicubic=values.get("resample") in _BICUBIC,
        antialias=fallback.antialias,
        divisor=max(1, int(values.get("size_divisor") or fallback.divisor)),
        pad=pad,
    )


def _shortest(height: int, width: int, short: int, long: int | None) -> tuple[int, int]:
    """Keep the shape: the short side becomes `short`, the long one at most `long`."""
    small, large = min(height, width), max(height, width)
    exact: float = short
    if long is not None and large / small * short > long:
        exact = long * small / large
    new_small = round(exact)
    new_large = large if new_small == small else int(exact * large / small)
    return (new_small, new_large) if height <= width else (new_large, new_small)


def _within(height: int, width: int, high: int, wide: int) -> tuple[int, int]:
    """Keep the shape: as large as fits."""
    scale = min(high / height, wide / width)
    return int(height * scale), int(width * scale)
