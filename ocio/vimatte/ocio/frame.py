"""One decoded picture of a plate: pixels that carry their number, colour space and alpha state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vimatte.ocio.timecode import Timecode

__all__ = ["AlphaState", "Frame"]

AlphaState = Literal["none", "straight", "premultiplied"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A picture over the full display window, values exactly as in the file (nothing clamped or converted)."""

    number: int
    """The shot's own frame number."""
    rgb: NDArray[np.float32]
    """(h, w, 3), float32, in `space`; may exceed 1, go below 0 and hold NaN or infinity."""
    alpha: NDArray[np.float32] | None = None
    """(h, w), float32, the file's own alpha where it has one."""
    alpha_state: AlphaState = "none"
    """Whether `rgb` is multiplied by `alpha`."""
    space: str
    """Colour space name of `rgb`, as the clip was opened with; 'unknown' before a decision."""
    timecode: Timecode | None = None
    """This frame's timecode, advanced from the clip's start where the file has only one."""
    metadata: Mapping[str, object] = field(default_factory=dict)
    """The file's own header values (str, int, float or tuple of floats)."""

    def __post_init__(self) -> None:
        if self.rgb.ndim != 3 or self.rgb.shape[2] != 3 or self.rgb.dtype != np.float32:
            raise ValueError(f"rgb must be float32 (h, w, 3), found {self.rgb.dtype} {self.rgb.shape}")
        if self.alpha is not None and (self.alpha.shape != self.rgb.shape[:2] or self.alpha.dtype != np.float32):
            raise ValueError(f"alpha must be float32 {self.rgb.shape[:2]}, found {self.alpha.dtype} {self.alpha.shape}")

    def __repr__(self) -> str:
        h, w = self.rgb.shape[:2]
        return f"Frame(number={self.number}, {w}x{h}, space={self.space!r}, alpha={self.alpha_state})"
