"""Saved tracks as they were before each edit: `shot.tracks.1` is the oldest; undo puts the newest back."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from vimatte.engine.errors import ConfigError, MediaError
from vimatte.engine.tracks import TrackSet

__all__ = ["kept_folders", "save_edit", "undo"]


def kept_folders(folder: Path) -> tuple[Path, ...]:
    """Earlier states of a tracks folder, oldest first."""
    folder = Path(folder)
    found = {
        int(number): path
        for path in folder.parent.glob(f"{_escaped(folder.name)}.*")
        if (number := path.name[len(folder.name) + 1 :]).isascii() and number.isdigit() and path.is_dir()
    }
    return tuple(found[number] for number in sorted(found))


def save_edit(tracks: TrackSet, folder: Path) -> Path | None:
    """Save edited tracks to `folder`; what is there now is kept, and the place it is kept at returned.

    None where nothing was there. The copy is whole before anything is replaced. Raises MediaError.
    """
    folder = Path(folder)
    kept: Path | None = None
    if (folder / "tracks.json").is_file():
        earlier = kept_folders(folder)
        number = int(earlier[-1].name.rpartition(".")[2]) + 1 if earlier else 1
        kept = folder.with_name(f"{folder.name}.{number}")
        try:
            with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temp:
                copy = Path(shutil.copytree(folder, Path(temp) / "copy"))
                copy.rename(kept)
        except OSError as error:
            raise MediaError(
                f"The tracks {folder} cannot be kept as {kept} ({error.strerror}), so nothing was changed; "
                f"save the edit elsewhere with --out."
            ) from error
    tracks.save(folder)
    return kept


def undo(folder: Path) -> Path:
    """Put the newest kept state back, byte for byte; returns where it was kept. Raises ConfigError, MediaError."""
    folder = Path(folder)
    earlier = kept_folders(folder)
    if not earlier:
        raise ConfigError(f"There is nothing to undo: no {folder}.1, .2 … lies beside {folder}.")
    newest = earlier[-1]
    TrackSet.load(newest)
    aside = folder.with_name(f".{folder.name}.undone")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        if folder.exists():
            folder.rename(aside)
        newest.rename(folder)
        shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise MediaError(f"{newest} cannot be put back as {folder}: {error.strerror}.") from error
    return newest


def _escaped(name: str) -> str:
    """A name with the letters that mean something to `glob` taken literally."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
