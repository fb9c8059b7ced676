"""Which device the networks run on."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vimatte.engine.errors import DeviceError

__all__ = ["choose_device", "describe_device", "inference"]


@contextmanager
def inference(device: str, *, what: str, instead: str) -> Iterator[None]:
    """Run `what` without gradients; running out of memory becomes a DeviceError that also offers `instead`."""
    try:
        with torch.inference_mode():
            yield
    except torch.OutOfMemoryError as error:
        raise DeviceError(f"Device '{device}' ran out of memory in {what}; type --device cpu, or {instead}.") from error


def choose_device(name: str = "auto") -> str:
    """Return a torch device name: 'auto' takes CUDA, then Apple's MPS, then the CPU; 'cuda:1' and the like as asked.

    Raises DeviceError when the device asked for is not there; 'auto' never does.
    """
    asked = name.strip().lower()
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu"
    try:
        device = torch.device(asked)
    except RuntimeError:
        raise DeviceError(f"'{name}' is no device; type --device auto, or one of {_there()}.") from None
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        found = count > (device.index or 0)
    else:
        found = asked == "cpu" or (asked == "mps" and _has_mps())
    if not found:
        raise DeviceError(f"Device '{name}' is not there; there is {_there()}; type --device auto to take the best.")
    return asked


def describe_device(name: str) -> str:
    """Say in a few words what a device is, for logs: 'cuda:0 (NVIDIA H100, 80 GiB)'."""
    device = torch.device(name)
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return f"{name} ({properties.name}, {properties.total_memory / 2**30:.0f} GiB)"
    if device.type == "mps":
        return f"{name} (Apple {platform.processor() or platform.machine()})"
    return f"{name} ({platform.machine()}, {torch.get_num_threads()} threads)"


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def _there() -> str:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = ["cpu", *(["mps"] if _has_mps() else []), *(f"cuda:{index}" for index in range(count))]
    return ", ".join(names)
