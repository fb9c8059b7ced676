"""What an installation will do, decided before anything is done; `--dry-run` prints it and stops."""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from .errors import InstallError
from .links import blender_folders, nuke_init
from .options import Options, PipOptions
from .record import Record, load, unrecorded
from .source import Source, find_source, wheel_folders
from .torch_build import PIP, Build, Machine, choose, look

__all__ = ["Plan", "base_python", "make_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every decision."""

    python: Path
    """The interpreter that the environment is made of."""
    source: Source
    prefix: Path
    build: Build
    torch_folders: tuple[Path, ...]
    """Folders that hold torch, which go before any index; empty: `build.index` is asked."""
    pip: PipOptions
    extras: tuple[str, ...]
    weights: tuple[str, ...]
    accept_licence: bool
    blender: tuple[Path, ...]
    """Folders of extensions that get a link."""
    nuke: Path | None
    """The init.py that gets a line."""
    record: Record
    """Of the installation that is there, or a new one."""

    @property
    def venv(self) -> Path:
        """The environment."""
        return self.prefix / "venv"

    def lines(self) -> list[tuple[str, str]]:
        """The plan for people, as (what, how) pairs."""
        said = [
            ("python", f"{self.python} ({platform.python_version()})"),
            ("vimatte", f"{self.source.version} from {self.source.what}"),
            ("into", str(self.prefix)),
            ("torch", f"{self.build.kind}: {self.build.reason}"),
            ("torch in", ", ".join(map(str, self.torch_folders)) or _index(self.build.index, self.pip)),
            ("packages", _index(PIP, self.pip)),
        ]
        said += [("links", place) for place in self.pip.find_links]
        said += [("proxy", self.pip.proxy)] if self.pip.proxy else []
        said += [("extra", name) for name in self.extras]
        said += [("weights", name) for name in self.weights]
        said += [("blender", str(folder / "vimatte")) for folder in self.blender]
        return said + ([("nuke", f"a line in {self.nuke}")] if self.nuke is not None else [])


def make_plan(options: Options, *, here: Path, machine: Machine | None = None) -> Plan:
    """Decide everything. `here` holds the scripts. Raises InstallError and UsageError."""
    source = find_source(here, pip=options.pip)
    pip = options.pip
    if source.bundle is not None:
        pip = dataclasses.replace(
            pip, find_links=(str(source.bundle / "wheels"), *pip.find_links), no_index=True, index_url=None
        )
    folders = tuple(folder for folder in wheel_folders(pip) if any(folder.glob("torch-*.whl")))
    offline = pip.no_index or os.environ.get("PIP_NO_INDEX", "").lower() in ("1", "true", "yes", "on")
    build = choose(options.torch, machine=machine or look(), index=PIP if offline else options.torch_index)
    if source.build:
        if options.torch not in ("auto", source.build):
            raise InstallError(
                f"This bundle holds torch for {source.build}, and --torch {options.torch} was asked for; "
                f"leave --torch away, or make another bundle."
            )
        build = dataclasses.replace(build, kind=source.build, reason="the bundle's")
    return Plan(
        python=base_python(), source=source, prefix=options.prefix, build=build,
        torch_folders=() if options.torch_index else folders, pip=pip, extras=options.extras,
        weights=tuple(dict.fromkeys((*source.weights, *options.weights))), accept_licence=options.accept_licence,
        blender=tuple(blender_folders(options.link_blender)) if options.link_blender is not None else (),
        nuke=nuke_init(options.link_nuke) if options.link_nuke is not None else None,
        record=_record(options.prefix) if options.bundle is None else Record(prefix=options.prefix),
    )  # fmt: skip


def base_python() -> Path:
    """The interpreter below a virtual environment, so that ours does not hang on somebody else's."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable)


def _record(prefix: Path) -> Record:
    """The record of a prefix, or a new one for a place that is free. Raises InstallError where it is not."""
    record = load(prefix) or unrecorded(prefix)
    if record is not None:
        return record
    if os.path.lexists(prefix) and not prefix.is_dir():
        raise InstallError(f"{prefix} is not a folder; choose another place with --prefix FOLDER.")
    if prefix.is_dir() and any(prefix.iterdir()):
        raise InstallError(
            f"{prefix} holds other things and no installation of vimatte; choose another place with --prefix FOLDER."
        )
    return Record(prefix=prefix)


def _index(index: str, pip: PipOptions) -> str:
    if index != PIP:
        return index
    if pip.no_index:
        return "no index"
    return pip.index_url or "pip's own index"
