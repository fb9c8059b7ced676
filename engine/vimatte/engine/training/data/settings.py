"""What training clips shall be like."""

from __future__ import annotations

from dataclasses import dataclass, fields

from vimatte.engine.errors import ConfigError
from vimatte.engine.training.data.protocols import VIM50, Protocol

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Sizes, the protocol, and how strong everything that happens to a picture may be: 0 not at all, 1 at most."""

    protocol: Protocol = VIM50
    """How many people stand together, and how much of them is hidden."""
    frames: int = 8
    """Frames of a clip; 1 for stills."""
    height: int = 512
    """Rows of a picture."""
    width: int = 512
    """Columns of a picture."""
    motion: float = 1.0
    """How people drift."""
    camera: float = 1.0
    """How the camera moves."""
    grade: float = 1.0
    """Colour, for each person and the background by themselves, then a little for all together."""
    blur: float = 1.0
    """Motion blur and defocus."""
    noise: float = 1.0
    """Sensor noise and grain."""
    compression: float = 1.0
    """JPEG."""
    light_wrap: float = 1.0
    """How far the background's light spills over people."""
    guidance: float = 1.0
    """How wrong the guidance masks are."""
    leaves: float = 0.12
    """Share of clips before dead leaves, not before filmed backgrounds."""
    layers: bool = False
    """Whether samples carry the people's own colours and the background: for losses on composites."""

    @property
    def largest(self) -> int:
        """The longer side to which footage is averaged down as it is read: twice the picture's, for parts are drawn."""
        return 2 * max(self.height, self.width)

    def __post_init__(self) -> None:
        for name in ("frames", "height", "width"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} of a training clip must be 1 or more, found {getattr(self, name)}.")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not 0 <= value <= 1:
                raise ConfigError(f"{field.name} is a strength from 0 to 1, found {value}.")
        if self.layers and self.protocol.merged:
            raise ConfigError(f"Clips of {self.protocol.name} are merged and keep no layers; take another protocol.")
