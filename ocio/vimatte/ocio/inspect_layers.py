"""What one layers or Cryptomatte file says of itself, and whether all of it can be read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import OpenImageIO as oiio

from vimatte.ocio.errors import MediaError

__all__ = ["LayersFacts", "inspect_layers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayersFacts:
    """A file that is whole."""

    width: int
    height: int
    channels: tuple[str, ...]
    """Channel names, sorted."""
    version: str
    """Version of the program that wrote it; empty when the header does not say."""
    models: str
    """JSON: the models and settings that made it."""
    instances: tuple[tuple[int, str, int | None, int | None], ...]
    """The header's instance table: id, name, first and last frame."""
    bytes: int
    """Size of the file."""
    sha256: str
    """Hash of the file, hexadecimal."""


def inspect_layers(path: Path) -> LayersFacts:
    """Read a whole file, header and every pixel. Raises MediaError with a reason that goes after 'frame 1001: '."""
    if not path.is_file():
        raise MediaError(f"{path.name} is missing")
    image = oiio.ImageInput.open(str(path))
    if image is None:
        raise MediaError(f"{path.name} is broken ({_reason(oiio.geterror())})")
    try:
        spec = image.spec()
        if image.read_image("half") is None:
            raise MediaError(f"{path.name} is broken ({_reason(image.geterror())})")
    finally:
        image.close()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return LayersFacts(
        width=spec.width,
        height=spec.height,
        channels=tuple(sorted(spec.channelnames)),
        version=spec.get_string_attribute("vimatte/version"),
        models=spec.get_string_attribute("vimatte/models"),
        instances=_table(spec, path),
        bytes=path.stat().st_size,
        sha256=digest,
    )


def _table(spec: Any, path: Path) -> tuple[tuple[int, str, int | None, int | None], ...]:
    try:
        rows = json.loads(spec.get_string_attribute("vimatte/instances") or "[]")
        return tuple((row["id"], row["name"], row["first"], row["last"]) for row in rows)
    except (ValueError, KeyError, TypeError) as error:
        raise MediaError(f"{path.name} has no readable table of people in its header ({error})") from error


def _reason(text: str) -> str:
    return " ".join(text.split()).rstrip(".") or "it cannot be read"
