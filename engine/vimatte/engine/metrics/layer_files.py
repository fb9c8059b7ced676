"""The layers that are judged: which files they are, and their alphas frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from vimatte.engine.errors import MediaError
from vimatte.ocio.frame_range import FrameRange
from vimatte.ocio.read_layers import read_layers
from vimatte.ocio.sequence import find_sequence, list_sequences

__all__ = ["LayerFiles"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFiles:
    """One shot's layers files, all with the same people."""

    pattern: Path
    """As it was asked for, with `####` where there is a sequence."""
    files: Mapping[int, Path]
    """Frame -> file."""
    names: tuple[str, ...]
    """Layers, in the files' order."""

    @classmethod
    def open(cls, pattern: Path, *, still: int) -> Self:
        """Find `layers.####.exr`, the sequence one of its files belongs to, or `layers.exr` for all `layers.<n>.exr`.

        A file that belongs to no sequence counts as frame `still`. Raises MediaError when there is none.
        """
        found = find_sequence(pattern)
        if found is None and pattern.is_file():
            return cls(pattern=pattern, files={still: pattern}, names=tuple(read_layers(pattern).alphas))
        if found is None:
            head = f"{pattern.stem}."
            for sequence in list_sequences(pattern.parent, suffixes=frozenset({".exr"})):
                if sequence.pattern.name.startswith(head) and sequence.pattern.name[len(head) :].startswith("#"):
                    found = sequence
        if found is None or not found.files:
            raise MediaError(f"No layers at {pattern}; type for instance {pattern.with_suffix('')}.####.exr.")
        names = tuple(read_layers(found.files[min(found.files)]).alphas)
        return cls(pattern=found.pattern, files=found.files, names=names)

    @property
    def frames(self) -> FrameRange:
        """Frames with a file."""
        return FrameRange.of(self.files)

    @property
    def has_plate(self) -> bool:
        """Whether the first file has the plate's R, G, B beside the people. Raises MediaError."""
        path = self.files[min(self.files)]
        file = oiio.ImageInput.open(str(path))
        if file is None:
            raise MediaError(f"The layers file {path} cannot be read: {oiio.geterror() or 'not found'}.")
        try:
            return {"R", "G", "B"} <= set(file.spec().channelnames)
        finally:
            file.close()

    def alphas(self, frame: int) -> tuple[dict[str, NDArray[np.float32]], tuple[int, int]]:
        """Alphas (h, w) by name and their (width, height). Raises MediaError when the layers are not `names`."""
        alphas = dict(read_layers(self.files[frame]).alphas)
        if set(alphas) != set(self.names):
            raise MediaError(
                f"{self.files[frame]} has the layers {', '.join(alphas)}, the first file {', '.join(self.names)}; "
                f"all must have the same."
            )
        height, width = next(iter(alphas.values())).shape
        return {name: np.nan_to_num(alphas[name]) for name in self.names}, (width, height)
