"""A recipe: everything that decides what a training run does, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from vimatte.engine.training.optim import Clipping, Optimiser, Schedule
from vimatte.engine.training.recipes.batch import Batch
from vimatte.engine.training.recipes.masks import MaskChange

__all__ = ["Data", "Moment", "Objective", "Recipe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Where a run is; curricula and draws go by it alone."""

    step: int
    """From 0."""
    steps: int
    """Of the whole run."""
    draw: torch.Generator
    """On the CPU; seeded by the run's seed and the number of the batch, so that a resumed run draws the same."""

    def chance(self) -> float:
        """Draw in [0, 1)."""
        return float(torch.rand((), generator=self.draw).item())

    def below(self, end: int) -> int:
        """Draw an integer in [0, end)."""
        return int(torch.randint(end, (), generator=self.draw).item())


class Objective(Protocol):
    """What is learned: a network, what its losses are, and how it is used once it has learned."""

    def network(self) -> nn.Module:
        """Make the network with random weights."""
        ...

    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> Mapping[str, Tensor]:
        """Return each term of the loss by name, unweighted."""
        ...

    def mattes(self, network: nn.Module, batch: Batch) -> Tensor:
        """Matte a batch in evaluation: (b, t, p, h, w) in [0, 1]."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What clips a recipe is fed with."""

    protocol: str
    """How people are composed: a name of `training.data.protocols`, or single: one person alone."""
    frames: int
    """Of a clip."""
    crop: int
    """Side of the square pictures; a multiple of 64."""
    clips: int
    """In one batch on one device."""
    masks: tuple[MaskChange, ...]
    """How guidance is made wrong, in this order."""
    colours: bool = False
    """Whether losses ask for the colours of each person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A training run but for its data's place, its length and its seed."""

    name: str
    """As it is asked for."""
    objective: Objective
    """What is learned."""
    weights: Mapping[str, float]
    """Of the terms of the loss; a term of weight 0 may be missing."""
    optimiser: Optimiser
    """How gradients become steps."""
    schedule: Schedule
    """How long steps are."""
    clipping: Clipping | None
    """How long gradients may be."""
    steps: int
    """Of the published run."""
    data: Data
    """What it is fed with."""
    accumulation: int = 1
    """Batches in a step: with `data.clips` and one device, what the authors' devices had together."""
    ema: float | None = None
    """How much the averaged weights keep at each step; None: the last weights are the result. No paper averages."""
    frozen: tuple[str, ...] = ()
    """Names of children that are not trained and stay in evaluation."""
    paces: Mapping[str, float] = field(default_factory=dict)
    """Names of children that learn at another multiple of the schedule's rate than 1."""
    start: str | None = None
    """What its authors began with, in words; `vimatte train --start FILE` begins with such weights."""

    def settings(self) -> dict[str, str]:
        """Everything that decides on the result, in words: a run may be resumed by the same settings alone."""
        return {name: repr(getattr(self, name)) for name in self.__slots__}
