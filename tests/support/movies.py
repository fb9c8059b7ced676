"""Writes small movies with known content for the reader's tests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

BT709 = (0.2126, 0.0722)
BT601 = (0.299, 0.114)


def planes_frame(planes: Sequence[NDArray], pix_fmt: str, size: tuple[int, int] | None = None) -> av.VideoFrame:
    """A frame whose planes hold exactly these codes; `size` is (height, width), the first plane's unless told."""
    height, width = size or planes[0].shape
    frame = av.VideoFrame(width, height, pix_fmt)
    for plane, codes in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size // codes.itemsize), codes.dtype)
        rows[: codes.shape[0], : codes.shape[1]] = codes
        plane.update(rows.tobytes())
    return frame


def packed(planes: Sequence[NDArray], pix_fmt: str) -> list[NDArray]:
    """The planes of `pix_fmt` (nv12, uyvy422, yuyv422) that hold these planar Y, Cb and Cr codes."""
    luma, blue, red = planes
    chroma = np.stack([blue, red], -1).reshape(blue.shape[0], -1)
    if pix_fmt == "nv12":
        return [luma, chroma]
    pairs = [chroma, luma] if pix_fmt == "uyvy422" else [luma, chroma]
    return [np.stack(pairs, -1).reshape(luma.shape[0], -1)]


def encode_yuv(rgb: NDArray, *, bits: int, full: bool, weights: tuple[float, float]) -> list[NDArray]:
    """Y'CbCr 4:4:4 codes of (h, w, 3) R'G'B' by H.273, written down independently of the reader."""
    kr, kb = weights
    red, green, blue = (rgb[..., i].astype(np.float64) for i in range(3))
    y = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - y) / (2 * (1 - kb)), (red - y) / (2 * (1 - kr))
    top = (1 << bits) - 1
    if full:
        codes = [y * top, cb * top + (1 << (bits - 1)), cr * top + (1 << (bits - 1))]
    else:
        unit = 1 << (bits - 8)
        codes = [y * 219 * unit + 16 * unit, cb * 224 * unit + 128 * unit, cr * 224 * unit + 128 * unit]
    return [np.clip(np.rint(c), 0, top).astype(np.uint8 if bits == 8 else np.uint16) for c in codes]


def grey_frame(code: int, *, size: tuple[int, int] = (64, 48), chroma: int = 128) -> av.VideoFrame:
    """An 8-bit 4:2:0 frame whose left half has luma `code`; the right half stays at 16."""
    width, height = size
    luma = np.full((height, width), 16, np.uint8)
    luma[:, : max(1, width // 2)] = code
    half = np.full((-(-height // 2), -(-width // 2)), chroma, np.uint8)
    return planes_frame([luma, half, half], "yuv420p")


def write_movie(
    path: Path,
    frames: Sequence[av.VideoFrame],
    *,
    codec: str,
    pix_fmt: str,
    fps: Fraction | int = 24,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    tags: dict[str, int] | None = None,
    metadata: dict[str, str] | None = None,
    rotation: int = 0,
    times: Sequence[int] | None = None,
) -> Path:
    """Encode frames; `times` are presentation times in frames (for a variable rate), `tags` H.273 numbers."""
    with av.open(str(path), "w", options=container_options or {}) as out:
        stream = out.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, pix_fmt
        context = stream.codec_context
        for name, value in (tags or {}).items():
            setattr(context, name, value)
        stream.metadata.update(metadata or {})
        if rotation:
            stream.set_display_rotation(rotation)
        for count, frame in enumerate(frames):
            frame.pts = times[count] if times else count
            frame.time_base = 1 / Fraction(fps)
            for name, value in (tags or {}).items():
                setattr(frame, name, value)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path
