"""The mattes of one frame: one soft alpha for each instance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MatteFrame"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatteFrame:
    """Soft alphas of every instance of a shot on one frame, the absent ones included (as zeros)."""

    number: int
    """The shot's own frame number."""
    ids: tuple[int, ...]
    """Instance ids, one for each row of `alphas`, in the track set's order on every frame."""
    alphas: NDArray[np.float32]
    """(n, h, w), float32, in [0, 1]; over the rows they sum to at most 1."""

    def __post_init__(self) -> None:
        if self.alphas.ndim != 3 or self.alphas.shape[0] != len(self.ids) or self.alphas.dtype != np.float32:
            raise ValueError(
                f"alphas must be float32 ({len(self.ids)}, h, w), found {self.alphas.dtype} {self.alphas.shape}"
            )

    def __repr__(self) -> str:
        n, h, w = self.alphas.shape
        return f"MatteFrame(number={self.number}, {n} instances, {w}x{h})"
