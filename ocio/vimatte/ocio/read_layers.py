"""Reading a layers file back: the mattes by name, and who they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from vimatte.ocio.errors import MediaError

__all__ = ["LayersFile", "read_layers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayersFile:
    """The mattes of one frame as they stand on disk."""

    alphas: Mapping[str, NDArray[np.float32]]
    """Layer name -> (h, w), float32, in the file's order."""
    ids: Mapping[str, int] = field(default_factory=dict)
    """Layer name -> instance id, from the header's instance table."""


def read_layers(path: Path) -> LayersFile:
    """Read the `name.A` channels of a layers file. Raises MediaError when it is missing, broken or holds none."""
    image = oiio.ImageInput.open(str(path))
    if image is None:
        raise MediaError(f"The layers file {path} cannot be read: {oiio.geterror() or 'not found'}.")
    try:
        spec = image.spec()
        wanted = [(i, n[:-2]) for i, n in enumerate(spec.channelnames) if n.endswith(".A")]
        if not wanted:
            raise MediaError(f"{path} has no person layers (channels name.A); found {', '.join(spec.channelnames)}.")
        low, high = wanted[0][0], wanted[-1][0] + 1
        pixels = image.read_image(0, 0, low, high, "float")
        if pixels is None:
            raise MediaError(f"The layers file {path} is broken: {image.geterror()}; write it again with --resume.")
        table = spec.getattribute("vimatte/instances")
    finally:
        image.close()
    rows = json.loads(table) if isinstance(table, str) else []
    return LayersFile(
        alphas={name: np.ascontiguousarray(pixels[..., i - low]) for i, name in wanted},
        ids={str(row["name"]): int(row["id"]) for row in rows},
    )
