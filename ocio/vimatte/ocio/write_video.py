"""Preview movies: small H.264 MP4s that play everywhere and say which colours they hold."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.ocio.errors import MediaError
from vimatte.ocio.whole_file import keep, temp_for, write_sentence

__all__ = ["PreviewWriter"]

LONG_SIDE = 1280
"""Longer pictures are made smaller to this many pixels."""

_KR, _KB = 0.2126, 0.0722  # ITU-R BT.709
_BT709, _LIMITED = 1, 1
_THREADS = 2
"""Fixed, because the bytes x264 writes depend on it."""

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


class PreviewWriter:
    """Writes display-referred pictures as H.264, yuv420p, BT.709, limited range.

    A context manager: on leaving, the movie gets its final name; after an error, or when nothing was written, there is
    none. The same pictures give the same bytes.
    """

    def __init__(self, path: Path, *, width: int, height: int, fps: Fraction, pixel_aspect: float = 1.0) -> None:
        """`width` and `height` are those of the pictures to come; the movie's long side is at most 1280."""
        self._path, self._temp = Path(path), temp_for(Path(path))
        self._taken = (height, width)
        scale = min(1.0, LONG_SIDE / max(width, height))
        self._inner = (max(1, round(height * scale)), max(1, round(width * scale)))
        self._fps, self._aspect = fps, pixel_aspect
        self._container: Any = None
        self._stream: Any = None
        self._count = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the movie, even numbers."""
        height, width = self._inner
        return width + width % 2, height + height % 2

    def write(self, picture: Bytes) -> None:
        """Add one picture (h, w, 3), uint8, sRGB or BT.709 display values. Raises MediaError when it cannot be written.

        A picture already as small as the movie is taken as it is; anything else must have the size announced.
        """
        if picture.dtype != np.uint8 or picture.shape not in ((*self._taken, 3), (*self._inner, 3)):
            raise ValueError(f"pictures must be uint8 {(*self._taken, 3)}, found {picture.dtype} {picture.shape}")
        try:
            if self._container is None:
                self._open()
            for packet in self._stream.encode(self._frame(picture)):
                self._container.mux(packet)
        except OSError as error:
            raise MediaError(write_sentence(self._path, what="the preview", error=error)) from error
        self._count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._container is None:
            self._forget()
            return
        try:
            if error is None:
                for packet in self._stream.encode():
                    self._container.mux(packet)
                self._container.close()
                keep(self._temp, self._path)
        except OSError as problem:
            raise MediaError(write_sentence(self._path, what="the preview", error=problem)) from problem
        finally:
            self._forget()

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._temp.open("wb").close()
        self._container = av.open(
            str(self._temp), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}
        )
        try:
            stream: Any = self._container.add_stream("libx264", rate=self._fps)
        except ValueError as problem:
            raise MediaError("This PyAV cannot encode H.264, so there is no preview; leave out --preview.") from problem
        stream.width, stream.height = self.size
        stream.pix_fmt = "yuv420p"
        # x264's macroblock tree gives other bytes from run to run with the same pictures, on one thread too.
        stream.options = {"preset": "veryfast", "crf": "18", "threads": str(_THREADS), "x264-params": "mbtree=0"}
        context = stream.codec_context
        context.sample_aspect_ratio = Fraction(self._aspect).limit_denominator(1000)
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        self._stream = stream

    def _frame(self, picture: Bytes) -> av.VideoFrame:
        height, width = self._inner
        if picture.shape[:2] != self._inner:
            picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame(picture.shape[1], picture.shape[0], "yuv420p")
        for plane, values in zip(frame.planes, _planes(picture), strict=True):
            rows = np.zeros((plane.height, plane.line_size), np.uint8)
            rows[:, : values.shape[1]] = values
            plane.update(rows.tobytes())
        frame.pts, frame.time_base = self._count, 1 / self._fps
        frame.colorspace = frame.color_primaries = frame.color_trc = _BT709
        frame.color_range = _LIMITED
        return frame

    def _forget(self) -> None:
        if self._container is not None:
            with suppress(OSError, ValueError):
                self._container.close()
            self._container = None
        with suppress(OSError):
            self._temp.unlink(missing_ok=True)


def _planes(picture: Bytes) -> tuple[Bytes, Bytes, Bytes]:
    """Give Y (h, w), Cb and Cr (h/2, w/2), limited range; chroma lies left, as H.264 assumes (ITU-R BT.709)."""
    rgb: Floats = (picture / np.float32(255)).astype(np.float32)
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    y: Floats = np.float32(_KR) * r + np.float32(1 - _KR - _KB) * g + np.float32(_KB) * b
    cb: Floats = (b - y) / np.float32(2 * (1 - _KB))
    cr: Floats = (r - y) / np.float32(2 * (1 - _KR))
    return _coded(y, 219, 16), _coded(_halved(cb), 224, 128), _coded(_halved(cr), 224, 128)


def _halved(plane: Floats) -> Floats:
    rows = (plane[0::2] + plane[1::2]) / 2
    before: Floats = np.concatenate([rows[:, :1], rows[:, 1:-1:2]], axis=1)
    return np.asarray((before + 2 * rows[:, 0::2] + rows[:, 1::2]) / 4, dtype=np.float32)


def _coded(plane: Floats, span: int, zero: int) -> Bytes:
    return np.clip(np.rint(plane * span + zero), 0, 255).astype(np.uint8)
