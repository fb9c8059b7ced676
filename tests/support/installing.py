"""Helpers for the installer's tests: its modules, a small machine to run it on, a bundle of hollow wheels."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

SCRIPTS = Path(__file__).resolve().parents[2] / "install_scripts"
_TOOLS = ("sh", "dirname", "sed", "cat", "mkdir", "rm", "env")
_PROGRAM = """
import sys
def main():
    print("doctor: hollow")
"""
_CATALOGUE = """
from dataclasses import dataclass
from pathlib import Path
from vimatte.engine.weights import cache
@dataclass
class Listed:
    name: str
    folder: Path
    here: bool
def listed():
    return (Listed("tiny", cache() / "tiny", (cache() / "tiny").exists()),)
"""
_WEIGHTS = """
import os
from pathlib import Path
def cache():
    return Path(os.environ["HOME"]) / ".cache" / "vimatte" / "weights"
"""


def installer(name: str) -> ModuleType:
    """One of the installer's modules: they are scripts' parts, not of the package."""
    if str(SCRIPTS) not in sys.path:
        sys.path.append(str(SCRIPTS))
    return importlib.import_module(f"installer.{name}")


class Desk:
    """A user's machine in a folder: a home, a PATH with hardly anything on it, programs that say what they are told."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home of Jürgen"
        self.bin = folder / "bin"
        self.home.mkdir(parents=True)
        self.bin.mkdir()
        for tool in _TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (self.bin / tool).symlink_to(found)
        self.python: str | None = sys.executable

    def add(self, name: str, says: str = "", *, code: int = 0) -> None:
        """Put a program on PATH that prints a text."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\nexit {code}\n")
        path.chmod(0o755)

    def run(
        self, *arguments: str | Path, script: Path = SCRIPTS / "install.sh", **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Start the installer; nothing of this machine's settings reaches it."""
        named = {"VIMATTE_PYTHON": self.python} if self.python else {}
        whole = {"HOME": str(self.home), "PATH": str(self.bin), "LANG": "C.UTF-8", "PIP_CONFIG_FILE": os.devnull}
        whole |= {**named, **env}
        command = [str(self.bin / "sh"), str(script), *map(str, arguments)]
        return subprocess.run(command, env=whole, capture_output=True, text=True, encoding="utf-8", check=False)

    def listing(self) -> dict[str, bytes | str | None]:
        """All that lies in the home: what is in each file, where each link leads, None for a folder."""
        found: dict[str, bytes | str | None] = {}
        for path in sorted(self.home.rglob("*")):
            name = path.relative_to(self.home).as_posix()
            found[name] = os.readlink(path) if path.is_symlink() else None if path.is_dir() else path.read_bytes()
        return found


def plan_of(said: str) -> dict[str, str]:
    """The lines of a dry run by their first word(s)."""
    return {line[:9].strip(): line[10:] for line in said.splitlines()}


def wheel(folder: Path, name: str, version: str, files: Mapping[str, str | bytes], scripts: Sequence[str] = ()) -> Path:
    """Write a wheel that needs nothing."""
    info = f"{name}-{version}.dist-info"
    entries = "[console_scripts]\n" + "".join(f"{one}\n" for one in scripts)
    every = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": entries,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in every.items():
            archive.writestr(member, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{member},,\n" for member in [*every, f"{info}/RECORD"]))
    return path


def hollow_bundle(folder: Path) -> Path:
    """A bundle as bundle.sh writes it, in which vimatte has its plug-ins and nothing else, and torch nothing at all."""
    wheels = folder / "wheels"
    plugin = SCRIPTS.parent / "plugin"
    files: dict[str, str | bytes] = {
        path.relative_to(plugin).as_posix(): path.read_bytes()
        for path in plugin.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    files |= {"vimatte/cli/main.py": _PROGRAM, "vimatte/engine/weights.py": _WEIGHTS}
    files |= {"vimatte/engine/checkpoints/catalogue.py": _CATALOGUE}
    files |= {"platformdirs.py": "import os\ndef user_cache_dir(name): return os.environ['HOME'] + '/.cache/' + name\n"}
    commands = ("vimatte = vimatte.cli.main:main", "vim-batch = vimatte.cli.main:main")
    own = wheel(wheels, "vimatte", "0.1.0", files, commands)
    wheel(wheels, "torch", "2.13.0", {"torch/__init__.py": "class version:\n    cuda = hip = None\n"})
    (folder / "weights" / "tiny").mkdir(parents=True)
    (folder / "weights" / "tiny" / "tiny.tflite").write_bytes(b"numbers")
    installer("steps").copy_scripts(SCRIPTS, folder)
    every = [path for part in ("wheels", "weights") for path in (folder / part).rglob("*") if path.is_file()]
    digests = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in every}
    python = "{}.{}".format(*sys.version_info)
    said = {"version": "0.1.0", "wheel": own.name, "torch": "torch==2.13.0", "build": "cpu", "weights": ["tiny"]}
    said |= {"system": platform.system(), "machine": platform.machine(), "python": python}
    (folder / "bundle.json").write_text(json.dumps({**said, "sha256": digests}))
    (folder / "python_version").write_text(python + "\n")
    return folder
