"""Decoded video planes to R'G'B' float: matrix, range and chroma siting by the book, nothing clamped.

Rec. ITU-T H.273 (07/2021): 8.3 equations 20-34 for code values, table 4 for KR and KB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.ocio.errors import MediaError

__all__ = [
    "Siting",
    "YuvCoding",
    "frame_to_rgb",
    "has_alpha",
    "is_decodable_matrix",
    "is_yuv",
    "luma_weights",
    "planes_to_rgb",
]

Siting = Literal["left", "centre"]
"""Where a chroma sample lies between luma columns; between rows it always lies in the middle (H.273 types 0 and 1)."""

Plane = NDArray[Any]
Pixels = NDArray[np.float32]

_WEIGHTS: dict[int, tuple[float, float]] = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
_YCGCO = 8
_STRIP = 32
"""Luma rows converted at a time: a strip of a 4K frame and its three float planes stay in the processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YuvCoding:
    """How codes become Y'CbCr and then R'G'B'."""

    matrix: int
    """H.273 matrix_coefficients."""
    full_range: bool
    """Whether codes span everything, or the 16..235 / 16..240 of studio range (scaled to the bit depth)."""
    siting: Siting = "left"
    """Where subsampled chroma lies horizontally."""


def luma_weights(matrix: int) -> tuple[float, float]:
    """KR and KB of an H.273 matrix. Raises MediaError for a matrix that is not a plain luma-chroma one."""
    try:
        return _WEIGHTS[matrix]
    except KeyError:
        known = ", ".join(map(str, [*_WEIGHTS, _YCGCO]))
        raise MediaError(
            f"The stream uses matrix coefficients {matrix}, which cannot be decoded; known: {known}."
        ) from None


def is_decodable_matrix(matrix: int) -> bool:
    """Whether H.273 matrix_coefficients are known here."""
    return matrix in _WEIGHTS or matrix == _YCGCO


def is_yuv(pix_fmt: str) -> bool:
    """Whether a pixel format's planes are luma and chroma."""
    return (
        not av.VideoFormat(pix_fmt).is_rgb and not _grey(pix_fmt) and not pix_fmt.startswith(("pal8", "mono", "bayer"))
    )


def has_alpha(pix_fmt: str) -> bool:
    """Whether a pixel format carries alpha."""
    return pix_fmt in ("pal8", "ya8") or any(part.is_alpha for part in av.VideoFormat(pix_fmt).components)


def frame_to_rgb(frame: av.VideoFrame, *, coding: YuvCoding) -> tuple[Pixels, Pixels | None]:
    """Turn one decoded frame into (h, w, 3) float32 R'G'B' and, where it has one, (h, w) alpha.

    Values are the transfer-encoded ones, unclamped: studio-range codes outside 16..235 land outside 0..1. Alpha is full
    range. `coding` is not looked at for RGB formats. Raises MediaError for a pixel format that cannot be taken apart.
    """
    name = frame.format.name
    if name == "pal8" or name.startswith("mono") or (frame.format.is_rgb and not frame.format.is_planar):
        return _packed_rgb(frame)
    if not _plain_planes(frame):
        frame = _replanned(frame)
        name = frame.format.name
    scale = _peak(frame)
    planes = _planes(frame)
    if name.startswith("gbr"):
        green, blue, red = (_unit(plane, scale) for plane in planes[:3])
        return _stacked(red, green, blue), _unit(planes[3], scale) if len(planes) > 3 else None
    if _grey(name):
        grey = _unit(planes[0], scale)
        alpha = _unit(planes[1], scale) if len(planes) > 1 else None
        if not coding.full_range and name.startswith("gray") and "f" not in name[4:]:
            bits = frame.format.components[0].bits
            grey = (planes[0].astype(np.float32) - np.float32(16 << (bits - 8))) / np.float32(219 << (bits - 8))
        return _stacked(grey, grey, grey), alpha
    bits = frame.format.components[0].bits
    rgb = planes_to_rgb(planes[0], planes[1], planes[2], bits=bits, coding=coding)
    return rgb, _unit(planes[3], scale) if len(planes) > 3 else None


def planes_to_rgb(luma: Plane, cb: Plane, cr: Plane, *, bits: int, coding: YuvCoding) -> Pixels:
    """Convert one luma plane (h, w) and two chroma planes, each subsampled by 1, 2 or 4 either way, to (h, w, 3).

    Chroma is interpolated linearly: across columns from where `coding.siting` puts the samples, across rows from the
    middle between two rows of 4:2:0.
    """
    height, width = luma.shape
    step = _factor(height, cb.shape[0])
    matrix = _code_matrix(bits, coding)
    middle = np.float32(1 << (bits - 1))
    black = np.float32(0 if coding.full_range else 16 << (bits - 8))
    out = np.empty((height, width, 3), np.float32)
    for top in range(0, height, _STRIP):
        rows = min(_STRIP, height - top)
        y = luma[top : top + rows].astype(np.float32)
        if black:
            y -= black
        u, v = (_chroma(c, top, rows, width, step, middle, coding.siting) for c in (cb, cr))
        cv2.transform(cv2.merge([y, u, v]), matrix, dst=out[top : top + rows])
    return out


def _code_matrix(bits: int, coding: YuvCoding) -> NDArray[np.float64]:
    """R'G'B' from code values whose offsets have been taken off, as a 3 x 3 matrix."""
    if coding.full_range:
        luma = chroma = 1.0 / ((1 << bits) - 1)
    else:
        luma, chroma = 1.0 / (219 << (bits - 8)), 1.0 / (224 << (bits - 8))
    if coding.matrix == _YCGCO:
        rgb = np.array([[1.0, -1.0, 1.0], [1.0, 1.0, 0.0], [1.0, -1.0, -1.0]])
    else:
        kr, kb = luma_weights(coding.matrix)
        kg = 1.0 - kr - kb
        red, blue = 2 * (1 - kr), 2 * (1 - kb)
        rgb = np.array([[1.0, 0.0, red], [1.0, -kb * blue / kg, -kr * red / kg], [1.0, blue, 0.0]])
    return np.asarray(rgb * np.array([luma, chroma, chroma]), np.float64)


def _chroma(plane: Plane, top: int, rows: int, width: int, step: int, middle: np.float32, siting: Siting) -> Pixels:
    """One strip of a chroma plane at luma size."""
    if step == 1:
        c = plane[top : top + rows].astype(np.float32)
        c -= middle
    else:
        # Sample k of the plane lies at luma row k * step + (step - 1) / 2.
        low = max(0, (top - step) // step)
        high = min(plane.shape[0], (top + rows) // step + 2)
        part = plane[low:high].astype(np.float32)
        part -= middle
        position = (np.arange(top, top + rows) - (step - 1) / 2) / step - low
        c = _rows_at(part, position)
    across = _factor(width, plane.shape[1])
    return c if across == 1 else _columns(c, width, across, siting)


def _rows_at(part: Pixels, position: NDArray[np.float64]) -> Pixels:
    last = part.shape[0] - 1
    position = np.clip(position, 0, last)
    lower = np.floor(position).astype(np.intp)
    share = (position - lower).astype(np.float32)[:, None]
    upper = np.minimum(lower + 1, last)
    c: Pixels = part[upper]
    below = part[lower]
    c -= below
    c *= share
    c += below
    return c


def _columns(c: Pixels, width: int, step: int, siting: Siting) -> Pixels:
    out = np.empty((c.shape[0], c.shape[1] * step), np.float32)
    right = np.concatenate([c[:, 1:], c[:, -1:]], axis=1)
    if siting == "left":
        out[:, 0::step] = c
        for k in range(1, step):
            out[:, k::step] = c + (right - c) * np.float32(k / step)
    else:
        left = np.concatenate([c[:, :1], c[:, :-1]], axis=1)
        for k in range(step):
            offset = (k - (step - 1) / 2) / step
            out[:, k::step] = c + ((right - c) if offset > 0 else (c - left)) * np.float32(offset)
    return out[:, :width]


def _factor(full: int, part: int) -> int:
    """How much a plane is subsampled: the power of two whose rounded-up quotient gives its size."""
    for step in (1, 2, 4):
        if -(-full // step) == part:
            return step
    raise MediaError(f"A chroma plane of {part} samples does not fit {full} samples of luma.")


def _grey(name: str) -> bool:
    return name.startswith(("gray", "ya8", "ya16", "yaf"))


def _plain_planes(frame: av.VideoFrame) -> bool:
    parts = frame.format.components
    return len(frame.planes) == len(parts) and len({part.plane for part in parts}) == len(parts)


def _replanned(frame: av.VideoFrame) -> av.VideoFrame:
    """Unpack nv12, yuyv422, p010 and the like into planes of the same subsampling; no matrix is involved."""
    parts = frame.format.components
    bits = max(part.bits for part in parts)
    alpha = any(part.is_alpha for part in parts)
    if _grey(frame.format.name):
        return _reformatted(frame, "gray" if bits <= 8 else "gray16le") if not alpha else _ya(frame)
    chroma = next(part for part in parts if part.is_chroma)
    tall = _factor(frame.height, chroma.height) == 2
    wide = _factor(frame.width, chroma.width)
    layout = {(1, False): "444", (2, False): "422", (2, True): "420", (4, False): "411"}[wide, tall]
    depth = "" if bits <= 8 else f"{bits}le"
    return _reformatted(frame, f"yuv{'a' if alpha else ''}{layout}p{depth}")


def _ya(frame: av.VideoFrame) -> av.VideoFrame:
    return _reformatted(frame, "yuva444p" if max(p.bits for p in frame.format.components) <= 8 else "yuva444p16le")


def _reformatted(frame: av.VideoFrame, name: str) -> av.VideoFrame:
    try:
        return frame.reformat(format=name)
    except (ValueError, av.FFmpegError) as error:
        raise MediaError(f"Pictures of pixel format {frame.format.name} cannot be read.") from error


def _packed_rgb(frame: av.VideoFrame) -> tuple[Pixels, Pixels | None]:
    name = frame.format.name
    alpha = has_alpha(name)
    bits = max(part.bits for part in frame.format.components)
    if bits <= 8:
        wanted, scale = ("rgba" if alpha else "rgb24"), np.float32(255)
    else:
        wanted, scale = ("rgba64le" if alpha else "rgb48le"), np.float32(65535)
    pixels = (frame if name == wanted else _reformatted(frame, wanted)).to_ndarray()
    rgb = np.ascontiguousarray(pixels[..., :3]).astype(np.float32)
    rgb /= scale
    return rgb, pixels[..., 3].astype(np.float32) / scale if alpha else None


def _peak(frame: av.VideoFrame) -> float:
    """The code that stands for 1; 1 itself for float formats."""
    name = frame.format.name
    return 1.0 if "f32" in name or "f16" in name else float((1 << frame.format.components[0].bits) - 1)


def _planes(frame: av.VideoFrame) -> list[Plane]:
    """Each component's plane, (h, w) of its own size, as views of the decoder's memory."""
    name = frame.format.name
    bits = frame.format.components[0].bits
    kind = "f4" if "f32" in name else "f2" if "f16" in name else "u1" if bits <= 8 else "u2"
    dtype = np.dtype((">" if name.endswith("be") else "<") + kind)
    out: list[Plane] = []
    for part in sorted(frame.format.components, key=lambda part: part.plane):
        plane = frame.planes[part.plane]
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: part.height]
        out.append(lines.view(dtype)[:, : part.width] if kind != "u1" else lines[:, : part.width])
    return out


def _stacked(red: Pixels, green: Pixels, blue: Pixels) -> Pixels:
    return np.asarray(cv2.merge([red, green, blue]), np.float32)


def _unit(plane: Plane, peak: float) -> Pixels:
    out = plane.astype(np.float32)
    if peak != 1.0:
        out /= np.float32(peak)
    return out
