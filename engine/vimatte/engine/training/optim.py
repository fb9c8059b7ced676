"""Optimisers, learning rates and gradient clipping as values: what to do at a step is a function of the step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor, nn

__all__ = [
    "Adam",
    "AdamW",
    "Clipping",
    "Constant",
    "FixedNorm",
    "OneCycle",
    "Optimiser",
    "RunningNorm",
    "Schedule",
    "WarmUpCosine",
    "clip",
    "optimiser_for",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adam:
    """Kingma and Ba's, without decay."""

    betas: tuple[float, float] = (0.9, 0.999)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamW:
    """Loshchilov and Hutter's: decay apart from the gradient."""

    betas: tuple[float, float] = (0.9, 0.999)
    decay: float = 0.01


Optimiser: TypeAlias = Adam | AdamW


def optimiser_for(
    settings: Optimiser, named: Iterable[tuple[str, nn.Parameter]], *, paces: Mapping[str, float] | None = None
) -> torch.optim.Optimizer:
    """Make the optimiser of all parameters that are trained; the rate is set at every step, times a group's `pace`.

    `paces` gives children whose rate is another multiple of the schedule's than 1.
    """
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in named:
        if parameter.requires_grad:
            pace = (paces or {}).get(name.partition(".")[0], 1.0)
            groups.setdefault(pace, []).append(parameter)
    trained = [{"params": parameters, "pace": pace} for pace, parameters in groups.items()]
    match settings:
        case Adam(betas=betas):
            return torch.optim.Adam(trained, lr=0.0, betas=betas)
        case AdamW(betas=betas, decay=decay):
            return torch.optim.AdamW(trained, lr=0.0, betas=betas, weight_decay=decay)


class Schedule(Protocol):
    """A learning rate for every step, counted from 0."""

    def rate(self, step: int, *, steps: int) -> float:
        """Return the rate at `step` of a run of `steps`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """The same rate throughout."""

    peak: float

    def rate(self, step: int, *, steps: int) -> float:
        """Return the rate."""
        return self.peak


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUpCosine:
    """peak (step + 1) / warm_up, then half a cosine down to `floor`; for runs of another length in proportion."""

    peak: float
    warm_up: int
    """Steps of a run of `of`."""
    of: int
    """Steps that the numbers are for."""
    floor: float = 0.0
    length: int | None = None
    """Steps from the peak to the floor; None: those that are left."""

    def rate(self, step: int, *, steps: int) -> float:
        """Return the rate."""
        warm_up = max(1, round(self.warm_up * steps / self.of))
        if step < warm_up:
            return self.peak * (step + 1) / warm_up
        length = steps - warm_up if self.length is None else round(self.length * steps / self.of)
        share = min(1.0, (step - warm_up) / max(1, length))
        return self.floor + (self.peak - self.floor) * 0.5 * (1.0 + math.cos(math.pi * share))


@dataclass(frozen=True, slots=True, kw_only=True)
class OneCycle:
    """From peak / 25 up and down to peak / 250000, both by half a cosine (Smith and Topin, 2018, as in torch)."""

    peak: float
    warm_up: int
    """Steps of a run of `of`."""
    of: int
    """Steps that the numbers are for."""

    def rate(self, step: int, *, steps: int) -> float:
        """Return the rate."""
        top = max(1.0, self.warm_up * steps / self.of - 1.0)
        low = self.peak / 25.0
        if step <= top:
            return _cosine(low, self.peak, step / top)
        return _cosine(self.peak, low / 1e4, min(1.0, (step - top) / max(1.0, steps - 1 - top)))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * share))


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedNorm:
    """Shorten the gradient of all parameters together to this norm."""

    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningNorm:
    """Shorten to twice a running mean of the norm, 0.999 old and 0.001 new; the first step only to 1e6 (InstMatt)."""

    first: float = 1e6
    times: float = 2.0
    keep: float = 0.999


Clipping: TypeAlias = FixedNorm | RunningNorm


def clip(settings: Clipping, parameters: Iterable[Tensor], *, mean: float | None) -> tuple[float, float | None]:
    """Shorten gradients in place; return their norm before it and the running mean for the next step.

    `mean` is that of the steps before, None on the first and where the norm is fixed.
    """
    match settings:
        case FixedNorm(most=most):
            return torch.nn.utils.clip_grad_norm_(parameters, most).item(), None
        case RunningNorm(first=first, times=times, keep=keep):
            norm = torch.nn.utils.clip_grad_norm_(parameters, first if mean is None else times * mean).item()
            return norm, norm if mean is None else keep * mean + (1.0 - keep) * norm
