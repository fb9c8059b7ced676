"""Where training pictures come from: folders of people with alpha, and folders without people.

Pictures directly in the folder given are stills, and so are those in folders called `singles` or `stills`; every other
folder below that holds pictures is a clip, its frames in the order of their names; a movie is a clip. Folders called
`val` or `test` are passed over unless given themselves.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vimatte.engine.clip_shot import open_shot
from vimatte.engine.errors import MediaError
from vimatte.engine.training.data.planes import alpha_of, weighed
from vimatte.ocio.frame import Frame
from vimatte.ocio.readers import MOVIE_SUFFIXES, open_clip

__all__ = ["Footage", "Source", "pick_frames"]

Floats = NDArray[np.float32]

_PICTURES = frozenset({".png", ".webp", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
_SCENE = frozenset({".exr", ".hdr", ".dpx"})
"""Read with their colour managed; for backgrounds only."""
_KEPT_BACK = frozenset({"val", "test"})
_STILLS = frozenset({"singles", "stills"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A clip or a still; nothing of it is in memory."""

    name: str
    """The place below the folder given, without an extension: what samples say they were made of."""
    files: tuple[Path, ...]
    """The frames in order, or one movie."""

    @property
    def is_movie(self) -> bool:
        """Whether the one file is a movie."""
        return self.files[0].suffix.lower() in MOVIE_SUFFIXES

    @property
    def is_still(self) -> bool:
        """Whether there is one picture only."""
        return len(self.files) == 1 and not self.is_movie

    def read(self, rng: Generator, *, frames: int, at_most: int) -> Floats:
        """Give (t, h, w, 4): `frames` successive frames from a place drawn, straight colour and alpha in [0, 1].

        A clip too short is played forwards and backwards. Pictures whose longer side passes `at_most` are averaged down
        to it as they are read: eight frames of 4K would take a gigabyte. Alpha is 1 where the file has none. Raises
        MediaError.
        """
        if not self.is_movie:
            indices = pick_frames(rng, len(self.files), frames)
            stored = {i: _bounded(_read(self.files[i]), at_most) for i in set(indices)}
            return _same_size([stored[i] for i in indices], self)
        with open_clip(self.files[0]) as movie:
            numbers = movie.info.frames.numbers
            wanted = [numbers[i] for i in pick_frames(rng, len(numbers), frames)]
            pictures = {f.number: _bounded(_rgba(f), at_most) for f in movie.frames(sorted(set(wanted)))}
        return np.stack([pictures[number] for number in wanted])


@dataclass(frozen=True, slots=True)
class Footage:
    """All sources of one kind, sorted by name, so that an index means the same on every machine."""

    sources: tuple[Source, ...]
    """At least one."""
    kept_back: tuple[Path, ...] = ()
    """Folders called `val` or `test` that were passed over."""

    @property
    def note(self) -> str | None:
        """One sentence about what was passed over; None where nothing was."""
        if not self.kept_back:
            return None
        folders = ", ".join(str(folder) for folder in self.kept_back)
        return f"Kept for evaluation, not for training: {folders} (folders called {' or '.join(sorted(_KEPT_BACK))})."

    @classmethod
    def of(cls, *folders: Path) -> Footage:
        """List what lies in and below the folders. Raises MediaError where one is missing or holds nothing."""
        found: list[Source] = []
        kept_back: list[Path] = []
        for folder in folders:
            if not folder.is_dir():
                raise MediaError(f"The folder '{folder}' was not found; give one that holds clips or pictures.")
            here = _below(folder, kept_back)
            if not here:
                kinds = " ".join(sorted(_PICTURES | _SCENE))
                raise MediaError(f"The folder '{folder}' holds no clips and no pictures ({kinds}); give one that does.")
            found += here
        if not found:
            raise MediaError("No folder of footage was given; give one that holds clips or pictures.")
        return cls(tuple(found), tuple(kept_back))

    def pick(self, rng: Generator) -> Source:
        """Draw a source, each as likely as the others."""
        return self.sources[int(rng.integers(len(self.sources)))]

    def __len__(self) -> int:
        return len(self.sources)


def pick_frames(rng: Generator, length: int, count: int) -> list[int]:
    """Draw `count` successive frames of `length`: a place, and at even odds backwards; to and fro where it is short."""
    backwards = bool(rng.random() < 0.5)
    if length == 1:
        return [0] * count
    period = 2 * (length - 1)
    start = int(rng.integers(length - count + 1 if length >= count else period))
    indices = [abs((start + k + length - 1) % period - (length - 1)) for k in range(count)]
    return indices[::-1] if backwards else indices


def _below(folder: Path, kept_back: list[Path]) -> list[Source]:
    """Sources sorted by name; folders passed over are added to `kept_back`."""
    found: list[Source] = []
    for where, names, files in os.walk(folder, followlinks=True):
        place = Path(where)
        kept_back += [place / name for name in sorted(names) if name in _KEPT_BACK]
        names[:] = sorted(name for name in names if name not in _KEPT_BACK and not name.startswith("."))
        pictures = sorted(
            (f for f in files if Path(f).suffix.lower() in _PICTURES | _SCENE and not f.startswith(".")), key=_natural
        )
        movies = sorted(f for f in files if Path(f).suffix.lower() in MOVIE_SUFFIXES)
        here = place.relative_to(folder)
        if place == folder or place.name in _STILLS or len(pictures) == 1:
            singles, clip = [*pictures, *movies], []
        else:
            singles, clip = movies, pictures
        found += [Source(name=(here / Path(f).stem).as_posix(), files=(place / f,)) for f in singles]
        if clip:
            found.append(Source(name=here.as_posix(), files=tuple(place / f for f in clip)))
    return sorted(found, key=lambda source: source.name)


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """Sort 2 before 10."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name))


def _read(path: Path) -> Floats:
    """Give (h, w, 4) straight in [0, 1]."""
    if path.suffix.lower() in _SCENE:
        with open_shot(path) as shot:
            _, picture = next(iter(shot.pictures(shot.frames.numbers[:1])))
        return np.dstack([picture, np.ones(picture.shape[:2], np.float32)])
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise MediaError(f"The picture '{path}' cannot be read; take it out of the folder.")
    if stored.dtype not in (np.uint8, np.uint16):
        raise MediaError(f"The picture '{path}' is {stored.dtype}; 8 and 16 bits are read, and EXR for backgrounds.")
    if stored.ndim == 2 or stored.shape[2] == 3:
        code = cv2.COLOR_GRAY2RGBA if stored.ndim == 2 else cv2.COLOR_BGR2RGBA
    else:
        code = cv2.COLOR_BGRA2RGBA
    rgba = cv2.cvtColor(stored, code)
    return np.asarray(np.multiply(rgba, np.float32(1 / np.iinfo(rgba.dtype).max), dtype=np.float32))


def _rgba(frame: Frame) -> Floats:
    """A frame of a movie, (h, w, 4) straight in [0, 1]."""
    alpha = np.ones(frame.rgb.shape[:2], np.float32) if frame.alpha is None else frame.alpha
    cover = alpha if frame.alpha_state == "premultiplied" else np.ones_like(alpha)
    colour = frame.rgb / np.maximum(cover, np.float32(1 / 255))[..., None]
    return np.asarray(np.clip(np.dstack([colour, alpha]), 0, 1), np.float32)


def _bounded(straight: Floats, at_most: int) -> Floats:
    """Make (h, w, 4) smaller, colours weighed by alpha: what lies where nobody is must not bleed in."""
    height, width = straight.shape[:2]
    scale = at_most / max(height, width)
    if scale >= 1:
        return straight
    alpha = alpha_of(straight[None])[0]
    layer = np.dstack([weighed(straight[..., :3], alpha), alpha])
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(layer, size, interpolation=cv2.INTER_AREA), np.float32)
    small[..., :3] /= np.maximum(small[..., 3:], np.float32(1e-6))
    return np.minimum(small, 1)


def _same_size(pictures: Sequence[Floats], source: Source) -> Floats:
    sizes = {p.shape for p in pictures}
    if len(sizes) > 1:
        raise MediaError(
            f"The pictures of the folder '{source.files[0].parent}' differ in size, so they are no clip; "
            "where they are stills, call it 'singles', or give that folder itself."
        )
    return np.stack(pictures)
