"""The options of the installer, the same on every system."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import UsageError
from .record import NAME

__all__ = ["Options", "PipOptions", "parse"]

BUILDS = ("auto", "cpu", "cuda", "rocm", "mps")
_EPILOG = """pip's own settings (PIP_INDEX_URL, PIP_CERT, pip.conf, HTTPS_PROXY, ...) are respected. Everything lies in
one folder, ~/.vimatte, and a record in it says what lies elsewhere; --uninstall goes by that record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipOptions:
    """Where packages come from."""

    find_links: tuple[str, ...]
    """Folders with wheels, or pages with links, tried beside the index."""
    no_index: bool
    """Nothing but `find_links`."""
    index_url: str | None
    """In place of pip's own index."""
    proxy: str | None
    """Of pip, uv and the hub."""

    def arguments(self) -> list[str]:
        """Render for pip. Folders go as arguments: pip splits its environment variables at spaces."""
        said = [argument for place in self.find_links for argument in ("--find-links", place)]
        return said + ["--no-index"] * self.no_index + (["--index-url", self.index_url] if self.index_url else [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for."""

    uninstall: bool
    purge: bool
    bundle: Path | None
    dry_run: bool
    prefix: Path
    torch: str
    torch_index: str | None
    """An index for torch alone; 'pip' is pip's own."""
    pip: PipOptions
    extras: tuple[str, ...]
    weights: tuple[str, ...]
    accept_licence: bool
    link_blender: str | None
    """None: not asked; '': every Blender found; else a folder of extensions."""
    link_nuke: str | None
    """None: not asked; '': ~/.nuke; else a folder of that kind."""


def parse(arguments: Sequence[str], *, here: Path) -> Options:
    """Read the command line; `here` holds the scripts. Raises UsageError where two options cannot be meant together."""
    parser = argparse.ArgumentParser(
        prog="install", description="Install vimatte for this user, in one folder.", epilog=_EPILOG, allow_abbrev=False
    )
    add = parser.add_argument
    add("--dry-run", action="store_true", help="say what would be done, do nothing")
    # The copy that lies in an installation is there to remove that one.
    usual = str(here.parent) if here.name == "scripts" and (here.parent / NAME).is_file() else "~/.vimatte"
    add("--prefix", metavar="FOLDER", default=usual, help="where everything goes (default: ~/.vimatte)")
    add("--python", metavar="PATH", help="the Python to use, 3.11 to 3.13 (default: one is looked for, then uv)")
    add("--torch", choices=BUILDS, default="auto", help="build of torch (default: auto, by looking at the machine)")
    add("--torch-index", metavar="URL", help="index that has torch, such as a mirror; 'pip' means pip's own index")
    add("--find-links", metavar="PLACE", action="append", default=[], help="a folder with wheels; may be repeated")
    add("--no-index", action="store_true", help="no network: wheels only from --find-links")
    add("--index-url", metavar="URL", help="package index in place of pip's own, such as a mirror")
    add("--proxy", metavar="URL", help="proxy, where HTTPS_PROXY is not set: http://host:port")
    add("--extra", metavar="NAME", action="append", default=[], help="an optional part: transformers")
    add("--weights", metavar="NAME", action="append", default=[], help="fetch trained weights too: blazepose, ...")
    add("--accept-licence", action="store_true", help="agree to the licences of --weights without being asked")
    add("--link-blender", metavar="FOLDER", nargs="?", const="", help="put the extension into each Blender 4.2+ here")
    add("--link-nuke", metavar="FOLDER", nargs="?", const="", help="put one line into Nuke's init.py (~/.nuke)")
    add("--bundle", metavar="FOLDER", type=Path, help="install nothing: make an offline bundle in FOLDER")
    add("--uninstall", action="store_true", help="remove what was installed, and nothing else")
    add("--purge", action="store_true", help="with --uninstall: also weights that were fetched afterwards")
    said = parser.parse_args(arguments)
    if said.purge and not said.uninstall:
        raise UsageError("--purge removes fetched weights and goes with --uninstall; type: install --uninstall --purge")
    if said.no_index and said.index_url:
        raise UsageError("--no-index and --index-url exclude each other; give one of them.")
    if said.bundle is not None and said.uninstall:
        raise UsageError("--bundle and --uninstall exclude each other; give one of them.")
    pip = PipOptions(
        find_links=tuple(map(_place, said.find_links)), no_index=said.no_index, index_url=said.index_url,
        proxy=said.proxy,
    )  # fmt: skip
    return Options(
        uninstall=said.uninstall, purge=said.purge, dry_run=said.dry_run, prefix=_whole(said.prefix),
        bundle=_whole(said.bundle) if said.bundle is not None else None, torch=said.torch,
        torch_index=said.torch_index, pip=pip, extras=tuple(said.extra), weights=tuple(said.weights),
        accept_licence=said.accept_licence, link_blender=said.link_blender, link_nuke=said.link_nuke,
    )  # fmt: skip


def _whole(text: str | Path) -> Path:
    """From the root, without following links: a home that is a link stays as its user knows it."""
    return Path(text).expanduser().absolute()


def _place(text: str) -> str:
    """A folder from the root; anything with :// is left to pip. Raises UsageError where there is no such folder."""
    if "://" in text:
        return text
    folder = _whole(text)
    if not folder.exists():
        raise UsageError(f"--find-links names {folder}, which does not exist; give a folder that holds wheels.")
    return str(folder)
