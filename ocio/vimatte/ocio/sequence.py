"""Numbered files: which frames of ``shot.####.exr`` lie on disk, and which sequences a folder holds."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from fileseq import FileSequence
from fileseq.constants import PAD_STYLE_HASH1
from fileseq.exceptions import FileSeqException

from vimatte.ocio.errors import MediaError
from vimatte.ocio.frame_range import FrameRange

__all__ = ["FileNumber", "NumberedFiles", "find_sequence", "list_sequences", "split_number"]

# A minus is a sign only after a separator: 'shot-1001.exr' is frame 1001, 'shot.-0010.exr' is frame -10.
_NUMBERED = re.compile(r"^(?P<head>.*?)(?P<number>(?:(?:(?<=[._ ])|(?<=^))-)?\d+)(?P<tail>\.[^.\d][^.]*)$", re.DOTALL)
_PADDING = re.compile(r"#+|@+|%0?\d*d|\$F\d*")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileNumber:
    """A file name taken apart around its frame number."""

    head: str
    """Everything before the number."""
    number: int
    digits: int
    """Digits the number is written with, sign not counted."""
    tail: str
    """Everything after the number, the extension included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedFiles:
    """One sequence as it lies on disk."""

    pattern: Path
    """The sequence's name with ``#`` for digits, for instance ``shot.####.exr``."""
    files: dict[int, Path]
    """Each frame number's file, ascending."""

    @property
    def frames(self) -> FrameRange:
        """The numbers that are there."""
        return FrameRange.of(self.files)


def split_number(name: str) -> FileNumber | None:
    """Take a file name apart around its frame number; None when it has none (a version such as ``_v02`` is none)."""
    match = _NUMBERED.match(name)
    if match is None:
        return None
    head, text, tail = match["head"], match["number"], match["tail"]
    if re.search(r"(^|[._ \-])[vV]$", head):
        return None
    return FileNumber(head=head, number=int(text), digits=len(text.lstrip("-")), tail=tail)


def list_sequences(folder: Path, *, suffixes: frozenset[str]) -> list[NumberedFiles]:
    """Every numbered sequence in a folder whose extension is among `suffixes` (lower case), sorted by name."""
    groups: dict[tuple[str, str], list[FileNumber]] = defaultdict(list)
    for name in _names(folder):
        part = split_number(name)
        if part is not None and Path(name).suffix.lower() in suffixes:
            groups[part.head, part.tail].append(part)
    return [_gather(folder, groups[key]) for key in sorted(groups)]


def find_sequence(path: Path) -> NumberedFiles | None:
    """Find the files a pattern, or one frame, stands for.

    Patterns: ``shot.####.exr``, ``shot.@@@@.exr``, ``shot.%04d.exr``, ``shot.$F4.exr``. Any padding on disk is taken;
    where a number occurs with two paddings, the pattern's own wins. None when `path` has neither padding nor a number.
    Raises MediaError when no file fits a pattern.
    """
    if not _PADDING.search(path.name):
        part = split_number(path.name)
        if part is None:
            return None
        return _gather(path.parent, _matching(path.parent, part.head, part.tail), digits=part.digits)
    try:
        asked = FileSequence(str(path), pad_style=PAD_STYLE_HASH1)
    except FileSeqException as error:
        raise MediaError(f"'{path}' is not a sequence pattern; type for instance shot.####.exr.") from error
    head, tail = asked.basename(), asked.extension()
    parts = _matching(path.parent, head, tail)
    if not parts:
        raise MediaError(f"No frame of '{path}' was found.{_others(path.parent, tail)}")
    return _gather(path.parent, parts, digits=asked.zfill())


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith(".") and not entry.is_dir())
    except FileNotFoundError as error:
        raise MediaError(f"The folder '{folder}' does not exist.") from error
    except OSError as error:
        raise MediaError(f"The folder '{folder}' cannot be listed ({error.strerror}).") from error


def _matching(folder: Path, head: str, tail: str) -> list[FileNumber]:
    middle = re.compile(r"-?\d+")
    found = []
    for name in _names(folder):
        if len(name) <= len(head) + len(tail) or not (name.startswith(head) and name.endswith(tail)):
            continue
        text = name[len(head) : len(name) - len(tail)]
        if middle.fullmatch(text):
            found.append(FileNumber(head=head, number=int(text), digits=len(text.lstrip("-")), tail=tail))
    return found


def _gather(folder: Path, parts: list[FileNumber], *, digits: int = 0) -> NumberedFiles:
    chosen: dict[int, FileNumber] = {}
    for part in parts:
        other = chosen.get(part.number)
        if other is None or (part.digits == digits and other.digits != digits):
            chosen[part.number] = part
    widths = {part.digits for part in chosen.values()}
    padding = "#" * min(widths)
    first = parts[0]
    return NumberedFiles(
        pattern=folder / f"{first.head}{padding}{first.tail}",
        files={n: folder / _name(chosen[n]) for n in sorted(chosen)},
    )


def _name(part: FileNumber) -> str:
    sign = "-" if part.number < 0 else ""
    return f"{part.head}{sign}{abs(part.number):0{part.digits}d}{part.tail}"


def _others(folder: Path, tail: str) -> str:
    there = list_sequences(folder, suffixes=frozenset({Path("x" + tail).suffix.lower()}))
    if not there:
        return f" The folder holds no numbered {tail} files."
    listed = ", ".join(f"'{seq.pattern.name}' ({seq.frames})" for seq in there[:6])
    return f" The folder holds {listed}."
