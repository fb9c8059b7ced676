"""One sweep through time: soft masks carried from frame to frame, set right wherever a mask is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.vis.flow import flow_between, warp
from vimatte.engine.vis.propagation.frames import WorkingFrames
from vimatte.engine.vis.propagation.soft import Probability, SoftMask

__all__ = ["Known", "sweep"]

Known = Mapping[int, Mapping[int, Probability | None]]
"""Frame number -> instance id -> coverage at working size, None for absent."""


def sweep(frames: WorkingFrames, numbers: Sequence[int], *, known: Known) -> Iterator[tuple[int, dict[int, SoftMask]]]:
    """Carry `known` masks along `numbers` (ascending or descending), yielding (number, id -> soft mask) for each.

    Somebody who has not been met yet has no entry.
    """
    masks: dict[int, Probability] = {}
    before: NDArray[np.uint8] | None = None
    for at, number in enumerate(numbers):
        now = frames.get(number, ahead=numbers[at : at + 48])
        if before is not None and masks:
            pair = flow_between(now, before)
            masks = {one: np.asarray(warp(mask, pair[0]), np.float32) for one, mask in masks.items()}
        for one, mask in known.get(number, {}).items():
            masks[one] = mask if mask is not None else np.zeros((frames.height, frames.width), np.float32)
        yield number, {one: SoftMask.pack(mask, trust=1.0) for one, mask in masks.items()}
        before = now
