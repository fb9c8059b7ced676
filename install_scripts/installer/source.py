"""Where vimatte itself comes from: the checkout this installer lies in, or an offline bundle."""

from __future__ import annotations

import json
import os
import platform
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .errors import InstallError
from .options import PipOptions

__all__ = ["BUNDLE", "SCRIPTS", "Source", "find_source", "wheel_folders"]

BUNDLE = "bundle.json"
SCRIPTS = ("install.sh", "install.ps1", "install.py", "build_extension", "installer")
"""What an installer consists of, side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is installed."""

    what: Path
    """The checkout's folder, or a wheel."""
    version: str
    torch: str
    """Requirement, such as torch>=2.11,<2.14."""
    bundle: Path | None = None
    """The bundle's folder; None for a checkout."""
    build: str = ""
    """Kind of torch in the bundle."""
    weights: tuple[str, ...] = ()
    """Names in the bundle."""

    def spec(self, extras: tuple[str, ...]) -> str:
        """Render for pip."""
        return str(self.what) + (f"[{','.join(extras)}]" if extras else "")


def find_source(here: Path, *, pip: PipOptions) -> Source:
    """Find out what the scripts in `here` install. Raises InstallError."""
    if (here / BUNDLE).is_file():
        return _bundle(here)
    project = here.parent / "pyproject.toml"
    if not project.is_file():
        raise InstallError(
            f"{here} holds no sources, only what --uninstall needs; run the installer of a checkout or a bundle."
        )
    said = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    torch = next(one for one in said["dependencies"] if one.startswith("torch"))
    what = here.parent
    if pip.no_index:
        # A build would want its tools from the folder; whoever prepared it may have put the finished wheel there.
        wheels = [w for f in wheel_folders(pip) for w in sorted(f.glob(f"vimatte-{said['version']}-*.whl"))]
        what = wheels[0] if wheels else what
    return Source(what=what, version=said["version"], torch=torch)


def wheel_folders(pip: PipOptions) -> list[Path]:
    """Folders among the places for packages: those given and those of pip's environment variable."""
    places = [*pip.find_links, *os.environ.get("PIP_FIND_LINKS", "").split()]
    return [Path(place) for place in places if "://" not in place and Path(place).is_dir()]


def _bundle(here: Path) -> Source:
    said = json.loads((here / BUNDLE).read_text(encoding="utf-8"))
    made_for = (said["system"], said["machine"], said["python"])
    found = (platform.system(), platform.machine(), "{}.{}".format(*sys.version_info))
    if made_for != found:
        raise InstallError(
            "This bundle is for {} {} with Python {}, and here is {} {} with Python {}; make one on such a machine: "
            "bundle.sh FOLDER".format(*made_for, *found)
        )
    return Source(
        what=here / "wheels" / said["wheel"], version=said["version"], torch=said["torch"], bundle=here,
        build=said["build"], weights=tuple(said["weights"]),
    )  # fmt: skip
