"""A folder of true alphas: `<name>/<frame>.png`, as the synthetic shots and the example have it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from vimatte.engine.errors import MediaError
from vimatte.ocio.frame_range import FrameRange
from vimatte.ocio.sequence import list_sequences

__all__ = ["TruthFolder", "read_alpha"]

_SUFFIXES = frozenset({".exr", ".png", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthFolder:
    """Who is in a shot, and where their true mattes lie."""

    folder: Path
    files: dict[str, dict[int, Path]]
    """Name -> frame -> file, the same frames for everybody."""

    @classmethod
    def open(cls, folder: Path) -> Self:
        """List the folder. Raises MediaError when it holds nobody, or not the same frames for everybody."""
        folder = Path(folder)
        if not folder.is_dir():
            raise MediaError(f"No truth at {folder}: it must be a folder of <name>/<frame>.png.")
        files: dict[str, dict[int, Path]] = {}
        for person in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
            found = list_sequences(person, suffixes=_SUFFIXES)
            if len(found) > 1:
                raise MediaError(f"The truth {person} holds several sequences ({found[0].pattern.name} …); keep one.")
            if found:
                files[person.name] = dict(found[0].files)
        if not files:
            raise MediaError(f"The truth {folder} holds nobody: it must hold <name>/<frame>.png.")
        everything = FrameRange.of(n for by_frame in files.values() for n in by_frame)
        for name, by_frame in files.items():
            lacking = everything.missing_from(FrameRange.of(by_frame))
            if lacking:
                raise MediaError(
                    f"The truth {folder / name} lacks frames {lacking}; a person off screen is a black one."
                )
        return cls(folder=folder, files=files)

    @property
    def names(self) -> tuple[str, ...]:
        """Everybody, by name."""
        return tuple(self.files)

    @property
    def frames(self) -> FrameRange:
        """Frames with truth."""
        return FrameRange.of(next(iter(self.files.values())))

    def alpha(self, name: str, frame: int, *, size: tuple[int, int]) -> NDArray[np.float32]:
        """(h, w) float32 in [0, 1]: the alpha channel where there is one, else the first.

        `size` is the (width, height) asked for. Raises MediaError when unreadable or of another size.
        """
        return read_alpha(self.files[name][frame], size=size)


def read_alpha(path: Path, *, size: tuple[int, int]) -> NDArray[np.float32]:
    """(h, w) float32 in [0, 1] of one file: the alpha channel where there is one, else the first.

    `size` is the (width, height) asked for. Raises MediaError when unreadable or of another size.
    """
    file = oiio.ImageInput.open(str(path))
    if file is None:
        raise MediaError(f"The truth {path} cannot be read: {oiio.geterror()}.")
    try:
        spec = file.spec()
        channel = max(0, int(spec.alpha_channel))
        pixels = file.read_image(0, 0, channel, channel + 1, "float")
        if pixels is None:
            raise MediaError(f"The truth {path} is broken: {file.geterror()}.")
    finally:
        file.close()
    if (spec.width, spec.height) != size:
        raise MediaError(
            f"The truth {path} is {spec.width}x{spec.height}, what it judges is {size[0]}x{size[1]}; use one size."
        )
    return np.asarray(pixels, np.float32).reshape(spec.height, spec.width)
