"""One picture with painted people in it: which pixels belong to whom, whatever way it was saved.

A label image, an indexed PNG, flat colours, an alpha channel, a soft grey matte, EXR layers, a Cryptomatte: all become
regions, a key (the id, the packed colour or the name that is in the file) and a binary mask at half of the range.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vimatte.engine.errors import ConfigError, MediaError
from vimatte.engine.masks import BoolMask, Rle

__all__ = ["MAX_LABELS", "Painted", "PaintedAs", "is_picture", "read_painted", "read_person"]

PaintedAs = Literal["alpha", "soft", "grey", "palette", "colours", "layers", "cryptomatte"]

MAX_LABELS = 200
"""More regions than this is a photograph, not a label image."""

_SUFFIXES = {".bmp", ".dpx", ".exr", ".gif", ".jpeg", ".jpg", ".png", ".sgi", ".tga", ".tif", ".tiff", ".webp"}
_LOSSY = {".jpeg", ".jpg"}
_PLATE_PARTS = {"", "rgba", "rgb", "beauty", "main", "default"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """What one picture holds."""

    kind: PaintedAs
    """How it was read. Keys are ints for 'grey', 'palette', 'colours', names for 'layers', 'cryptomatte', else 1."""
    regions: Mapping[int | str, Rle]
    """Key in the file -> mask at the picture's display size; empty regions are left out."""
    warnings: tuple[str, ...] = ()
    """One sentence each."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of a file over its display window."""

    name: str
    channels: tuple[str, ...]
    alpha: int
    pixels: NDArray[Any]
    """(h, w, c), the file's own type."""
    metadata: Mapping[str, object]


def is_picture(path: Path) -> bool:
    """Whether the suffix is one of a picture this program reads masks from."""
    return path.suffix.lower() in _SUFFIXES


def read_painted(path: Path, *, size: tuple[int, int]) -> Painted:
    """Read a picture that may hold several people.

    `size` is (width, height) of the shot. Raises MediaError when it cannot be read, ConfigError when it is of another
    size or no mask at all.
    """
    if path.suffix.lower() == ".png":
        indices = _palette_indices(path)
        if indices is not None:
            _check_size(path, indices.shape[1], indices.shape[0], size)
            return _from_palette(indices, path)
    parts = list(_parts(path, size))
    if _is_cryptomatte(parts):
        return _from_cryptomatte(path, size)
    layers = _layers(parts)
    if layers:
        return Painted(kind="layers", regions=_regions(layers))
    part = parts[0]
    if part.alpha >= 0:
        alpha = part.pixels[..., part.alpha]
        if part.pixels.shape[2] == 1 or float(alpha.min()) < _full(alpha):
            return Painted(kind="alpha", regions=_regions({1: _above_half(alpha)}))
    colour = _colour(part)
    if path.suffix.lower() in _LOSSY:
        return Painted(kind="soft", regions=_regions({1: _above_half(colour.max(axis=2))}))
    if (colour == colour[..., :1]).all():
        return _from_grey(colour[..., 0], path)
    return _from_colours(colour, path)


def read_person(path: Path, *, size: tuple[int, int]) -> BoolMask:
    """Read a picture that is one person's mask: alpha where it says something, else what is brighter than half.

    Returns (h, w) bool. Raises MediaError when it cannot be read, ConfigError when it is of another size or holds
    labels of several people.
    """
    parts = list(_parts(path, size))
    part, layers = parts[0], _layers(parts)
    if len(layers) > 1 or _is_cryptomatte(parts):
        what = f"the layers {', '.join(map(str, layers))}" if layers else "a Cryptomatte"
        raise ConfigError(
            f"{path} should be the mask of one person but holds {what}; give such files to --masks by themselves, "
            f"for instance {path.parent / 'layers.####.exr'}."
        )
    if layers and part.alpha < 0:
        return next(iter(layers.values()))
    if part.alpha >= 0:
        alpha = part.pixels[..., part.alpha]
        if part.pixels.shape[2] == 1 or float(alpha.min()) < _full(alpha):
            return _above_half(alpha)
    grey = _colour(part).max(axis=2)
    if path.suffix.lower() not in _LOSSY and np.issubdtype(grey.dtype, np.integer):
        values = np.flatnonzero(np.bincount(grey.reshape(-1)))
        painted = values[values > 0]
        if painted.size == 1:
            return np.asarray(grey > 0)
        if 2 <= painted.size <= 20 and _flat_share(grey) >= 0.5:
            raise ConfigError(
                f"{path} should be the mask of one person but holds {painted.size} labels; give the folder of label "
                f"images itself to --masks, or paint one person white on black."
            )
    return _above_half(grey)


# -- reading -----------------------------------------------------------------------------------------------------------


def _parts(path: Path, size: tuple[int, int]) -> Iterator[_Part]:
    file = oiio.ImageInput.open(str(path))
    if file is None:
        raise MediaError(f"The mask {path} cannot be read: {oiio.geterror() or 'not a picture'}; save it again as PNG.")
    try:
        index = 0
        while file.seek_subimage(index, 0):
            spec = file.spec()
            width, height = spec.full_width or spec.width, spec.full_height or spec.height
            _check_size(path, width, height, size)
            data = file.read_image(index, 0, 0, spec.nchannels, oiio.TypeUnknown)
            if data is None:
                raise MediaError(f"The mask {path} is broken: {file.geterror()}; save it again.")
            yield _Part(
                name=spec.get_string_attribute("oiio:subimagename"),
                channels=tuple(spec.channelnames),
                alpha=int(spec.alpha_channel),
                pixels=_over_display(np.asarray(data), spec),
                metadata={a.name: a.value for a in spec.extra_attribs},
            )
            index += 1
        file.geterror()
    finally:
        file.close()


def _over_display(data: NDArray[Any], spec: Any) -> NDArray[Any]:
    """Lay the data window into the display window; what it does not cover is 0."""
    data = data.reshape(spec.height, spec.width, spec.nchannels)
    width, height = spec.full_width or spec.width, spec.full_height or spec.height
    x, y = spec.x - spec.full_x, spec.y - spec.full_y
    if (x, y, spec.width, spec.height) == (0, 0, width, height):
        return data
    out = np.zeros((height, width, spec.nchannels), data.dtype)
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + spec.width, width), min(y + spec.height, height)
    if x0 < x1 and y0 < y1:
        out[y0:y1, x0:x1] = data[y0 - y : y1 - y, x0 - x : x1 - x]
    return out


def _palette_indices(path: Path) -> NDArray[np.uint8] | None:
    """(h, w) indices of an indexed PNG: OpenImageIO gives its colours only, and the index is the person's id."""
    try:
        with Image.open(path) as image:
            return np.asarray(image) if image.mode == "P" else None
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise MediaError(f"The mask {path} cannot be read: {error}; save it again as PNG.") from error


def _check_size(path: Path, width: int, height: int, size: tuple[int, int]) -> None:
    if (width, height) != size:
        raise ConfigError(
            f"The mask {path} is {width}x{height} but the shot is {size[0]}x{size[1]}; "
            f"save the mask at the shot's size."
        )


# -- deciding ----------------------------------------------------------------------------------------------------------


def _from_palette(indices: NDArray[np.uint8], path: Path) -> Painted:
    values = [int(v) for v in np.unique(indices) if v]
    warnings: tuple[str, ...] = ()
    if 255 in values and len(values) > 1:
        # Index 255 marks 'do not judge' borders in the label images of the segmentation benchmarks.
        values.remove(255)
        warnings = (f"{path.name}: palette index 255 was left out, it marks pixels that belong to nobody.",)
    _check_count(len(values), path)
    return Painted(kind="palette", regions=_regions({v: indices == v for v in values}), warnings=warnings)


def _from_grey(grey: NDArray[Any], path: Path) -> Painted:
    if not np.issubdtype(grey.dtype, np.integer):
        whole = np.isfinite(grey).all() and bool((grey == np.rint(grey)).all())
        if not whole or not 2 <= float(grey.max()) <= 65535 or float(grey.min()) < 0:
            return Painted(kind="soft", regions=_regions({1: _above_half(grey)}))
        grey = grey.astype(np.uint16)
    values = np.flatnonzero(np.bincount(grey.reshape(-1)))
    values = values[values > 0]
    if values.size > 1:
        share = _flat_share(grey)
        if (values.size > 20 and share < 0.9) or share < 0.5:
            top = int(values[-1])
            settled = np.mean((grey <= 0.02 * top) | (grey >= 0.98 * top))
            if settled >= 0.5:
                return Painted(kind="soft", regions=_regions({1: _above_half(grey)}))
            _check_count(MAX_LABELS + 1, path, found=int(values.size))
        _check_count(int(values.size), path)
    return Painted(kind="grey", regions=_regions({int(v): grey == v for v in values}))


def _from_colours(colour: NDArray[Any], path: Path) -> Painted:
    if colour.dtype == np.uint16:
        colour = (colour >> 8).astype(np.uint8)
    elif colour.dtype != np.uint8:
        colour = np.rint(np.clip(np.nan_to_num(colour.astype(np.float32)), 0, 1) * 255).astype(np.uint8)
    packed = colour.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    counts = np.bincount(packed.reshape(-1))
    values = np.flatnonzero(counts)
    values = values[values > 0]
    inside = np.bincount(packed[_flat(packed)], minlength=counts.size)[values]
    flat, blends = values[inside > 0], values[inside == 0]
    lost = int(counts[blends].sum())
    if not flat.size or lost > 0.25 * int(counts[values].sum()):
        _check_count(int(values.size), path)
        return Painted(kind="colours", regions=_regions({int(v): packed == v for v in values}))
    _check_count(int(flat.size), path)
    warnings: tuple[str, ...] = ()
    if blends.size:
        nearest = np.arange(counts.size, dtype=np.int32)
        nearest[blends] = _nearest(blends, np.concatenate(([0], flat)))
        packed = nearest[packed]
        warnings = (f"{path.name}: {lost} pixels of blended edge colours were given to the nearest flat colour.",)
    return Painted(kind="colours", regions=_regions({int(v): packed == v for v in flat}), warnings=warnings)


def _nearest(colours: NDArray[Any], palette: NDArray[Any]) -> NDArray[Any]:
    """For each packed colour the packed colour of the palette that is nearest in RGB; the first of equals."""

    def unpacked(values: NDArray[Any]) -> NDArray[np.int64]:
        return np.stack([values >> 16, values >> 8 & 255, values & 255], axis=-1).astype(np.int64)

    targets = unpacked(palette)
    best = [int(np.square(targets - one).sum(axis=1).argmin()) for one in unpacked(colours)]
    return np.asarray(palette[best])


def _from_cryptomatte(path: Path, size: tuple[int, int]) -> Painted:
    from vimatte.ocio.cryptomatte import read_cryptomatte

    mattes = read_cryptomatte(path)
    _check_count(len(mattes), path)
    masks: dict[int | str, BoolMask] = {}
    for name, coverage in mattes.items():
        _check_size(path, coverage.shape[1], coverage.shape[0], size)
        masks[name] = _above_half(coverage)
    return Painted(kind="cryptomatte", regions=_regions(masks))


def _is_cryptomatte(parts: list[_Part]) -> bool:
    return any(key.startswith("cryptomatte/") for part in parts for key in part.metadata)


def _layers(parts: list[_Part]) -> dict[int | str, BoolMask]:
    """Named alpha layers: `anna.A`, or channel A of a part called anna."""
    found: dict[int | str, BoolMask] = {}
    for part in parts:
        for index, channel in enumerate(part.channels):
            layer, _, last = channel.rpartition(".")
            if last.lower() not in ("a", "alpha"):
                continue
            if not layer and len(parts) > 1 and part.name.lower() not in _PLATE_PARTS:
                layer = part.name
            if layer:
                found[layer] = _above_half(part.pixels[..., index])
    return found


def _colour(part: _Part) -> NDArray[Any]:
    """(h, w, 1 or 3): the first three channels that are not alpha, or the first alone."""
    rest = [i for i in range(part.pixels.shape[2]) if i != part.alpha]
    return part.pixels[..., rest[:3] if len(rest) >= 3 else rest[:1]]


def _full(plane: NDArray[Any]) -> float:
    return float(np.iinfo(plane.dtype).max) if np.issubdtype(plane.dtype, np.integer) else 1.0


def _above_half(plane: NDArray[Any]) -> BoolMask:
    return np.asarray(plane > 0.5 * _full(plane))


def _flat(plane: NDArray[Any]) -> BoolMask:
    """Pixels whose four neighbours inside the picture have the same value."""
    same = np.ones(plane.shape, dtype=bool)
    down, right = plane[1:] == plane[:-1], plane[:, 1:] == plane[:, :-1]
    same[1:] &= down
    same[:-1] &= down
    same[:, 1:] &= right
    same[:, :-1] &= right
    return same


def _flat_share(grey: NDArray[Any]) -> float:
    """How much of what is between 0 and the brightest value lies in flat areas: much in labels, little in edges."""
    between = (grey > 0) & (grey < grey.max())
    total = int(np.count_nonzero(between))
    return int(np.count_nonzero(between & _flat(grey))) / total if total else 0.0


def _check_count(count: int, path: Path, *, found: int | None = None) -> None:
    if count > MAX_LABELS:
        raise ConfigError(
            f"{path} has {found or count} different values, too many to be labels (at most {MAX_LABELS}) and not "
            f"mostly black and white: it is probably a photograph; give one flat value to each person."
        )


def _regions(masks: Mapping[int | str, BoolMask] | Mapping[int, BoolMask]) -> dict[int | str, Rle]:
    return {key: Rle.encode(mask) for key, mask in masks.items() if mask.any()}
