"""What the header of a layers file says: rate, timecode, colour, the source's own values and the `vimatte/*` block."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import OpenImageIO as oiio

from vimatte.ocio.timecode import Timecode

__all__ = ["HeaderValues", "InstanceRow", "apply_header", "carried_over"]

FIXED_DATE = "2000:01:01 00:00:00"
"""Written as DateTime in every file, so that the same input gives the same bytes on every run."""

_STRUCTURAL = frozenset({
    "acesimagecontainerflag", "bitspersample", "capdate", "capture_date", "channels", "chromaticities",
    "chunkcount", "colorinteropid", "compression", "compressionname", "datawindow", "datetime",
    "deepimagestate", "displaywindow", "dwacompressionlevel", "envmap", "exif:colorspace", "exif:orientation",
    "exif:pixelxdimension", "exif:pixelydimension", "fps", "framespersecond", "height", "iccprofile",
    "idmanifest", "imagecounter", "imageheight", "imagewidth", "iscomplete", "lineorder", "maxsamplesperpixel",
    "multiview", "name", "orientation", "pixelaspectratio", "preview", "resolutionunit", "screenwindowcenter",
    "screenwindowwidth", "smpte:timecode", "software", "textureformat", "thumbnail_height", "thumbnail_image",
    "thumbnail_nchannels", "thumbnail_width", "tiled", "tiles", "timecode", "timecoderate", "type", "utcoffset",
    "version", "view", "width", "xresolution", "yresolution",
})  # fmt: skip
"""Attributes that describe the source file itself, or that this writer states anew (lower case)."""
_STRUCTURAL_PREFIXES = (
    "oiio:",
    "openexr:",
    "cryptomatte/",
    "vimatte/",
    "iccprofile:",
    "tiff:",
    "png:",
)
_FOREIGN = re.compile(r"^(dpx|cineon):")
_LONGEST_NAME, _INT32 = 255, 2**31
_TUPLES = {2: "float2", 3: "vector", 16: "matrix"}


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRow:
    """One line of the instance table in the header."""

    id: int
    """Instance id, never reused in the shot."""
    name: str
    """Layer name."""
    label: str = "person"
    """What it is."""
    score: float = 1.0
    """How sure the finder was, 0 to 1."""
    first: int | None = None
    """First frame on which the instance is seen; None when it never is."""
    last: int | None = None
    """Last frame on which the instance is seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderValues:
    """What is the same in the header of every frame of a shot."""

    fps: Fraction | None = None
    """Frames a second, written as the rational `framesPerSecond`."""
    pixel_aspect: float = 1.0
    """Width of a pixel over its height."""
    chromaticities: tuple[float, ...] | None = None
    """Red, green, blue and white x, y of the plate: eight numbers."""
    interop_id: str | None = None
    """Colour Interop Forum name of the plate's space, e.g. 'lin_ap1_scene'."""
    version: str = ""
    """Version of the program, `vimatte/version`."""
    models: Mapping[str, object] = field(default_factory=dict)
    """Models and weight hashes, `vimatte/models`, JSON values."""
    settings_digest: str = ""
    """Digest of everything that changes a pixel, `vimatte/settings`; what `--resume` compares."""
    instances: tuple[InstanceRow, ...] = ()
    """The instance table, `vimatte/instances`."""
    metadata: Mapping[str, object] = field(default_factory=dict)
    """The source's own header values, for frames that bring none."""

    def __post_init__(self) -> None:
        if self.chromaticities is not None and len(self.chromaticities) != 8:
            raise ValueError(f"chromaticities are eight numbers, found {len(self.chromaticities)}")


def apply_header(
    spec: Any,
    values: HeaderValues,
    *,
    timecode: Timecode | None = None,
    metadata: Mapping[str, object] | None = None,
) -> None:
    """Set the attributes of one frame on an `OpenImageIO.ImageSpec`.

    `timecode` is this frame's own, already advanced. `metadata` are this frame's values from the source; they never
    override what this function states itself.
    """
    for name, value in carried_over(values.metadata if metadata is None else metadata).items():
        if isinstance(value, tuple):
            spec.attribute(name, oiio.TypeDesc(_TUPLES.get(len(value), f"float[{len(value)}]")), value)
        else:
            spec.attribute(name, value)
    spec.attribute("DateTime", FIXED_DATE)
    spec.attribute("Software", "vimatte")
    spec.attribute("PixelAspectRatio", float(values.pixel_aspect))
    if values.fps is not None:
        spec.attribute("framesPerSecond", oiio.TypeDesc("rational"), (values.fps.numerator, values.fps.denominator))
    if timecode is not None:
        spec.attribute("smpte:TimeCode", oiio.TypeDesc("timecode"), (_packed(timecode, values.fps), 0))
    if values.chromaticities is not None:
        spec.attribute("chromaticities", oiio.TypeDesc("float[8]"), tuple(values.chromaticities))
    if values.interop_id:
        spec.attribute("colorInteropID", values.interop_id)
    spec.attribute("vimatte/version", values.version)
    spec.attribute("vimatte/models", _json(dict(values.models)))
    spec.attribute("vimatte/settings", values.settings_digest)
    spec.attribute("vimatte/instances", _json([_row(one) for one in values.instances]))


def carried_over(metadata: Mapping[str, object]) -> dict[str, str | int | float | tuple[float, ...]]:
    """Keep of a source's header what an EXR can hold and what is still true of the new file, sorted by name.

    Kept: text, 32-bit integers, floats and tuples of floats. Dropped: attributes that describe the source's structure
    (windows, compression, tiles, Cryptomatte manifests…), those this program states itself, and every other type.
    `dpx:` and `cineon:` names are kept as `dpx/` and `cineon/`.
    """
    kept: dict[str, str | int | float | tuple[float, ...]] = {}
    seen: set[str] = set()
    for name in sorted(metadata):
        plain = _plain(metadata[name])
        lower = name.lower()
        if plain is None or not name or lower in seen or lower in _STRUCTURAL or "\0" in name:
            continue
        if lower.startswith(_STRUCTURAL_PREFIXES) or len(name.encode()) > _LONGEST_NAME:
            continue
        seen.add(lower)
        # OpenImageIO leaves out of an EXR what is prefixed with another format's name: 'dpx:' becomes 'dpx/'.
        kept[_FOREIGN.sub(r"\1/", name)] = plain
    return kept


def _plain(value: object) -> str | int | float | tuple[float, ...] | None:
    if isinstance(value, str):
        return None if "\0" in value else value
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, int | np.integer):
        return int(value) if -_INT32 <= int(value) < _INT32 else None
    if isinstance(value, float | np.floating):
        return float(value)
    if isinstance(value, tuple | list) and value and all(isinstance(v, float | int | np.number) for v in value):
        return tuple(float(v) for v in value)
    return None


def _row(one: InstanceRow) -> dict[str, object]:
    return {
        "id": one.id,
        "name": one.name,
        "label": one.label,
        "score": round(one.score, 6),
        "first": one.first,
        "last": one.last,
    }


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)


def _packed(timecode: Timecode, fps: Fraction | None) -> int:
    """SMPTE 12M bits as the EXR timeCode attribute holds them: binary coded decimals, bit 6 says drop frame.

    The frame digits have room up to 39, so at rates above 30 two pictures share a number and the field bit (15) tells
    the second from the first (SMPTE ST 12-1, 50 and 60 frames a second).
    """
    pairs = timecode.frames >= 40 or (fps is not None and round(fps) > 30)
    frames, second = divmod(timecode.frames, 2) if pairs else (timecode.frames, 0)
    bits = _bcd(frames) | (64 if timecode.drop else 0) | second << 15
    return bits | _bcd(timecode.seconds) << 8 | _bcd(timecode.minutes) << 16 | _bcd(timecode.hours) << 24


def _bcd(number: int) -> int:
    return number // 10 << 4 | number % 10
