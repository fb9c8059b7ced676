"""Running other programs: pip, uv's Python, vimatte."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import InstallError
from .options import PipOptions

__all__ = ["environment", "pip", "program", "python_of", "run", "say"]

_MISLEADING = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "VIRTUAL_ENV")


def environment(*, proxy: str | None = None) -> dict[str, str]:
    """This process's environment, less what would lead pip out of its own; with the proxy, if one was given."""
    env = {key: value for key, value in os.environ.items() if key not in _MISLEADING}
    env |= {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUTF8": "1"}
    # pip's cache would be a folder elsewhere that stays; whoever names one has one.
    if not env.get("PIP_CACHE_DIR"):
        env["PIP_NO_CACHE_DIR"] = "1"
    if proxy:
        env |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy)
    return env


def python_of(venv: Path) -> Path:
    """The interpreter of an environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def program(venv: Path, name: str) -> Path:
    """A command that an environment holds."""
    return venv / (f"Scripts/{name}.exe" if os.name == "nt" else f"bin/{name}")


def run(command: Sequence[str | Path], *, failed: str, env: Mapping[str, str] | None = None) -> None:
    """Run a program whose words go to the terminal. Raises InstallError with the sentence `failed`."""
    sys.stdout.flush()
    try:
        code = subprocess.run([str(part) for part in command], env=env, check=False).returncode
    except OSError as error:
        raise InstallError(f"{failed} ({error.strerror}: {command[0]})") from error
    if code:
        raise InstallError(f"{failed} (exit code {code})")


def pip(python: Path, verb: str, *arguments: str | Path, options: PipOptions, failed: str, index: bool = True) -> None:
    """Run pip in an environment, with the user's places for packages unless `index` is False."""
    said = options.arguments() if index else []
    # At a terminal pip shows how far it is: torch alone may be gigabytes.
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    command = [python, "-m", "pip", verb, "--no-input", *quiet, *said, *arguments]
    run(command, failed=failed, env=environment(proxy=options.proxy))


def say(what: str, how: object) -> None:
    """Print one aligned line."""
    print(f"{what:<9} {how}", flush=True)
