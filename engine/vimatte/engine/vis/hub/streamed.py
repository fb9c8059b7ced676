"""A video of which a session sees one frame at a time."""

from __future__ import annotations

import torch

__all__ = ["Streamed"]


class Streamed(dict[int, torch.Tensor]):
    """Frames by place of which only the present one is held, yet as many as the shot has are counted.

    A session takes the number of frames from its store and weighs its memory by it; told frame by frame, as a live
    stream, it weighs otherwise, and SAM 3 leaves out the checks that need later frames.
    """

    def __init__(self, total: int) -> None:
        """`total`: frames of the shot."""
        super().__init__()
        self._total = total

    def __len__(self) -> int:
        return self._total
