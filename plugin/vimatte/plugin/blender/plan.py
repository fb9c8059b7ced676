"""What to ask the engine for and how its frames line up with the scene; arithmetic only, no Blender in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..bridge import in_runs  # noqa: TID252 - the package has another name inside Blender
from .errors import UserError

__all__ = [
    "RESERVED",
    "FrameMap",
    "Options",
    "Source",
    "build_job",
    "missing_text",
    "numbers_on_disk",
    "plain_edits",
    "safe_name",
    "scene_range",
]

Kind = Literal["movie", "sequence", "still"]
_NUMBER = re.compile(r"^(?P<stem>.*?)(?P<number>\d+)(?P<end>\D*)$")
RESERVED = frozenset({"alpha", "combined", "rgb", "rgba", "depth", "forward", "backward", "mask", "rotopaint_mask"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameMap:
    """Blender's image user: at scene frame f file number f - start + 1 + offset is shown, for `duration` frames."""

    start: int
    duration: int
    offset: int

    def number(self, scene_frame: int) -> int:
        """File number, or a movie's frame counted from 1, at a scene frame."""
        return scene_frame - self.start + 1 + self.offset

    def scene_frame(self, number: int) -> int:
        """Scene frame at which a file number is shown."""
        return number - 1 - self.offset + self.start

    @property
    def last(self) -> int:
        """Last scene frame."""
        return self.start + self.duration - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A plate as it is used in a .blend."""

    path: Path
    """The movie, the still, or any one frame of the sequence."""
    kind: Kind
    frames: FrameMap
    space: str | None = None
    """Name of its colour space in `ocio`; None to let the engine decide."""
    ocio: str | None = None
    """Blender's OCIO config; None where $OCIO names it for both."""
    working: str = "auto"
    """Colour space of the compositor."""

    @property
    def numbered_by_scene(self) -> bool:
        """Whether layers get the scene's frame numbers: a movie's frames have none of their own."""
        # Blender does not read frames with a minus in their number.
        return self.kind == "movie" and self.frames.start >= 0

    @property
    def first_number(self) -> int:
        """Number that the engine shall give a movie's first frame."""
        return self.frames.scene_frame(1) if self.numbered_by_scene else 1

    def layer_number(self, scene_frame: int) -> int:
        """Number of the layers file for a scene frame."""
        return scene_frame if self.numbered_by_scene else self.frames.number(scene_frame)

    def layers_map(self, numbers: Iterable[int]) -> FrameMap:
        """How the written layers are to be shown so that they lie over the plate."""
        there = sorted(numbers)
        start = there[0] if self.numbered_by_scene else self.frames.scene_frame(there[0])
        return FrameMap(start=start, duration=there[-1] - there[0] + 1, offset=there[0] - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the panel offers, in the words of the engine's jobs."""

    out: str
    masks: Path | None = None
    matting: str = "lite"
    depth: str = "half"
    device: str = "auto"
    cryptomatte: bool = False
    max_instances: int = 0
    proxy: int = 1
    redo: bool = False


def build_job(source: Source, options: Options, *, scene_frames: tuple[int, int] | None = None) -> dict[str, Any]:
    """Make the job for the whole source or for a range of scene frames. Raises UserError where they do not meet."""
    job: dict[str, Any] = {
        "shot": str(source.path),
        "out": options.out,
        "missing": "skip",
        "matting": options.matting,
        "depth": options.depth,
        "device": options.device,
        "cryptomatte": options.cryptomatte,
        "proxy": options.proxy,
        "working_space": source.working,
    }
    if source.space is not None:
        job["in_space"] = source.space
    if source.ocio is not None:
        job["ocio"] = source.ocio
    if options.masks is not None:
        job["masks"] = str(options.masks)
    if options.max_instances:
        job["max_instances"] = options.max_instances
    if source.kind == "still":
        return job
    if source.kind == "movie":
        job["start_frame"] = source.first_number
    first, last = scene_range(source, scene_frames)
    low, high = source.layer_number(first), source.layer_number(last)
    there = numbers_on_disk(source.path) if source.kind == "sequence" else []
    # Frames that the sequence lacks are not asked for; the panel lists them.
    job["frames"] = in_runs([n for n in there if low <= n <= high]) or f"{low}-{high}"
    return job


def scene_range(source: Source, wanted: tuple[int, int] | None) -> tuple[int, int]:
    """First and last scene frame to matte. Raises UserError when the source has none of them."""
    first, last = source.frames.start, source.frames.last
    lowest = 1 if source.kind == "movie" else 0
    first = max(first, source.frames.scene_frame(lowest))
    if source.kind == "sequence" and (there := numbers_on_disk(source.path)):
        first = max(first, source.frames.scene_frame(there[0]))
        last = min(last, source.frames.scene_frame(there[-1]))
    if wanted is not None:
        first, last = max(first, wanted[0]), min(last, wanted[1])
    if last < first:
        asked = f"scene frames {wanted[0]} to {wanted[1]}" if wanted else "its frame settings"
        raise UserError(
            f"{source.path.name} shows nothing on {asked}; look at Start, Duration and Offset in the panel, "
            "or matte the whole source."
        )
    return first, last


def numbers_on_disk(path: Path) -> list[int]:
    """Numbers of the sequence that `path` is a frame of, ascending."""
    match = _NUMBER.match(path.name)
    if match is None or not path.parent.is_dir():
        return []
    ours = re.compile(re.escape(match["stem"]) + r"(\d+)" + re.escape(match["end"]) + r"\Z")
    return sorted(int(found[1]) for p in path.parent.iterdir() if (found := ours.match(p.name)))


def missing_text(numbers: Iterable[int], *, first: int, last: int) -> str:
    """Say which of first..last are not among `numbers`: '1003, 1006-1008', or nothing."""
    there = set(numbers)
    return in_runs(n for n in range(first, last + 1) if n not in there).replace(",", ", ")


def safe_name(text: str, *, taken: Iterable[str] = ()) -> str:
    """Turn any text into a layer name that nobody in `taken` has; the engine's rules, see docs/layers_format.md."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in text).strip("_") or "person"
    kept = (kept if kept[0].isalpha() else f"p_{kept}")[:54].rstrip("_")
    if kept.lower() in RESERVED:
        kept = f"p_{kept}"
    others, name, count = set(taken), kept, 2
    while name in others:
        name, count = f"{kept[:50]}_{count}", count + 1
    return name


def plain_edits(edits: Iterable[Any], names: Mapping[int, str]) -> list[Any]:
    """Edits for the engine's tracks: those waiting, then everybody's name."""
    return [*edits, ["rename", {str(i): n for i, n in names.items()}]]
