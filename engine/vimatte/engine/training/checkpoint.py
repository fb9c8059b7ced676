"""What a training run needs to go on as if it had never stopped: one safetensors file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vimatte.engine.errors import BackendError, ConfigError

__all__ = [
    "Checkpoint",
    "moments_of",
    "read_checkpoint",
    "restore_moments",
    "save_tensors",
    "write_checkpoint",
]

_FORMAT = "vimatte training 1"
_WEIGHTS, _EMA, _OPTIMISER = "weights/", "ema/", "optimiser/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state after a number of steps. All chance of a step is drawn from seed and step: these two are its state."""

    step: int
    """How many steps were taken."""
    steps: int
    """Of the whole run; learning rates and curricula go by it."""
    seed: int
    """Of the run."""
    settings: Mapping[str, str]
    """The recipe in words."""
    clip_mean: float | None
    """Running mean of the gradient's norm, where it is clipped by that."""
    weights: Mapping[str, Tensor]
    """Of the network, buffers too."""
    ema: Mapping[str, Tensor]
    """Averaged weights; empty without averaging."""
    moments: Mapping[str, Tensor]
    """The optimiser's, 'parameter/what'."""


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write whole or not at all."""
    tensors = {
        **{_WEIGHTS + name: value for name, value in checkpoint.weights.items()},
        **{_EMA + name: value for name, value in checkpoint.ema.items()},
        **{_OPTIMISER + name: value for name, value in checkpoint.moments.items()},
    }
    facts = {
        "format": _FORMAT,
        "step": checkpoint.step,
        "steps": checkpoint.steps,
        "seed": checkpoint.seed,
        "settings": dict(checkpoint.settings),
        # As hex: decimal digits would not bring back the last bit everywhere.
        "clip_mean": None if checkpoint.clip_mean is None else checkpoint.clip_mean.hex(),
    }
    save_tensors(path, tensors, facts={"training": json.dumps(facts)})


def save_tensors(path: Path, tensors: Mapping[str, Tensor], *, facts: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file by way of another name, so that what stands there is always whole."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(
            {name: value.detach().cpu().contiguous() for name, value in tensors.items()}, beside, dict(facts or {})
        )
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        # safetensors makes files for its user's eyes alone.
        beside.chmod(0o644)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read what `write_checkpoint` wrote. Raises BackendError where there is none or it is something else."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("training", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (FileNotFoundError, SafetensorError, ValueError) as error:
        raise BackendError(
            f"'{path}' cannot be read as a training checkpoint ({error}); leave --resume out to begin anew."
        ) from None
    if facts.get("format") != _FORMAT:
        raise BackendError(f"'{path}' is no training checkpoint of this version; leave --resume out to begin anew.")
    clip_mean = facts["clip_mean"]
    return Checkpoint(
        step=facts["step"],
        steps=facts["steps"],
        seed=facts["seed"],
        settings=facts["settings"],
        clip_mean=None if clip_mean is None else float.fromhex(clip_mean),
        weights=_below(_WEIGHTS, tensors),
        ema=_below(_EMA, tensors),
        moments=_below(_OPTIMISER, tensors),
    )


def moments_of(optimiser: torch.optim.Optimizer, network: nn.Module) -> dict[str, Tensor]:
    """The optimiser's state by the names of parameters."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in network.named_parameters()}
    return {
        f"{names[parameter]}/{what}": value for parameter, own in optimiser.state.items() for what, value in own.items()
    }


def restore_moments(optimiser: torch.optim.Optimizer, network: nn.Module, moments: Mapping[str, Tensor]) -> None:
    """Give an optimiser the state it had. Raises ConfigError for names that the network does not have."""
    parameters = dict(network.named_parameters())
    for key, value in moments.items():
        name, _, what = key.rpartition("/")
        if name not in parameters:
            raise ConfigError(f"The checkpoint knows a parameter '{name}' that this recipe's network does not have.")
        parameter = parameters[name]
        # Counters stay on the CPU, where torch keeps them.
        kept = value.clone() if what == "step" else value.to(parameter.device).clone()
        optimiser.state.setdefault(parameter, {})[what] = kept


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
