"""Which build of torch this machine wants, and which index has it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from .errors import InstallError, UsageError

__all__ = ["PIP", "Build", "Machine", "choose", "look"]

PIP = "pip"
"""Stands for pip's own index."""
_ROOT = "https://download.pytorch.org/whl"
_CUDA = (((13, 0), "cu130"), ((12, 8), "cu128"), ((12, 0), "cu126"))
"""Newest first: the CUDA that a driver must know at least -> index. Within one major version an older driver runs a
newer build, except for cards that only the newer one knows, so 12.8 has its own (Blackwell)."""
_ROCM = "rocm7.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What decides about the build."""

    system: str
    """Linux, Darwin or Windows."""
    machine: str
    """x86_64, arm64, aarch64 or AMD64."""
    musl: bool = False
    cuda: tuple[int, int] | None = None
    """The newest CUDA the NVIDIA driver knows; None without a working NVIDIA card."""
    rocm: bool = False
    """An AMD card that ROCm sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A build of torch."""

    kind: str
    """cpu, cuda, rocm or mps."""
    index: str
    """URL, or PIP."""
    reason: str
    """Why, for people."""


def look() -> Machine:
    """Look at this machine: its tools are asked, nothing is loaded."""
    return Machine(
        system=platform.system(),
        machine=platform.machine(),
        musl="musl" in str(sysconfig.get_config_var("SOABI") or ""),
        cuda=_nvidia(),
        rocm=platform.system() == "Linux" and _amd(),
    )


def choose(asked: str, *, machine: Machine, index: str | None = None) -> Build:
    """Choose a build; `asked` is auto or a kind, `index` replaces the index. Raises InstallError, UsageError."""
    mac = machine.system == "Darwin"
    if mac and machine.machine != "arm64":
        raise InstallError(
            "Torch is no longer made for Macs with Intel processors, so vimatte cannot be installed on this one; "
            "a Mac with Apple silicon, Linux or Windows is needed."
        )
    if machine.musl:
        raise InstallError("Torch is not made for musl (Alpine); use a Linux with glibc, such as Debian or Rocky.")
    kind, reason = (_automatic(machine)) if asked == "auto" else (asked, "as asked")
    if kind == "mps" and not mac:
        raise UsageError(f"--torch mps is for Apple silicon, and this is {machine.system}; type --torch auto.")
    if mac and kind in ("cuda", "rocm"):
        raise UsageError(f"--torch {kind} does not exist for macOS; type --torch auto.")
    if kind == "rocm" and machine.system != "Linux":
        raise UsageError(f"--torch rocm is for Linux, and this is {machine.system}; type --torch auto.")
    tag = _cuda_tag(machine) if kind == "cuda" else _ROCM if kind == "rocm" else "cpu"
    # Apple's build has the CPU's in it, and PyPI has that one.
    return Build(kind=kind, index=index or (PIP if mac else f"{_ROOT}/{tag}"), reason=reason)


def _automatic(machine: Machine) -> tuple[str, str]:
    if machine.system == "Darwin":
        return "mps", "Apple silicon"
    if machine.cuda is not None and machine.cuda >= _CUDA[-1][0]:
        return "cuda", "nvidia-smi shows a card, and a driver for CUDA {}.{}".format(*machine.cuda)
    if machine.cuda is not None:
        return "cpu", "the NVIDIA driver knows CUDA {}.{} only, torch needs 12.0: update it".format(*machine.cuda)
    if machine.rocm and machine.machine == "x86_64":
        return "rocm", "ROCm shows an AMD card"
    return "cpu", "no graphics card that torch can use was found"


def _cuda_tag(machine: Machine) -> str:
    if machine.cuda is None:
        # Asked for where no card is seen, as when an image is built: the oldest runs with most drivers.
        return _CUDA[-1][1]
    for least, tag in _CUDA:
        if machine.cuda >= least:
            return tag
    raise InstallError(
        "The NVIDIA driver here knows CUDA {}.{}, and torch needs 12.0; update the driver, or type --torch cpu.".format(
            *machine.cuda
        )
    )


def _nvidia() -> tuple[int, int] | None:
    said = _say("nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi")
    found = re.search(r"CUDA(?: UMD)? Version:\s*(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else None


def _amd() -> bool:
    return "GPU[" in _say("rocm-smi", "/opt/rocm/bin/rocm-smi") or bool(
        re.search(r"^\s*Name:\s*gfx\d", _say("rocminfo", "/opt/rocm/bin/rocminfo"), re.MULTILINE)
    )


def _say(tool: str, usual: str) -> str:
    """Run a tool and return what it says; '' where it is missing, hangs or fails."""
    path = shutil.which(tool) or (usual if os.access(usual, os.X_OK) and Path(usual).is_file() else None)
    if path is None:
        return ""
    try:
        ran = subprocess.run([path], capture_output=True, text=True, errors="replace", timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout if ran.returncode == 0 else ""
