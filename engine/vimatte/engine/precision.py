"""How precisely networks multiply on the CPU: in bfloat16 where that is twice as quick, or in float32 everywhere."""

from __future__ import annotations

import os

import torch

from vimatte.engine.errors import ConfigError

__all__ = ["VARIABLE", "name_of_quickest", "quickest"]

VARIABLE = "VIMATTE_PRECISION"
"""Environment variable: `auto`, or `full` for float32 on every machine, so that all give the same pixels."""


def quickest(device: str | torch.device) -> torch.dtype:
    """Return what convolutions are to be worked out in on a device.

    bfloat16 on processors that multiply it themselves (AVX-512 BF16: Cooper Lake, Zen 4 and later), whose sums stay
    float32; float32 elsewhere, and where `VIMATTE_PRECISION` is `full`. Raises ConfigError where it is something else.
    """
    asked = os.environ.get(VARIABLE, "").strip().lower() or "auto"
    if asked not in ("auto", "full"):
        raise ConfigError(f"{VARIABLE} is '{asked}'; set it to auto, or to full for the same pixels on every machine.")
    if asked == "full" or torch.device(device).type != "cpu" or not torch.backends.mkldnn.enabled:
        return torch.float32
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return torch.bfloat16 if native is not None and native() else torch.float32


def name_of_quickest(device: str | torch.device) -> str:
    """Say it as settings do: 'bfloat16' or 'float32'. Raises ConfigError as `quickest` does."""
    return str(quickest(device)).removeprefix("torch.")
