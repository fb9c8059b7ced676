"""One still picture read through OpenImageIO: the right part, the right channels, the display window, exact values."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from vimatte.ocio.clip import ColourTags
from vimatte.ocio.errors import MediaError
from vimatte.ocio.frame import AlphaState
from vimatte.ocio.timecode import Timecode

__all__ = ["IMAGE_SUFFIXES", "ImageHeader", "ImagePixels", "read_header", "read_image"]

Pixels = NDArray[np.float32]

IMAGE_SUFFIXES = frozenset(
    {
        ".exr", ".sxr", ".mxr", ".dpx", ".cin", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jpe", ".jp2", ".j2k",
        ".bmp", ".tga", ".hdr", ".psd", ".webp", ".pfm", ".ppm", ".pgm", ".pnm", ".sgi", ".rgb", ".jxl", ".heic",
    }
)  # fmt: skip
"""File name extensions, lower case, that a folder is searched for."""

_LARGEST = 1 << 29
"""Pixels a picture may have: 32768 x 16384. A header that claims more is damaged."""
_SUBSAMPLED = "Subsampled channels are not supported"
_STRUCTURAL = (
    "oiio:", "openexr:", "tiff:", "png:", "jpeg:", "thumbnail_", "ICCProfile", "Exif:Pixel", "rdf:",
    "dpx:ImageDescriptor", "dpx:EndOf", "dpx:Packing", "dpx:DittoKey", "cineon:BitDepth",
    "cineon:PixelsPerLine", "cineon:LinesPerElement", "cineon:Packing", "cineon:UserData", "dpx:UserData",
)  # fmt: skip
_STRUCTURAL_NAMES = frozenset(
    {
        "compression", "name", "view", "multiView", "chunkCount", "Orientation", "PixelAspectRatio", "planarconfig",
        "chromaticities", "colorInteropID", "smpte:TimeCode", "dpx:TimeCode", "framesPerSecond", "screenWindowCenter",
        "screenWindowWidth", "version", "type", "tiles", "preview",
    }
)  # fmt: skip
_legacy = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """What a picture's header says, and which of its channels are read."""

    width: int
    """Display window width, after orientation."""
    height: int
    """Display window height, after orientation."""
    part: int
    """Index of the part (subimage) that is read."""
    channels: tuple[int, ...]
    """Indices of red, green, blue (thrice the same for grey), then alpha where there is one."""
    alpha_state: AlphaState
    pixel_aspect: float
    fps: Fraction | None
    timecode: Timecode | None
    codec: str
    tags: ColourTags
    metadata: Mapping[str, object]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePixels:
    """A picture over its display window."""

    header: ImageHeader
    rgb: Pixels
    """(h, w, 3)."""
    alpha: Pixels | None
    """(h, w)."""


def read_header(path: Path) -> ImageHeader:
    """Read a picture's header. Raises MediaError."""
    with _opened(path) as source:
        return _header(path, source)


def read_image(path: Path) -> ImagePixels:
    """Read a picture: EXR values exactly as stored, integer codes divided by the largest one. Raises MediaError."""
    with _opened(path) as source:
        header = _header(path, source)
        source.seek_subimage(header.part, 0)
        spec = source.spec()
        begin, end = min(header.channels), max(header.channels) + 1
        kind = spec.format if spec.format.basetype in _INTEGER_PEAKS else oiio.FLOAT
        raw = source.read_image(header.part, 0, begin, end, kind)
        if raw is None:
            raise MediaError(f"'{path}' is damaged: {_reason(source.geterror())}.")
        picked = [index - begin for index in header.channels]
        whole = _windowed(np.asarray(raw).reshape(spec.height, spec.width, end - begin), spec)
        turned = _oriented(whole, spec.get_int_attribute("Orientation", 1))
        rgb = _as_float(_colour_planes(turned, picked[:3]), spec)
        alpha = _as_float(np.ascontiguousarray(turned[..., picked[3]]), spec) if len(picked) == 4 else None
        return ImagePixels(header=header, rgb=rgb, alpha=alpha)


_INTEGER_PEAKS: dict[Any, int] = {oiio.UINT8: 255, oiio.UINT16: 65535}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open with OpenImageIO, straight alpha left straight."""
    if not path.is_file():
        raise MediaError(f"The picture '{path}' does not exist.")
    wishes = oiio.ImageSpec()
    wishes.attribute("oiio:UnassociatedAlpha", 1)
    source = oiio.ImageInput.open(str(path), wishes)
    reason = "" if source is not None else oiio.geterror()
    if source is None and _SUBSAMPLED in reason:
        source, reason = _open_luminance_chroma(path, wishes)
    if source is None:
        raise MediaError(f"'{path}' cannot be read as a picture: {_reason(reason)}.")
    try:
        yield source
    finally:
        source.close()


def _open_luminance_chroma(path: Path, wishes: Any) -> tuple[Any, str]:
    """Open an EXR of subsampled chroma: only OpenImageIO's older reader, chosen globally, makes R, G, B of it."""
    with _legacy:
        before = oiio.get_int_attribute("openexr:core", 1)
        oiio.attribute("openexr:core", 0)
        try:
            source = oiio.ImageInput.open(str(path), wishes)
            return source, "" if source is not None else oiio.geterror()
        finally:
            oiio.attribute("openexr:core", before)


def _reason(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "OpenImageIO gives no reason"
    if "could not find a format reader" in lines[0]:
        return "its header is damaged, or of no format known here"
    return lines[0].rstrip(".")


def _header(path: Path, source: Any) -> ImageHeader:
    part, channels, notes = _choose_part(path, source)
    source.seek_subimage(part, 0)
    spec = source.spec()
    width, height = _display_size(spec)
    if max(width * height, spec.width * spec.height) > _LARGEST or min(width, height, spec.width, spec.height) < 1:
        raise MediaError(
            f"'{path}' is damaged: its header claims {spec.width}x{spec.height} pixels in {width}x{height}."
        )
    if spec.depth > 1:
        raise MediaError(f"'{path}' is a volume of {spec.depth} slices, not a picture.")
    window = (spec.x, spec.y, spec.width, spec.height)
    display = (spec.full_x, spec.full_y, width, height)
    if window != display:
        notes.append(
            f"The data window of '{path.name}' ({spec.width}x{spec.height} at {spec.x},{spec.y}) is not its display "
            f"window ({width}x{height} at {spec.full_x},{spec.full_y}); it is cropped, or filled with black, to that."
        )
    if spec.get_int_attribute("Orientation", 1) in (5, 6, 7, 8):
        width, height = height, width
    state: AlphaState = "none"
    if len(channels) == 4:
        straight = spec.get_int_attribute("oiio:UnassociatedAlpha", 0) or source.format_name() in _STRAIGHT_FORMATS
        state = "straight" if straight else "premultiplied"
    attributes = {item.name: item.value for item in spec.extra_attribs}
    aspect = float(attributes.get("PixelAspectRatio", 1.0))
    return ImageHeader(
        width=width,
        height=height,
        part=part,
        channels=channels,
        alpha_state=state,
        pixel_aspect=aspect if 0.1 <= aspect <= 10 else 1.0,
        fps=_frame_rate(attributes),
        timecode=_timecode(attributes),
        codec=" ".join(
            filter(None, [source.format_name(), str(spec.format), str(attributes.get("compression", "")).split(":")[0]])
        ),
        tags=ColourTags(
            interop_id=_text(attributes.get("colorInteropID")),
            chromaticities=_eight(attributes.get("chromaticities")),
            float_pixels=spec.format.basetype in (oiio.HALF, oiio.FLOAT, oiio.DOUBLE),
            bits=_bits(spec),
        ),
        metadata=_portable(attributes),
        warnings=tuple(notes),
    )


_STRAIGHT_FORMATS = frozenset({"png", "dpx", "cineon", "webp", "targa", "psd", "bmp", "jpegxl"})


def _choose_part(path: Path, source: Any) -> tuple[int, tuple[int, ...], list[str]]:
    """Return the first part that holds R, G, B or a grey channel, else the first with a layer that does."""
    names: list[tuple[str, tuple[str, ...]]] = []
    deep = False
    index = 0
    while source.seek_subimage(index, 0):
        spec = source.spec()
        deep = deep or bool(spec.deep)
        names.append(
            (spec.get_string_attribute("oiio:subimagename", ""), () if spec.deep else tuple(spec.channelnames))
        )
        index += 1
        if index == 1 and source.format_name() != "openexr":
            break
    for layered in (False, True):
        for part, (title, channels) in enumerate(names):
            found = _layer_colours(channels) if layered else _colours(channels)
            if found is None:
                continue
            notes = []
            if len(names) > 1:
                notes.append(f"'{path.name}' has {len(names)} parts; its part {part} '{title}' is read.")
            if layered:
                layer = channels[found[0]].rpartition(".")[0]
                notes.append(f"'{path.name}' has no R, G, B of its own; its layer '{layer}' is read.")
            return part, found, notes
    if deep:
        raise MediaError(f"'{path}' holds deep pixels, which cannot be matted; flatten it to an ordinary EXR first.")
    listed = ", ".join(name for _, channels in names for name in channels if name) or "none"
    raise MediaError(f"'{path}' has no colour channels (R, G, B or Y); it has {listed[:300]}.")


def _colours(names: Sequence[str]) -> tuple[int, ...] | None:
    """Indices of red, green, blue and alpha among channel names; None when there is no colour."""
    place = {name.lower(): index for index, name in reversed(list(enumerate(names)))}

    def find(*spellings: str) -> int | None:
        return next((place[s] for s in spellings if s in place), None)

    alpha = find("a", "alpha")
    red, green, blue = find("r", "red"), find("g", "green"), find("b", "blue")
    if red is None or green is None or blue is None:
        grey = find("y", "l", "i", "gray", "grey", "luminance", "channel0")
        if grey is None:
            return None
        red = green = blue = grey
    return (red, green, blue) if alpha is None else (red, green, blue, alpha)


def _layer_colours(names: Sequence[str]) -> tuple[int, ...] | None:
    layers = dict.fromkeys(name.rpartition(".")[0] for name in names if "." in name)
    for layer in layers:
        inside = [name[len(layer) + 1 :] if name.rpartition(".")[0] == layer else "" for name in names]
        found = _colours(inside)
        if found is not None and len(set(found[:3])) == 3:
            return found
    return None


def _display_size(spec: Any) -> tuple[int, int]:
    return (spec.full_width or spec.width), (spec.full_height or spec.height)


def _windowed(pixels: NDArray[Any], spec: Any) -> NDArray[Any]:
    """Crop or fill a data window to the display window; outside the data there is black and no alpha."""
    width, height = _display_size(spec)
    left, top = spec.x - spec.full_x, spec.y - spec.full_y
    if (left, top, spec.width, spec.height) == (0, 0, width, height):
        return pixels
    out = np.zeros((height, width, pixels.shape[2]), pixels.dtype)
    x0, x1 = max(0, left), min(width, left + spec.width)
    y0, y1 = max(0, top), min(height, top + spec.height)
    if x1 > x0 and y1 > y0:
        out[y0:y1, x0:x1] = pixels[y0 - top : y1 - top, x0 - left : x1 - left]
    return out


def _oriented(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn stored rows into the upright picture (TIFF 6.0 tag 274)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _colour_planes(pixels: NDArray[Any], picked: Sequence[int]) -> NDArray[Any]:
    """Copy the three channels out; neighbours in order, as nearly always, are cut out as one slice."""
    first = picked[0]
    if list(picked) == [first, first + 1, first + 2]:
        return np.ascontiguousarray(pixels[..., first : first + 3])
    return np.ascontiguousarray(pixels[..., list(picked)])


def _as_float(codes: NDArray[Any], spec: Any) -> Pixels:
    peak = _INTEGER_PEAKS.get(spec.format.basetype)
    if peak is None:
        return codes.astype(np.float32, copy=False)
    bits = _bits(spec)
    if peak == 65535 and bits < 16:
        # OpenImageIO repeats the upper bits of 10- and 12-bit codes in the lower ones; the code itself is on top.
        codes = codes >> np.uint16(16 - bits)
        peak = (1 << bits) - 1
    out = codes.astype(np.float32)
    out /= np.float32(peak)
    return out


def _bits(spec: Any) -> int:
    whole = int(spec.format.size()) * 8
    said = spec.get_int_attribute("oiio:BitsPerSample", whole)
    return said if 8 <= said <= whole else whole


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _eight(value: object) -> tuple[float, ...] | None:
    return tuple(float(v) for v in value) if isinstance(value, tuple) and len(value) == 8 else None


def _frame_rate(attributes: Mapping[str, object]) -> Fraction | None:
    for name in ("framesPerSecond", "FramesPerSecond", "dpx:FrameRate", "dpx:TemporalFrameRate", "cineon:FrameRate"):
        value = attributes.get(name)
        if isinstance(value, tuple) and len(value) == 2 and int(value[1]) > 0:
            rate = Fraction(int(value[0]), int(value[1]))
        elif isinstance(value, int | float) and np.isfinite(value):
            rate = _nearest_rate(float(value))
        else:
            continue
        if 1 <= rate <= 1000:
            return rate
    return None


def _nearest_rate(value: float) -> Fraction:
    for whole in (24, 30, 48, 60, 120):
        if abs(value - whole * 1000 / 1001) < 2e-3:
            return Fraction(whole * 1000, 1001)
    return Fraction(value).limit_denominator(1000)


def _timecode(attributes: Mapping[str, object]) -> Timecode | None:
    """SMPTE 12M time address, binary-coded decimal in one 32-bit word, as EXR and DPX headers hold it."""
    value = attributes.get("smpte:TimeCode")
    if not (isinstance(value, tuple) and len(value) == 2):
        return None
    word = int(value[0]) & 0xFFFFFFFF
    if word == 0 and "dpx:TimeCode" in attributes:
        return None  # DPX writers that know of no timecode leave the field zero
    fields = [(word >> 24) & 0x3F, (word >> 16) & 0x7F, (word >> 8) & 0x7F, word & 0x3F]
    hours, minutes, seconds, frames = ((f >> 4) * 10 + (f & 15) for f in fields)
    if word == 0xFFFFFFFF or hours > 23 or minutes > 59 or seconds > 59 or any(f & 15 > 9 for f in fields):
        return None
    return Timecode(hours=hours, minutes=minutes, seconds=seconds, frames=frames, drop=bool(word & 0x40))


def _portable(attributes: Mapping[str, object]) -> dict[str, object]:
    """Header values to carry over: text, numbers and rows of floats, without what describes this file's own layout."""
    kept: dict[str, object] = {}
    for name, value in attributes.items():
        if name in _STRUCTURAL_NAMES or name.startswith(_STRUCTURAL):
            continue
        floats = isinstance(value, tuple) and bool(value) and all(isinstance(v, float) for v in value)
        if floats or isinstance(value, str | int | float):
            kept[name] = value
    return kept
