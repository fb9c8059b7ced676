"""An offline bundle: wheels, weights and the installer in one folder, for machines of this kind without a network."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import sys
from pathlib import Path

from .commands import environment, pip, program, python_of, run, say
from .errors import InstallError
from .plan import Plan
from .source import BUNDLE
from .steps import add_torch, copy_scripts, kind_of_torch, make_venv

__all__ = ["make_bundle"]

_README = """vimatte {version}, everything to install it without a network
for {system} {machine} with Python {python}, torch for {build}

    sh install.sh                                              Linux, macOS
    powershell -ExecutionPolicy Bypass -File install.ps1       Windows

--help says what else there is. Weights in here: {weights}
"""


def make_bundle(plan: Plan, folder: Path, *, here: Path) -> None:
    """Fill a new folder. It is installed once beside itself, without an index: a bundle that lacks a wheel fails here.

    Raises InstallError.
    """
    if plan.source.bundle is not None:
        raise InstallError("This installer lies in a bundle already; copy that, or run bundle.sh of a checkout.")
    if folder.exists() and any(folder.iterdir()):
        raise InstallError(f"{folder} is not empty; name a new folder for the bundle.")
    wheels, work = folder / "wheels", folder / ".work"
    wheels.mkdir(parents=True, exist_ok=True)
    try:
        make_venv(work, base=plan.python)
        python = python_of(work)
        say("torch", f"fetching the {plan.build.kind} build")
        add_torch(python, plan, verb="download", into=("--dest", wheels))
        say("vimatte", "making its wheel, fetching what it needs")
        spec = plan.source.spec(plan.extras)
        # torch is the one that is in the folder, also where the index has a newer one of another build.
        pinned = [f"torch=={_version(wheel)}" for wheel in wheels.glob("torch-*.whl")]
        pip(
            python, "wheel", "--wheel-dir", wheels, "--find-links", wheels, spec, *pinned, options=plan.pip,
            failed="pip could not fetch what vimatte needs; check the network or the proxy",
        )  # fmt: skip
        torch = next(iter(wheels.glob("torch-*.whl")))
        own = next(iter(wheels.glob("vimatte-*.whl")))
        say("check", "installing from the bundle alone")
        pip(
            python, "install", "--no-index", "--find-links", wheels, plan.source.spec(plan.extras).replace(
                str(plan.source.what), str(own)
            ),
            options=plan.pip, index=False, failed="The bundle is not complete",
        )  # fmt: skip
        build = kind_of_torch(python)
        _add_weights(plan, folder, vimatte=program(work, "vimatte"))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    copy_scripts(here, folder)
    version = "{}.{}".format(*sys.version_info)
    (folder / "python_version").write_text(version + "\n", encoding="ascii")
    said = {
        "version": plan.source.version, "wheel": own.name, "torch": f"torch=={_version(torch)}",
        "build": "mps" if plan.build.kind == "mps" else build, "system": platform.system(),
        "machine": platform.machine(), "python": version, "weights": list(plan.weights),
    }  # fmt: skip
    text = _README.format(**{**said, "weights": ", ".join(plan.weights) or "none"})
    (folder / "README.txt").write_text(text, encoding="utf-8")
    files = sorted(path for part in ("wheels", "weights") for path in (folder / part).rglob("*") if path.is_file())
    digests = {path.relative_to(folder).as_posix(): _sha256(path) for path in files}
    (folder / BUNDLE).write_text(json.dumps({**said, "sha256": digests}, indent=1) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in files)
    say("bundle", f"{folder}: {len(files)} files, {size / 1e9:.2f} GB, torch for {said['build']}")


def _add_weights(plan: Plan, folder: Path, *, vimatte: Path) -> None:
    for name in plan.weights:
        env = environment(proxy=plan.pip.proxy) | {"VIMATTE_WEIGHTS": str(folder / "weights")}
        command: list[str | Path] = [
            vimatte,
            "weights",
            "pull",
            name,
            *(["--accept-licence"] if plan.accept_licence else []),
        ]
        run(command, env=env, failed=f"The weights '{name}' could not be fetched")


def _version(wheel: Path) -> str:
    return wheel.name.split("-")[1].replace("%2B", "+")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
