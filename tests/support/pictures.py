"""Writes small pictures with known values and headers for the readers' tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio

Attributes = dict[str, Any]


def write_picture(
    path: Path,
    pixels: np.ndarray,
    *,
    kind: str = "float",
    channels: tuple[str, ...] = ("R", "G", "B"),
    display: tuple[int, int, int, int] | None = None,
    origin: tuple[int, int] = (0, 0),
    tile: int = 0,
    attributes: Attributes | None = None,
) -> Path:
    """Write (h, w, c) values; `display` is x, y, width, height; an attribute is a value or (type name, value)."""
    spec = _spec(pixels, kind, channels, display, origin, tile, attributes)
    out = oiio.ImageOutput.create(str(path))
    assert out is not None, oiio.geterror()
    assert out.open(str(path), spec), out.geterror()
    assert out.write_tiles(*_extent(spec), pixels) if tile else out.write_image(pixels), out.geterror()
    assert out.close(), out.geterror()
    return path


def write_parts(path: Path, parts: list[tuple[str, np.ndarray, tuple[str, ...]]]) -> Path:
    """Write an EXR of several parts: each its name, (h, w, c) values and channel names."""
    specs = []
    for name, pixels, channels in parts:
        spec = _spec(pixels, "half", channels, None, (0, 0), 0, {"oiio:subimagename": name})
        specs.append(spec)
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), tuple(specs)), out.geterror()
    for count, (_, pixels, _) in enumerate(parts):
        if count:
            assert out.open(str(path), specs[count], "AppendSubimage"), out.geterror()
        assert out.write_image(pixels), out.geterror()
    assert out.close(), out.geterror()
    return path


def _extent(spec: Any) -> tuple[int, ...]:
    return spec.x, spec.x + spec.width, spec.y, spec.y + spec.height, 0, 1


def _spec(
    pixels: np.ndarray,
    kind: str,
    channels: tuple[str, ...],
    display: tuple[int, int, int, int] | None,
    origin: tuple[int, int],
    tile: int,
    attributes: Attributes | None,
) -> Any:
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], kind)
    spec.channelnames = channels
    spec.alpha_channel = next((i for i, name in enumerate(channels) if name in ("A", "alpha")), -1)
    spec.x, spec.y = origin
    if display is not None:
        spec.full_x, spec.full_y, spec.full_width, spec.full_height = display
    if tile:
        spec.tile_width = spec.tile_height = tile
    for name, value in (attributes or {}).items():
        if isinstance(value, tuple) and value and isinstance(value[0], str):
            spec.attribute(name, oiio.TypeDesc(value[0]), value[1])
        else:
            spec.attribute(name, value)
    return spec
