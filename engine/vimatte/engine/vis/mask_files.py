"""Masks an artist already has, read from disk (`--masks`): what lies there, whose it is and on which frames.

`docs/masks.md` shows every way of laying them out. What was chosen is said in `LoadedMasks.interpretation`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vimatte.engine.errors import ConfigError, MediaError
from vimatte.engine.masks import Rle
from vimatte.engine.vis.backend import KeyMasks
from vimatte.engine.vis.mask_numbers import MaskName, check_numbers, natural
from vimatte.engine.vis.mask_pictures import Painted, is_picture, read_painted, read_person
from vimatte.ocio.clip import ClipInfo
from vimatte.ocio.frame_range import FrameRange
from vimatte.ocio.layer_name import safe_name

__all__ = ["LoadedMasks", "load_masks"]

_log = logging.getLogger(__name__)

_MOVIES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mxf", ".webm"}
_TOKEN = re.compile(r"#+|@+|%0?\d*d")
_NOT_NAMES = {"", "alpha", "f", "frame", "key", "label", "labels", "mask", "masks", "matte", "seg"}
_PERSON_WORDS = {"actor", "character", "id", "instance", "obj", "object", "person", "p"}

_Said = dict[int, Rle | None]
"""What is said of one person: frame -> mask, None where the picture is there and empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedMasks:
    """Masks from disk and how they were understood."""

    keys: KeyMasks
    """The masks, on frames of the job."""
    interpretation: str
    """One sentence: '2 people from a folder each, on frame 1001'."""
    warnings: tuple[str, ...] = ()
    """One sentence each: what was left out or assumed."""


@dataclass(slots=True)
class _Reading:
    """What is known while reading."""

    info: ClipInfo
    frames: FrameRange
    warnings: list[str]

    @property
    def size(self) -> tuple[int, int]:
        return self.info.width, self.info.height

    def wanted(self, files: Mapping[int, Path]) -> dict[int, Path]:
        """Files on frames of the job; those of the shot's other frames are not read."""
        check_numbers(files, info=self.info, example=files[min(files)])
        left_out = FrameRange.of(files).missing_from(self.frames)
        if left_out:
            self.warnings.append(f"Masks on {left_out} were left out: the job covers {self.frames}.")
        wanted = set(self.frames)
        return {n: files[n] for n in sorted(files) if n in wanted}


def load_masks(path: Path, *, info: ClipInfo, frames: FrameRange) -> LoadedMasks:
    """Read guidance from a folder, a file, a movie or a numbered sequence (`labels.####.png`).

    `info` is the shot's, `frames` those of the job; masks on other frames of the shot are left out with a warning.
    Soft masks count as painted above half of their range; overlapping masks stay as they are.
    Raises MediaError when something is missing or unreadable, ConfigError when it does not fit the shot.
    """
    path = Path(path)
    reading = _Reading(info, frames, [])
    if path.is_dir():
        people, how = _from_folder(path, reading)
    elif path.is_file():
        people, how = _from_files(path, [path], reading)
    elif _TOKEN.search(path.name):
        people, how = _from_files(path, _expand(path), reading)
    else:
        raise MediaError(
            f"No masks at {path}: --masks takes a folder, a picture, a movie or a sequence such as labels.####.png."
        )
    return _assemble(path, people, how, reading)


# -- what lies there ---------------------------------------------------------------------------------------------------


def _expand(pattern: Path) -> list[Path]:
    head, *tail = _TOKEN.split(pattern.name)
    expression = re.compile(re.escape(head) + r"\d+" + r"\d+".join(re.escape(t) for t in tail))
    files = _listing(pattern.parent) if pattern.parent.is_dir() else []
    found = [f for f in files if f.is_file() and expression.fullmatch(f.name)]
    if not found:
        raise MediaError(f"No masks match {pattern}; look at what is in {pattern.parent}.")
    return found


def _listing(folder: Path) -> list[Path]:
    try:
        return sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda p: natural(p.name))
    except OSError as error:
        raise MediaError(f"The masks at {folder} cannot be listed: {error.strerror}.") from error


def _is_mask_file(path: Path) -> bool:
    return path.is_file() and (is_picture(path) or path.suffix.lower() in _MOVIES)


def _from_folder(folder: Path, reading: _Reading) -> tuple[dict[str, _Said], str]:
    entries = _listing(folder)
    if any(p.name == "tracks.json" for p in entries):
        raise ConfigError(f"{folder} holds saved tracks, not pictures; give it with --tracks instead of --masks.")
    files = [p for p in entries if _is_mask_file(p)]
    folders = [p for p in entries if p.is_dir() and any(_is_mask_file(f) for f in _listing(p))]
    if folders:
        if files:
            reading.warnings.append(f"{folder} holds folders and files; the files ({files[0].name} …) were left out.")
        people = {p.name: _person_from(p, [f for f in _listing(p) if _is_mask_file(f)], reading) for p in folders}
        return people, "from a folder each"
    if not files:
        raise MediaError(
            f"The masks folder {folder} is empty: no pictures, no movies and no folders of them; "
            f"put one folder or one picture for each person there."
        )
    return _from_files(folder, files, reading)


def _from_files(given: Path, files: Sequence[Path], reading: _Reading) -> tuple[dict[str, _Said], str]:
    """Decide whether several files are several people or several frames."""
    movies = [f for f in files if f.suffix.lower() in _MOVIES]
    pictures = [f for f in files if f not in movies]
    if movies:
        if pictures:
            raise ConfigError(
                f"{given} mixes movies and pictures ({movies[0].name}, {pictures[0].name}); keep one kind, "
                f"or name a sequence (masks.####.png)."
            )
        return {f.stem: _from_movie(f, reading) for f in movies}, "from a movie each"
    names = {f: MaskName.of(f) for f in pictures}
    if len(pictures) == 1:
        only = pictures[0]
        return _from_sequence({_frame_of_only(only, reading): only}, reading)
    bases = {n.base for n in names.values()}
    numbered = [f for f in pictures if names[f].number is not None]
    clear = [f for f in pictures if names[f].clearly_frame]
    if clear and len(clear) < len(pictures):
        without = next(f for f in pictures if f not in clear)
        raise ConfigError(
            f"{without} has no frame number although others in {given} have one ({clear[0].name}); "
            f"name every file with its frame, for instance {without.stem}.{reading.frames.first}{without.suffix}."
        )
    frames_apart = len(numbered) == len(pictures) and (
        bool(clear) or (len(bases) < len(pictures) and not (len(bases) == 1 and bases <= _PERSON_WORDS))
    )
    if frames_apart and len(bases) == 1:
        return _from_sequence(_by_number(pictures), reading)
    if frames_apart:
        groups = {base: [f for f in pictures if names[f].base == base] for base in sorted(bases, key=natural)}
        return {
            base: _person_from(given, group, reading) for base, group in groups.items()
        }, "from files named after them"
    first = reading.frames.first
    people = {names[f].stem: {first: _encode(read_person(f, size=reading.size))} for f in pictures}
    return dict(people), "from a file each"


def _by_number(files: Sequence[Path]) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for file in files:
        number = MaskName.of(file).number
        if number is None:
            raise ConfigError(f"{file} has no frame number and lies among {len(files)} files; name it with its frame.")
        if number in found:
            raise ConfigError(
                f"{found[number].name} and {file.name} in {file.parent} are both frame {number}; keep one."
            )
        found[number] = file
    return found


def _frame_of_only(file: Path, reading: _Reading) -> int:
    """A single file's frame: its number where that is one, else the job's first frame."""
    name, first = MaskName.of(file), reading.frames.first
    if name.number is not None and (name.clearly_frame or name.number in reading.info.frames):
        return name.number
    if name.number is not None:
        reading.warnings.append(f"{file.name} was taken for frame {first}: {name.number} is not a frame of the shot.")
    return first


# -- reading it --------------------------------------------------------------------------------------------------------


def _encode(mask: np.ndarray) -> Rle | None:
    return Rle.encode(mask) if mask.any() else None


def _person_from(folder: Path, files: Sequence[Path], reading: _Reading) -> _Said:
    """Read files that are known to be one person."""
    movies = [f for f in files if f.suffix.lower() in _MOVIES]
    if movies:
        if len(files) > 1:
            raise ConfigError(
                f"{folder} holds {len(files)} files with a movie among them; keep one movie, or pictures."
            )
        return _from_movie(movies[0], reading)
    by_number = _by_number(files) if len(files) > 1 else {_frame_of_only(files[0], reading): files[0]}
    return {n: _encode(read_person(f, size=reading.size)) for n, f in reading.wanted(by_number).items()}


def _from_sequence(files: Mapping[int, Path], reading: _Reading) -> tuple[dict[str, _Said], str]:
    """Read files each of which may hold everybody."""
    painted = {n: read_painted(f, size=reading.size) for n, f in reading.wanted(files).items()}
    for one in painted.values():
        reading.warnings.extend(one.warnings)
    first = files[min(files)]
    base = MaskName.of(first).base
    kinds = {p.kind for p in painted.values() if p.regions}
    several = any(len(p.regions) > 1 for p in painted.values())
    keys = {k for p in painted.values() for k in p.regions}
    if not kinds:
        return {_only_name(base): dict.fromkeys(painted)}, "from nothing painted"
    if kinds <= {"layers"} or kinds <= {"cryptomatte"}:
        found = {str(k): _said_of(k, painted) for k in sorted(keys, key=lambda k: natural(str(k)))}
        return found, "from EXR layers" if kinds <= {"layers"} else "from a Cryptomatte"
    if kinds <= {"alpha", "soft"} or (kinds <= {"soft", "grey"} and "soft" in kinds and not several):
        said = {n: _union(p) for n, p in painted.items()}
        return {_only_name(base): said}, "from the alpha channel" if "alpha" in kinds else "from a soft mask"
    if kinds == {"grey", "colours"}:
        # A colour label image on which only grey colours are left.
        painted = {n: _as_colours(p) for n, p in painted.items()}
        kinds, keys = {"colours"}, {k for p in painted.values() for k in p.regions}
    if len(kinds) > 1:
        raise ConfigError(
            f"The masks from {first} on are of different kinds ({', '.join(sorted(kinds))}); save them all alike."
        )
    if len(keys) == 1:
        return {_only_name(base): {n: _union(p) for n, p in painted.items()}}, "from a black and white mask"
    numbers = sorted(int(k) for k in keys)
    own = numbers[-1] <= 99 and "colours" not in kinds
    people = {
        f"person_{value if own else rank:02d}": _said_of(value, painted) for rank, value in enumerate(numbers, start=1)
    }
    return people, "from label colours" if "colours" in kinds else "from label images"


def _said_of(key: int | str, painted: Mapping[int, Painted]) -> _Said:
    return {n: p.regions.get(key) for n, p in painted.items()}


def _union(painted: Painted) -> Rle | None:
    return next(iter(painted.regions.values()), None)


def _as_colours(painted: Painted) -> Painted:
    if painted.kind != "grey":
        return painted
    return replace(painted, kind="colours", regions={int(k) * 0x010101: r for k, r in painted.regions.items()})


def _only_name(base: str) -> str:
    return "person_01" if base.strip("._- ").lower() in _NOT_NAMES else base.strip("._- ")


def _from_movie(file: Path, reading: _Reading) -> _Said:
    """Read a movie of one person, white on black or as alpha, whose first frame is the shot's first frame."""
    from vimatte.ocio.readers import open_clip

    with open_clip(file) as clip:
        if (clip.info.width, clip.info.height) != reading.size:
            raise ConfigError(
                f"The mask {file} is {clip.info.width}x{clip.info.height} but the shot is "
                f"{reading.size[0]}x{reading.size[1]}; render the mask at the shot's size."
            )
        shift = reading.info.frames.first - clip.info.frames.first
        if len(clip.info.frames) != len(reading.info.frames):
            reading.warnings.append(
                f"{file.name} has {len(clip.info.frames)} frames, the shot {len(reading.info.frames)}; "
                f"its first was taken for frame {reading.info.frames.first}."
            )
        wanted = set(reading.frames)
        numbers = [n for n in clip.info.frames if n + shift in wanted]
        said: _Said = {}
        for frame in clip.frames(numbers):
            value = frame.alpha if frame.alpha is not None else frame.rgb.max(axis=2)
            said[frame.number + shift] = _encode(np.asarray(value > 0.5))
        return said


# -- putting it together -----------------------------------------------------------------------------------------------


def _assemble(given: Path, people: Mapping[str, _Said], how: str, reading: _Reading) -> LoadedMasks:
    covered = sorted({n for said in people.values() for n in said})
    if not covered:
        raise ConfigError(
            f"The masks at {given} are on other frames of the shot than the job's ({reading.frames}); "
            f"add a frame that has a mask to --frames."
        )
    elsewhere = [name for name, said in people.items() if not said]
    if elsewhere:
        raise ConfigError(
            f"The masks of '{elsewhere[0]}' at {given} are on other frames of the shot than the job's "
            f"({reading.frames}); add a frame that has one to --frames."
        )
    empty = [name for name, said in people.items() if not any(said.values())]
    if empty or not people:
        who = f"of '{empty[0]}' " if empty and len(people) > 1 else ""
        raise ConfigError(
            f"The mask {who}at {given} is empty on frame {FrameRange.of(covered)}: nothing is brighter than half; "
            f"paint the person white on black, or take the file away."
        )
    names = _unique_names(people, warn=reading.warnings.append)
    masks = {n: {names[p]: rle for p, said in people.items() if (rle := said.get(n)) is not None} for n in covered}
    unsaid = {n: tuple(names[p] for p, said in people.items() if n not in said) for n in covered}
    unsaid = {n: who_not for n, who_not in unsaid.items() if who_not}
    count = "1 person" if len(people) == 1 else f"{len(people)} people"
    plural = "frame" if len(covered) == 1 else "frames"
    interpretation = f"{count} ({', '.join(names.values())}) {how}, on {plural} {FrameRange.of(covered)}"
    loaded = LoadedMasks(
        keys=KeyMasks(names=tuple(names.values()), masks=masks, unsaid=unsaid),
        interpretation=interpretation,
        warnings=tuple(dict.fromkeys(reading.warnings)),
    )
    _log.info("masks at %s: %s", given, interpretation)
    for warning in loaded.warnings:
        _log.warning("%s", warning)
    return loaded


def _unique_names(people: Mapping[str, _Said], *, warn: Callable[[str], None]) -> dict[str, str]:
    """Layer names for names found on disk, none twice."""
    names: dict[str, str] = {}
    for original in people:
        stem = safe_name(original)
        name, number = stem, 2
        while name in names.values():
            name, number = f"{stem[:50].rstrip('_')}_{number}", number + 1
        names[original] = name
    changed = [f"'{original}' is called {name}" for original, name in names.items() if name != original]
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        warn(f"{', '.join(changed[:3])}{more}: layer names hold letters, digits and underscores only.")
    return names
