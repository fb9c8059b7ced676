"""Uninstalling: exactly what the record says, in the reverse order, and empty folders that were made on the way."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from .commands import say
from .errors import InstallError
from .links import remove_line, unlink
from .plan import base_python
from .record import NAME, Record, load, unrecorded

__all__ = ["uninstall"]

LEFTOVER = "VIMATTE_LEFTOVER"
"""Environment variable: a file that gets the folders that this Python runs from and cannot remove, one a line."""


def uninstall(prefix: Path, *, purge: bool, dry_run: bool) -> None:
    """Remove an installation. Raises InstallError where something cannot be removed."""
    record = load(prefix) or unrecorded(prefix)
    if record is None:
        say("nothing", f"no installation of vimatte is recorded in {prefix}")
        return
    if dry_run:
        for path in _everything(record, purge=purge):
            say("remove", path)
        return
    for line in record.lines:
        say("line" if remove_line(line) else "gone", line.file)
    for place in record.links:
        say("link" if unlink(Path(place), prefix=prefix) else "not ours", place)
    trees = [Path(tree) for tree in record.trees] + ([Path(record.cache)] if purge and record.cache else [])
    for tree in [*trees, *(prefix / name for name in record.inside)]:
        if tree.is_dir() and not _runs_from(tree):
            _remove_tree(tree)
            say("removed", tree)
    (prefix / NAME).unlink(missing_ok=True)
    for folder in reversed(record.folders):
        if os.path.isdir(folder) and not os.listdir(folder):
            os.rmdir(folder)
    others = set(os.listdir(prefix)) - set(record.inside) if prefix.is_dir() else set()
    if others:
        say("kept", f"{prefix}: there are files in it that are not the installer's")
    if record.cache and os.path.isdir(record.cache):
        say("kept", f"{record.cache}: weights that were not fetched by the installer; --purge removes them too")


def _everything(record: Record, *, purge: bool) -> list[str]:
    inside = [str(record.prefix / name) for name in record.inside]
    cache = [record.cache] if purge and record.cache else []
    lines = [f"a line in {line.file}" for line in record.lines]
    return [*lines, *record.links, *record.trees, *cache, *inside, str(record.prefix / NAME), *reversed(record.folders)]


def _runs_from(folder: Path) -> bool:
    """Windows removes no program that runs: the script that started this one does it afterwards."""
    if os.name != "nt" or not any(Path(one).is_relative_to(folder) for one in (sys.executable, base_python())):
        return False
    if os.environ.get(LEFTOVER):
        with open(os.environ[LEFTOVER], "a", encoding="utf-8") as file:
            file.write(f"{folder}\n")
    return True


def _remove_tree(tree: Path) -> None:
    try:
        shutil.rmtree(tree)
    except OSError as error:
        raise InstallError(
            f"{tree} cannot be removed ({error.strerror}: {error.filename}); close what uses it, then uninstall again."
        ) from error
