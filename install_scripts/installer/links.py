"""Links into Blender and Nuke, and taking them out again without touching what others wrote."""

from __future__ import annotations

import os
import platform
import re
import shutil
from pathlib import Path

from .errors import InstallError
from .record import Line, Record, make_folder, save

__all__ = ["add_line", "blender_folders", "link", "nuke_init", "nuke_line", "remove_line", "unlink"]

OLDEST_BLENDER = (4, 2)
_MARK = "# vimatte: written by its installer, taken out by its --uninstall"


def blender_folders(asked: str) -> list[Path]:
    """Folders that Blender loads extensions of the user's own from: `asked`, or one for each Blender 4.2+ found.

    Raises InstallError where no Blender has been started yet.
    """
    if asked:
        return [Path(asked).expanduser().absolute()]
    if os.environ.get("BLENDER_USER_EXTENSIONS"):
        return [Path(os.environ["BLENDER_USER_EXTENSIONS"]).absolute() / "user_default"]
    if os.environ.get("BLENDER_USER_RESOURCES"):
        return [Path(os.environ["BLENDER_USER_RESOURCES"]).absolute() / "extensions" / "user_default"]
    root = _blender_settings()
    found = []
    for folder in root.iterdir() if root.is_dir() else []:
        match = re.fullmatch(r"(\d+)\.(\d+)", folder.name)
        if match and (int(match[1]), int(match[2])) >= OLDEST_BLENDER:
            found.append((int(match[1]), int(match[2]), folder / "extensions" / "user_default"))
    if not found:
        raise InstallError(
            f"--link-blender found no settings of Blender 4.2 or later in {root}; start Blender once, or name its "
            f"folder of extensions: --link-blender FOLDER/extensions/user_default"
        )
    return [folder for _, _, folder in sorted(found)]


def _blender_settings() -> Path:
    if platform.system() == "Windows":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData/Roaming") / "Blender Foundation/Blender"
    if platform.system() == "Darwin":
        return Path.home() / "Library/Application Support/Blender"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "blender"


def nuke_init(asked: str) -> Path:
    """The init.py that Nuke reads at start: in `asked`, or in the user's ~/.nuke."""
    return (Path(asked).expanduser().absolute() if asked else Path.home() / ".nuke") / "init.py"


def nuke_line(plugin: Path, *, venv: Path | None) -> str:
    """The line for Nuke's init.py; `venv` where the engine is not in its usual place.

    ASCII whatever the paths hold: a file without a coding line must stay readable for Nukes that run Python 2.
    """
    engine = f'os.environ.setdefault("VIMATTE_VENV", {venv.as_posix()!a}); ' if venv is not None else ""
    return f"import os, nuke; {engine}nuke.pluginAddPath({plugin.as_posix()!a})  {_MARK}"


def add_line(record: Record, file: Path, line: str) -> None:
    """Put a line at the end of a file, in place of ours that is there."""
    for old in [one for one in record.lines if one.file == str(file)]:
        remove_line(old)
        record.lines.remove(old)
    make_folder(record, file.parent)
    made = not file.exists()
    data = b"" if made else file.read_bytes()
    end = b"\r\n" if b"\r\n" in data else b"\n"
    ended = not data or data.endswith(b"\n")
    record.lines.append(Line(file=str(file), line=line, ended=ended, made=made))
    save(record)
    _write(file, data + (b"" if ended else end) + line.encode() + end)


def remove_line(line: Line) -> bool:
    """Take a line out again; whether it was there. The file is as before, also without a last newline, or gone."""
    file = Path(line.file)
    if not file.is_file():
        return False
    before = file.read_bytes().splitlines(keepends=True)
    kept = [one for one in before if one.rstrip(b"\r\n") != line.line.encode()]
    if len(kept) == len(before):
        return False
    if not line.ended and kept and before[-1].rstrip(b"\r\n") == line.line.encode():
        kept[-1] = kept[-1].rstrip(b"\r\n")
    if line.made and not kept:
        file.unlink()
    else:
        _write(file, b"".join(kept))
    return True


def link(record: Record, place: Path, target: Path) -> None:
    """Make a link to a folder at `place`, in place of ours. Raises InstallError where something else is there."""
    if str(place) in record.links and _leads_to(place, record.prefix):
        unlink(place, prefix=record.prefix)
    if os.path.lexists(place):
        raise InstallError(
            f"{place} is there already and not from this installer; remove the extension in Blender's preferences, "
            f"then type --link-blender again."
        )
    make_folder(record, place.parent)
    if str(place) not in record.links:
        record.links.append(str(place))
    save(record)
    if os.name == "nt":
        import _winapi

        # A junction wants no rights, a symbolic link does.
        _winapi.CreateJunction(str(target), str(place))  # type: ignore[attr-defined,unused-ignore]
    else:
        place.symlink_to(target, target_is_directory=True)


def unlink(place: Path, *, prefix: Path) -> bool:
    """Remove a link that leads into the prefix; anything else is left alone, and False returned."""
    if not _leads_to(place, prefix):
        return False
    # A junction is removed as a folder is; what it leads to stays.
    (os.rmdir if os.name == "nt" else os.unlink)(place)
    return True


def _leads_to(place: Path, prefix: Path) -> bool:
    try:
        aim = os.readlink(place)
    except OSError:
        return False
    return Path(aim.removeprefix("\\\\?\\")).is_relative_to(prefix)


def _write(file: Path, data: bytes) -> None:
    """Write a file whole; one that is a link stays one."""
    real = file.resolve()
    temp = real.with_name(f".{real.name}.vimatte")
    temp.write_bytes(data)
    if real.exists():
        shutil.copymode(real, temp)
    temp.replace(real)
