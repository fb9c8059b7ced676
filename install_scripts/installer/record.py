"""What was installed, written down before it is done, so that also half an installation can be removed."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .errors import InstallError

__all__ = ["NAME", "Line", "Record", "load", "make_folder", "save", "unrecorded"]

NAME = "installed.json"
_FORMAT = 1
_BEFORE_RECORD = frozenset({"python", "uv"})
"""What the shell scripts may have put into the prefix: uv and the Python that it fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line that was put at the end of a file."""

    file: str
    line: str
    ended: bool
    """Whether the file ended in a newline before; if not, one was added."""
    made: bool
    """Whether the file was not there before."""


@dataclass(slots=True, kw_only=True)
class Record:
    """Everything that is there because of the installer. Paths are from the root."""

    prefix: Path
    inside: list[str] = field(default_factory=list)
    """Names in the prefix that are ours, removed with all that is in them."""
    trees: list[str] = field(default_factory=list)
    """Folders elsewhere that are ours with all that is in them: weights."""
    links: list[str] = field(default_factory=list)
    """Links (junctions on Windows), in Blender's folders of extensions."""
    lines: list[Line] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    """Folders made on the way, outermost first; removed only when they are empty."""
    torch: str = ""
    """Which build was chosen: kind and index."""
    cache: str = ""
    """The folder that vimatte itself keeps weights in; not ours, removed only by --purge."""


def save(record: Record) -> None:
    """Write the record whole or not at all."""
    path = record.prefix / NAME
    values = {key: value for key, value in asdict(record).items() if key != "prefix"}
    temp = path.with_suffix(".tmp")
    temp.write_text(json.dumps({"format": _FORMAT, **values}, indent=1) + "\n", encoding="utf-8")
    temp.replace(path)


def load(prefix: Path) -> Record | None:
    """Read the record of a prefix; None where there is none. Raises InstallError when it cannot be understood."""
    path = prefix / NAME
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") != _FORMAT:
            raise ValueError("made by another version")
        lines = [Line(**line) for line in values.pop("lines")]
        return Record(prefix=prefix, lines=lines, **values)
    except (ValueError, KeyError, TypeError) as error:
        raise InstallError(
            f"The record {path} cannot be read ({error}); use the installer of the version that wrote it, "
            f"or remove {prefix} by hand."
        ) from error


def unrecorded(prefix: Path) -> Record | None:
    """A record of what the shell scripts alone put into a prefix; None where anything else is in it, or nothing."""
    there = {path.name for path in prefix.iterdir()} if prefix.is_dir() else set()
    if not there or not there <= _BEFORE_RECORD:
        return None
    return Record(prefix=prefix, inside=sorted(there), folders=[str(prefix)])


def make_folder(record: Record, folder: Path) -> None:
    """Make a folder and its parents, and note those that were not there."""
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        if str(one) not in record.folders:
            record.folders.append(str(one))
        one.mkdir(exist_ok=True)
    if record.prefix.is_dir():
        save(record)
