"""One clip or picture of a benchmark: its plates, its true alphas and the masks that come with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.clip_shot import open_shot
from vimatte.engine.errors import MediaError
from vimatte.engine.masks import Rle
from vimatte.engine.metrics.truth_files import read_alpha
from vimatte.engine.shot import Shot
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import Instance, TrackSet
from vimatte.ocio.frame_range import FrameRange

__all__ = ["PICTURES", "Planes", "Scene", "folders_in", "pictures_in"]

Planes: TypeAlias = Mapping[int, Mapping[str, Path]]
"""Frame -> person -> file; who is not on a frame has none."""

PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"})
"""What plates, alphas and masks of benchmarks are stored as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a model is given, and what it should find."""

    name: str
    plate: Path
    """A folder of frames, or one picture."""
    truth: Planes
    masks: Planes | None
    """Masks that the benchmark comes with; None for masks of the truth above one half."""
    paired: bool = True
    """Whether masks are called like the people they are of; if not, they are whoever a tracker found."""

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody who is on any frame, sorted."""
        return tuple(sorted({name for planes in self.truth.values() for name in planes}))

    @property
    def guided(self) -> tuple[str, ...]:
        """Whom the model is asked to matte: `people`, or whoever has masks where those are not paired; sorted."""
        if self.masks is None or self.paired:
            return self.people
        return tuple(sorted({name for planes in self.masks.values() for name in planes}))

    @contextmanager
    def shot(self) -> Iterator[Shot]:
        """Open the plates. Raises MediaError."""
        if self.plate.is_dir():
            with open_shot(self.plate, frames=FrameRange.of(self.truth)) as opened:
                yield opened
        else:
            # By itself: a picture whose name is a number may lie beside others that belong to no sequence.
            with open_shot(self.plate) as opened:
                number = _number_of(self.plate, opened)
                yield MemoryShot([opened.picture(number)], first=next(iter(self.truth)))

    def alphas(self, frame: int, *, size: tuple[int, int]) -> NDArray[np.float32]:
        """(n, h, w) true alphas in the order of `people`, zeros for who is absent. Raises MediaError."""
        files = self.truth[frame]
        empty = np.zeros((size[1], size[0]), np.float32)
        return np.stack([read_alpha(files[name], size=size) if name in files else empty for name in self.people])

    def tracks(self, *, size: tuple[int, int]) -> TrackSet:
        """Give everybody's masks as tracks, ids from 1 in the order of `guided`. Raises MediaError."""
        files = self.truth if self.masks is None else self.masks
        ids = {name: i for i, name in enumerate(self.guided, start=1)}
        masks: dict[int, dict[int, Rle]] = {i: {} for i in ids.values()}
        for frame in sorted(self.truth):
            for name, path in files.get(frame, {}).items():
                if name in ids:
                    masks[ids[name]][frame] = Rle.encode(read_alpha(path, size=size) > 0.5)
        return TrackSet(
            width=size[0],
            height=size[1],
            frames=tuple(sorted(self.truth)),
            instances=tuple(Instance(id=i, name=f"person_{i:02d}") for i in masks),
            masks=masks,
        )


def folders_in(folder: Path) -> list[Path]:
    """Folders in a folder, sorted by name. Raises MediaError when there is no such folder."""
    if not folder.is_dir():
        raise MediaError(f"The benchmark lacks the folder {folder}; see docs/metrics.md for how each is laid out.")
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def pictures_in(folder: Path) -> list[Path]:
    """Picture files in a folder, sorted by name; none when there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith("."))


def _number_of(path: Path, opened: Shot) -> int:
    """Frame number of a picture: by its own digits where it was taken for part of a sequence."""
    numbers = opened.frames.numbers
    if len(numbers) == 1:
        return numbers[0]
    digits = path.stem[len(path.stem.rstrip("0123456789")) :]
    return int(digits)
