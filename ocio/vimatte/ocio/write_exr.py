"""Layered EXRs: the plate and one soft matte for each person, in one single-part file a frame.

The rules are in `docs/layers_format.md`. A file with its final name is whole: pixels go to a hidden temp file in the
same folder, are flushed to disk, checked and renamed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from vimatte.ocio.clip import ColourTags
from vimatte.ocio.compressions import COMPRESSIONS
from vimatte.ocio.errors import ConfigError
from vimatte.ocio.exr_header import HeaderValues, apply_header
from vimatte.ocio.half import HALF_MAX, as_half
from vimatte.ocio.layer_name import layer_name_rule, safe_name
from vimatte.ocio.output_pattern import OutputPattern
from vimatte.ocio.timecode import Timecode
from vimatte.ocio.whole_file import write_whole
from vimatte.ocio.written_alphas import Depth, written_alphas

__all__ = [
    "Depth",
    "LayersWriter",
    "is_whole",
    "plate_depth_for",
]

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayersWriter:
    """Writes the frames of one shot; holds settings only, so one writer serves several threads."""

    pattern: OutputPattern
    """Where frames go."""
    names: tuple[str, ...]
    """Layer names, one for each row of `alphas`, the same on every frame."""
    depth: Depth = "half"
    """Precision of alphas."""
    plate: bool = True
    """Whether R, G, B and A are written."""
    plate_depth: Depth = "half"
    """Precision of R, G, B and of people's foreground colours; see `plate_depth_for`."""
    layers: Literal["alpha", "rgba"] = "alpha"
    """'alpha': one channel `name.A` a person; 'rgba': also `name.R`, `name.G`, `name.B`, premultiplied."""
    compression: str = "zip"
    """One of COMPRESSIONS."""
    header: HeaderValues = field(default_factory=HeaderValues)
    """What is the same in every header of the shot."""

    def __post_init__(self) -> None:
        _check_compression(self.compression)
        for name in self.names:
            if safe_name(name) != name:
                raise ConfigError(layer_name_rule(name))
        twice = sorted({n for n in self.names if self.names.count(n) > 1})
        if twice:
            raise ConfigError(f"Two layers have the name {', '.join(twice)}; rename one of them with --name.")
        if not self.names and not self.plate:
            raise ConfigError("There is nobody to write and the plate is left out; leave out --no-plate.")

    @property
    def channels(self) -> tuple[str, ...]:
        """Channel names in the order they are handed to the file."""
        root = ("R", "G", "B", "A") if self.plate else ()
        each = "RGBA" if self.layers == "rgba" else "A"
        return (*root, *(f"{name}.{c}" for name in self.names for c in each))

    @property
    def channel_depths(self) -> tuple[Depth, ...]:
        """Precision of each of `channels`."""
        return tuple(self.depth if c == "A" or c.endswith(".A") else self.plate_depth for c in self.channels)

    def write(
        self,
        frame_number: int,
        *,
        plate: Floats | None,
        alphas: Floats,
        foreground: Floats | None = None,
        timecode: Timecode | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> Path:
        """Write one frame and return its path.

        `plate` (h, w, 3) float32, untouched (in a half file finite values are held within +-65504); `alphas`
        (n, h, w) float32 in [0, 1], NaN counts as 0; `foreground` (n, h, w, 3) float32 for
        `layers="rgba"`, each person's colour premultiplied by their alpha; `timecode` of this frame; `metadata` the
        source frame's own header values. Raises MediaError when the file cannot be written; nothing half-written is
        left.
        """
        path = self.pattern.path(frame_number)
        values = self._pixels(plate, alphas, foreground)
        pixels = as_half(values) if set(self.channel_depths) == {"half"} else values
        spec = _spec(pixels, self.channels, self.channel_depths, self.compression)
        apply_header(spec, self.header, timecode=timecode, metadata=metadata)
        write_whole(path, spec, pixels, what=f"frame {frame_number}")
        return path

    def is_done(self, frame_number: int) -> bool:
        """Whether this frame is on disk, whole and made with these settings (for `--resume`)."""
        return is_whole(
            self.pattern.path(frame_number), channels=self.channels, settings_digest=self.header.settings_digest
        )

    def _pixels(self, plate: Floats | None, alphas: Floats, foreground: Floats | None) -> Floats:
        if alphas.ndim != 3 or alphas.shape[0] != len(self.names):
            raise ValueError(f"alphas must be ({len(self.names)}, h, w), found {alphas.shape}")
        n, h, w = alphas.shape
        written = written_alphas(alphas, depth=self.depth)
        out = np.empty((h, w, len(self.channels)), np.float32)
        at = 0
        if self.plate:
            if plate is None or plate.shape != (h, w, 3):
                raise ValueError(f"plate must be {(h, w, 3)}, found {None if plate is None else plate.shape}")
            out[..., :3] = _colour(plate, self.plate_depth)
            out[..., 3] = written.sum(axis=0, dtype=np.float32)
            at = 4
        if self.layers == "alpha":
            out[..., at:] = np.moveaxis(written, 0, -1)
            return out
        if foreground is None or foreground.shape != (n, h, w, 3):
            raise ValueError(
                f"foreground must be {(n, h, w, 3)}, found {None if foreground is None else foreground.shape}"
            )
        for i in range(n):
            own = np.where(written[i][..., None] > 0, foreground[i], np.float32(0))
            out[..., at : at + 3] = _colour(own, self.plate_depth)
            out[..., at + 3] = written[i]
            at += 4
        return out


def plate_depth_for(depth: Depth, tags: ColourTags) -> Depth:
    """Precision that loses nothing of the plate: 'half' only for half files and integers of at most 10 bits."""
    if depth == "float":
        return "float"
    return "half" if tags.bits <= (16 if tags.float_pixels else 10) else "float"


def _colour(rgb: Floats, depth: Depth) -> Floats:
    """Hold finite values within what the file can say; infinities and NaN stay."""
    if depth == "float" or (rgb.max(initial=0.0) <= HALF_MAX and rgb.min(initial=0.0) >= -HALF_MAX):
        return rgb
    return np.where(np.isfinite(rgb), np.clip(rgb, -HALF_MAX, HALF_MAX), rgb)


def _check_compression(compression: str) -> None:
    codec, _, level = compression.partition(":")
    levelled = not level or (codec in ("dwaa", "dwab") and level.isdecimal())
    if codec not in COMPRESSIONS or not levelled or compression.endswith(":"):
        raise ConfigError(
            f"'{compression}' is not an EXR compression; it can be {', '.join(COMPRESSIONS)}; type for instance zip."
        )


def _spec(pixels: NDArray[np.floating], channels: Sequence[str], depths: Sequence[Depth], compression: str) -> Any:
    h, w, n = pixels.shape
    # A list of equal channelformats is ignored by OpenImageIO: a uniform file says its type here, once.
    uniform = len(set(depths)) == 1
    spec = oiio.ImageSpec(w, h, n, depths[0] if uniform else "float")
    if not uniform:
        spec.channelformats = tuple(oiio.TypeDesc(d) for d in depths)
    spec.channelnames = tuple(channels)
    spec.attribute("compression", compression)
    return spec


def is_whole(path: Path, *, channels: Sequence[str], settings_digest: str) -> bool:
    """Whether `path` holds exactly these channels, made with these settings, and all its pixels can be read."""
    if not path.is_file():
        return False
    source = oiio.ImageInput.open(str(path))
    if source is None:
        oiio.geterror()
        return False
    try:
        spec = source.spec()
        if set(spec.channelnames) != set(channels) or len(spec.channelnames) != len(channels):
            return False
        if spec.get_string_attribute("vimatte/settings") != settings_digest:
            return False
        whole = source.read_image("half") is not None
        source.geterror()
        return whole
    finally:
        source.close()
