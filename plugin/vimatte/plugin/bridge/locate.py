"""Where the engine is: what the user set, the environment variable, the usual places, the search path."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import EngineError

__all__ = ["VARIABLE", "EngineLocation", "find_engine"]

VARIABLE = "VIMATTE_ENGINE"
"""Environment variable that names the engine."""

_FROM_PYTHON = "from vimatte.cli.entry import vimatte; vimatte()"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLocation:
    """A `vimatte` command that can be run."""

    command: tuple[str, ...]
    """Program and leading arguments; a subcommand such as `serve` comes after."""
    origin: str
    """Who named it, for people."""


def find_engine(preferred: str = "", *, environ: Mapping[str, str] | None = None) -> EngineLocation:
    """Find the engine: `preferred`, $VIMATTE_ENGINE, a usual virtual environment, the search path; first come.

    A place may be the `vimatte` program, a Python interpreter that has vimatte, or a virtual environment's folder.
    Raises EngineError when a place that was named holds no engine (no other is put in its place) or none is found.
    """
    env = os.environ if environ is None else environ
    for text, origin in ((preferred, "the add-on's setting"), (env.get(VARIABLE, ""), f"${VARIABLE}")):
        if text:
            command = _command(Path(text).expanduser())
            if command is None:
                raise EngineError(
                    f"There is no vimatte engine at {text}, the place that {origin} gives; "
                    "give the vimatte program, its Python, or the folder of its virtual environment."
                )
            return EngineLocation(command=command, origin=origin)
    places = list(_usual(env))
    for place in places:
        if (command := _command(place)) is not None:
            return EngineLocation(command=command, origin=f"the virtual environment {place}")
    if (found := shutil.which("vimatte", path=env.get("PATH"))) is not None:
        return EngineLocation(command=(found,), origin="the search path")
    raise EngineError(
        f"The vimatte engine was not found (looked in {', '.join(map(str, places))} and the search path); install it, "
        f"then name its folder in the add-on's preferences or in ${VARIABLE}."
    )


def _usual(env: Mapping[str, str]) -> Iterator[Path]:
    if env.get("VIMATTE_VENV"):
        yield Path(env["VIMATTE_VENV"]).expanduser()
    home = Path(env.get("HOME") or env.get("USERPROFILE") or Path.home())
    yield home / ".vimatte" / "venv"
    yield home / "vimatte" / ".venv"


def _command(place: Path) -> tuple[str, ...] | None:
    if place.is_dir():
        for inside in ("bin/vimatte", "Scripts/vimatte.exe", "vimatte", "vimatte.exe"):
            if (place / inside).is_file():
                return (str(place / inside),)
        for inside in (".venv", "venv"):
            if (place / inside).is_dir():
                return _command(place / inside)
        return None
    if not place.is_file() or not os.access(place, os.X_OK):
        return None
    if place.stem.lower().startswith("python"):
        return (str(place), "-c", _FROM_PYTHON)
    return (str(place),)
