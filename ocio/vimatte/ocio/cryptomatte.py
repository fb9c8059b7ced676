"""Cryptomatte 1.2: many soft mattes in a few channels, with ids that every compositing host can pick.

Source: J. Friedman, A. C. Jones, "Fully Automatic ID Mattes with Support for Motion Blur and Transparency" (2015), and
the Cryptomatte specification 1.2 of Psyop. Each pixel holds up to `depth` pairs of (id, coverage), largest coverage
first; an id is a 32-bit float whose bits are the MurmurHash3 of a name.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from vimatte.ocio.errors import ConfigError, MediaError
from vimatte.ocio.exr_header import HeaderValues, apply_header
from vimatte.ocio.timecode import Timecode
from vimatte.ocio.whole_file import write_whole

__all__ = [
    "CryptomatteLayer",
    "cryptomatte_channels",
    "cryptomatte_hash",
    "cryptomatte_layers",
    "read_cryptomatte",
    "write_cryptomatte",
]

Floats = NDArray[np.float32]

LOSSLESS = ("zip", "zips", "piz", "rle", "none")
"""Compressions that keep the bits of ids."""

logger = logging.getLogger(__name__)

_MASK32 = 0xFFFFFFFF
_KEY = re.compile(r"cryptomatte/(?P<key>[^/]+)/(?P<field>[^/]+)\Z")
_CHANNEL = {"r": 0, "red": 0, "g": 1, "green": 1, "b": 2, "blue": 2, "a": 3, "alpha": 3}
_UNNAMED = "id_"


@dataclass(frozen=True, slots=True, kw_only=True)
class CryptomatteLayer:
    """One Cryptomatte of a file, as its header describes it."""

    name: str
    """Layer name; its channels are `name00.R`, `name00.G`, … `name01.R`, …"""
    manifest: Mapping[str, int]
    """Name of each thing -> its 32-bit id; may name things that are not in the picture, and may be empty."""
    channels: tuple[tuple[int, int], ...]
    """(part, channel index) in the file, in the order id, coverage, id, coverage, …"""


# -- ids ---------------------------------------------------------------------------------------------------------------


def cryptomatte_hash(name: str) -> int:
    """Give the 32-bit id of a name: MurmurHash3, one bit flipped where the float would be NaN, infinite or denormal."""
    bits = _murmur3(name.encode("utf-8"))
    return bits ^ (1 << 23) if bits >> 23 & 255 in (0, 255) else bits


def _murmur3(data: bytes) -> int:
    """MurmurHash3_x86_32 with seed 0 (A. Appleby, public domain)."""
    h = 0
    for start in range(0, len(data), 4):
        block = data[start : start + 4]
        k = int.from_bytes(block, "little") * 0xCC9E2D51 & _MASK32
        h ^= _rotated(k, 15) * 0x1B873593 & _MASK32
        if len(block) == 4:
            h = (_rotated(h, 13) * 5 + 0xE6546B64) & _MASK32
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B & _MASK32
    h = (h ^ h >> 13) * 0xC2B2AE35 & _MASK32
    return h ^ h >> 16


def _rotated(bits: int, by: int) -> int:
    return (bits << by | bits >> 32 - by) & _MASK32


def cryptomatte_channels(layer_name: str = "vimatte", *, depth: int = 6) -> tuple[str, ...]:
    """Give the channel names of a file that `write_cryptomatte` makes, in its order."""
    return tuple(f"{layer_name}{rank:02d}.{c}" for rank in range((depth + 1) // 2) for c in "RGBA")


# -- writing -----------------------------------------------------------------------------------------------------------


def write_cryptomatte(
    path: Path,
    *,
    mattes: Mapping[str, Floats],
    layer_name: str = "vimatte",
    depth: int = 6,
    compression: str = "zip",
    header: HeaderValues | None = None,
    timecode: Timecode | None = None,
    metadata: Mapping[str, object] | None = None,
    what: str | None = None,
) -> None:
    """Write one frame's mattes {name: (h, w) float32 in [0, 1]} as a single-part, 32-bit float Cryptomatte EXR.

    Coverage is stored exactly as given, also where mattes overlap; where more than `depth` people share a pixel the
    largest are kept (of equals the earlier). The channels depend on `depth` only, so they are the same on every frame;
    the manifest names everybody given, the absent ones too. Raises ConfigError for a lossy `compression` or a bad
    `depth`, MediaError when the file cannot be written.
    """
    if compression not in LOSSLESS:
        raise ConfigError(
            f"'{compression}' cannot be used for a Cryptomatte, it would break the ids; "
            f"type one of {', '.join(LOSSLESS)}."
        )
    if not mattes:
        raise ConfigError("There is nobody to write as a Cryptomatte; leave out --cryptomatte.")
    if not 1 <= depth <= 32:
        raise ConfigError(f"The depth of a Cryptomatte is 1 to 32, found {depth}; 6 is usual.")
    ids = {name: cryptomatte_hash(name) for name in mattes}
    if len(set(ids.values())) < len(ids):
        clash = sorted(n for n in ids if list(ids.values()).count(ids[n]) > 1)
        raise ConfigError(f"The names {' and '.join(clash)} have the same Cryptomatte id; rename one of them.")
    pixels = _ranked(mattes, ids, depth)
    h, w, n = pixels.shape
    spec = oiio.ImageSpec(w, h, n, "float")
    spec.channelnames = cryptomatte_channels(layer_name, depth=depth)
    spec.attribute("compression", compression)
    apply_header(spec, header or HeaderValues(), timecode=timecode, metadata=metadata)
    key = f"cryptomatte/{_murmur3(layer_name.encode('utf-8')):08x}"[: len("cryptomatte/") + 7]
    spec.attribute(f"{key}/name", layer_name)
    spec.attribute(f"{key}/hash", "MurmurHash3_32")
    spec.attribute(f"{key}/conversion", "uint32_to_float32")
    manifest = {name: f"{bits:08x}" for name, bits in ids.items()}
    spec.attribute(f"{key}/manifest", json.dumps(manifest, separators=(",", ":"), ensure_ascii=False))
    write_whole(path, spec, pixels, what=what or f"Cryptomatte {path.name}")


def _ranked(mattes: Mapping[str, Floats], ids: Mapping[str, int], depth: int) -> Floats:
    """Give (h, w, 4 * ceil(depth / 2)): id, coverage, id, coverage… by falling coverage, zeros after the last."""
    stacked = np.stack([np.asarray(m, dtype=np.float32) for m in mattes.values()])
    height, width = stacked.shape[1:]
    somebody = np.flatnonzero((stacked > 0).any(axis=0))
    coverage = np.clip(np.nan_to_num(stacked.reshape(len(stacked), -1)[:, somebody], nan=0.0), 0.0, 1.0)
    bits = np.array([ids[name] for name in mattes], dtype=np.uint32)
    order = np.argsort(-coverage, axis=0, kind="stable")[:depth]
    ranked = np.take_along_axis(coverage, order, axis=0)
    out = np.zeros((height * width, 4 * ((depth + 1) // 2)), dtype=np.float32)
    for rank in range(len(order)):
        out[somebody, 2 * rank] = np.where(ranked[rank] > 0, bits[order[rank]], np.uint32(0)).view(np.float32)
        out[somebody, 2 * rank + 1] = ranked[rank]
    return out.reshape(height, width, -1)


# -- reading -----------------------------------------------------------------------------------------------------------


def cryptomatte_layers(path: Path) -> tuple[CryptomatteLayer, ...]:
    """List the Cryptomattes of a file, in order of name; empty for a file without any. Raises MediaError.

    A manifest that lies in a file of its own beside the picture (`manif_file`) is read too.
    """
    source, layers = _open(path)
    source.close()
    return layers


def read_cryptomatte(path: Path, *, layer: str | None = None) -> dict[str, Floats]:
    """Read the mattes of a Cryptomatte: {name: (h, w) float32 coverage over the display window}, in manifest order.

    Things of the manifest that are not in the picture are zeros. Ids that no manifest names come last, as `id_` and
    eight hex digits. `layer` chooses where a file holds several; without it the first is taken. Raises MediaError when
    the file holds no Cryptomatte or is broken, ConfigError for an unknown `layer`.
    """
    source, layers = _open(path)
    try:
        if not layers:
            raise MediaError(f"{path} holds no Cryptomatte; give an EXR with 'cryptomatte/' in its header.")
        chosen = next((one for one in layers if one.name == layer), None) if layer is not None else layers[0]
        if chosen is None:
            known = ", ".join(one.name for one in layers)
            raise ConfigError(f"{path} holds no Cryptomatte '{layer}'; it holds {known}.")
        if layer is None and len(layers) > 1:
            logger.warning(
                "%s holds %d Cryptomattes; '%s' is read, the others are %s",
                path, len(layers), chosen.name, ", ".join(one.name for one in layers[1:]),
            )  # fmt: skip
        pixels = _pixels(path, source, chosen)
    finally:
        source.close()
    return _decoded(pixels, chosen.manifest)


def _open(path: Path) -> tuple[Any, tuple[CryptomatteLayer, ...]]:
    if not path.is_file():
        raise MediaError(f"There is no file {path}; check the path of the Cryptomatte.")
    source = oiio.ImageInput.open(str(path))
    if source is None:
        raise MediaError(f"{path} cannot be read as a picture: {_reason(oiio.geterror())}.")
    fields: dict[str, dict[str, str]] = {}
    channels: list[tuple[int, int, str, str]] = []
    part = 0
    while source.seek_subimage(part, 0):
        spec = source.spec()
        for attribute in spec.extra_attribs:
            match = _KEY.match(attribute.name)
            if match:
                fields.setdefault(match["key"], {}).setdefault(match["field"], str(attribute.value))
        name = spec.get_string_attribute("name") or spec.get_string_attribute("oiio:subimagename")
        for index, channel in enumerate(spec.channelnames):
            full = channel if "." in channel or not name else f"{name}.{channel}"
            channels.append((part, index, full, str(spec.channelformat(index))))
        part += 1
    source.geterror()
    layers = [_layer(path, one, channels) for one in fields.values() if "name" in one]
    return source, tuple(sorted(layers, key=lambda layer: layer.name))


def _layer(path: Path, fields: Mapping[str, str], channels: Sequence[tuple[int, int, str, str]]) -> CryptomatteLayer:
    name = fields["name"]
    pattern = re.compile(rf"(?:.*\.)?{re.escape(name)}(?P<rank>\d+)\.(?P<part>[A-Za-z]+)\Z")
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for part, index, full, kind in channels:
        match = pattern.match(full)
        if match and match["part"].lower() in _CHANNEL:
            if kind != "float":
                raise MediaError(
                    f"The ids of Cryptomatte '{name}' in {path} are stored as {kind}, which breaks them; "
                    f"write it again with 32-bit float channels."
                )
            found.setdefault((int(match["rank"]), _CHANNEL[match["part"].lower()]), (part, index))
    return CryptomatteLayer(
        name=name, manifest=_manifest(path, fields), channels=tuple(found[key] for key in sorted(found))
    )


def _manifest(path: Path, fields: Mapping[str, str]) -> dict[str, int]:
    text = fields.get("manifest", "")
    if not text and "manif_file" in fields:
        beside = (path.parent / fields["manif_file"].replace("\\", "/")).resolve()
        if not beside.is_relative_to(path.parent.resolve()) or not beside.is_file():
            logger.warning("the manifest %s of %s is missing: its ids have no names", fields["manif_file"], path)
            return {}
        text = beside.read_text(encoding="utf-8", errors="replace")
    try:
        return {str(name): int(bits, 16) for name, bits in json.loads(text or "{}").items()}
    except (ValueError, TypeError, AttributeError) as error:
        logger.warning("the manifest in %s is broken (%s): its ids have no names", path, error)
        return {}


def _pixels(path: Path, source: Any, layer: CryptomatteLayer) -> Floats:
    """Read (h, w, k) over the display window, zeros where the data window does not reach."""
    if not layer.channels or len(layer.channels) % 2:
        raise MediaError(f"Cryptomatte '{layer.name}' of {path} has {len(layer.channels)} channels; some are missing.")
    planes: dict[tuple[int, int], Floats] = {}
    for part in sorted({p for p, _ in layer.channels}):
        source.seek_subimage(part, 0)
        spec = source.spec()
        indices = [i for p, i in layer.channels if p == part]
        read = source.read_image(part, 0, min(indices), max(indices) + 1, "float")
        if read is None:
            raise MediaError(f"{path} is broken: {_reason(source.geterror())}; render or copy it again.")
        for index in indices:
            planes[part, index] = _over_display(read[..., index - min(indices)], spec)
    return np.stack([planes[key] for key in layer.channels], axis=-1)


def _over_display(plane: Floats, spec: Any) -> Floats:
    left, top = spec.x - spec.full_x, spec.y - spec.full_y
    if (left, top, spec.width, spec.height) == (0, 0, spec.full_width, spec.full_height):
        return plane
    out = np.zeros((spec.full_height, spec.full_width), dtype=np.float32)
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + spec.width, spec.full_width), min(top + spec.height, spec.full_height)
    if x1 > x0 and y1 > y0:
        out[y0:y1, x0:x1] = plane[y0 - top : y1 - top, x0 - left : x1 - left]
    return out


def _decoded(pixels: Floats, manifest: Mapping[str, int]) -> dict[str, Floats]:
    bits = np.ascontiguousarray(pixels[..., 0::2]).view(np.uint32)
    coverage = pixels[..., 1::2]
    by_bits: dict[int, str] = {}
    for name, value in manifest.items():
        by_bits.setdefault(value, name)
    present = [int(b) for b in np.unique(bits[coverage > 0]) if b]
    out: dict[str, Floats] = {name: np.zeros(bits.shape[:2], dtype=np.float32) for name in manifest}
    for value in present:
        name = by_bits.get(value, f"{_UNNAMED}{value:08x}")
        out[name] = np.where(bits == value, coverage, np.float32(0)).sum(axis=-1, dtype=np.float32)
    return out


def _reason(text: str) -> str:
    return " ".join(text.split()).rstrip(".") or "no reason given"
