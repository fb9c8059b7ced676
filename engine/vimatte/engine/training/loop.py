"""The training loop: any recipe, any source of batches; stops between steps and goes on as if it had not.

A run is a pure function of recipe, batches, seed and number of steps: all chance of a step comes from a generator
seeded by the run's seed and the batch's number, and batches are asked for by number.
"""

from __future__ import annotations

import copy
import json
import logging
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from vimatte.engine.errors import BackendError, ConfigError, DeviceError
from vimatte.engine.training.checkpoint import (
    Checkpoint,
    moments_of,
    read_checkpoint,
    restore_moments,
    save_tensors,
    write_checkpoint,
)
from vimatte.engine.training.log import Log
from vimatte.engine.training.optim import clip, optimiser_for
from vimatte.engine.training.recipes.batch import Batch
from vimatte.engine.training.recipes.recipe import Moment, Recipe

__all__ = ["CHECKPOINT", "LOG", "WEIGHTS", "Batches", "Evaluate", "Run", "Step", "train"]

CHECKPOINT, WEIGHTS, LOG = "checkpoint.safetensors", "weights.safetensors", "log.jsonl"
"""What lies in the folder of a run."""

Batches = Callable[[int], Iterator[Batch]]
"""Give endless batches from a number on; the same number, the same batch."""
Evaluate = Callable[[nn.Module, int], Mapping[str, float]]
"""Look at a network in evaluation after so many steps: figures for the log; it may draw pictures."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a recipe is run here."""

    folder: Path
    """Where checkpoint, weights and log are written."""
    steps: int
    """Of the whole run, whether resumed or not."""
    seed: int = 0
    """Of weights and of all chance."""
    device: str = "cpu"
    """Where the network is."""
    save_every: int = 500
    """Steps between checkpoints; one is written at the end and when the run is stopped, too."""
    evaluate_every: int = 500
    """Steps between evaluations; there is one at the end, too."""
    half: bool = True
    """Whether forward passes are in bfloat16 where the device computes in it; on CPUs they never are."""
    start: Mapping[str, Tensor] = field(default_factory=dict)
    """Weights to begin with; those of other names or shapes are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a step was like."""

    step: int
    """Steps taken with it."""
    losses: Mapping[str, float]
    """Each term, unweighted, and `total`."""
    rate: float
    """The learning rate."""
    norm: float
    """Of the gradient, before it was clipped."""
    seconds: float
    """It took."""
    figures: Mapping[str, float]
    """Of an evaluation after it; empty on most."""


def train(
    recipe: Recipe,
    batches: Batches,
    run: Run,
    *,
    resume: bool = False,
    evaluate: Evaluate | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Generator[Step]:
    """Train, yielding every step; what was learned lies in `run.folder`.

    `stop` is asked after every step; where it says so, or the caller closes the generator, a checkpoint is written
    and the run ends. Raises ConfigError where a checkpoint is of other settings, BackendError where a loss is no
    number, DeviceError where memory runs out.
    """
    if run.steps < 1:
        raise ConfigError(f"A run takes 1 step or more, found {run.steps}; type --steps 1000.")
    if recipe.frozen and not run.start and not resume:
        raise ConfigError(
            f"{recipe.name} trains a part of a network whose rest has learned already; type --start FILE with the "
            f"weights of {recipe.start or 'the rest'}."
        )
    run.folder.mkdir(parents=True, exist_ok=True)
    state = _State.begin(recipe, run, resume=resume)
    source = batches(state.step * recipe.accumulation)
    written = state.step
    with Log(run.folder / LOG, step=state.step) as log:
        try:
            while state.step < run.steps:
                began = time.perf_counter()
                losses, rate, norm = _take(state, recipe, run, source)
                last = state.step == run.steps
                figures: Mapping[str, float] = {}
                if evaluate is not None and (last or state.step % run.evaluate_every == 0):
                    with _apart(run.seed, state.step, run.device):
                        figures = evaluate(state.result(), state.step)
                if last or state.step % run.save_every == 0:
                    state.save(recipe, run)
                    written = state.step
                step = Step(
                    step=state.step,
                    losses=losses,
                    rate=rate,
                    norm=norm,
                    seconds=time.perf_counter() - began,
                    figures=figures,
                )
                # Under names of their own: an evaluation's figure may be called as a loss is.
                looked = {f"look.{name}": value for name, value in figures.items()}
                log.write({"step": step.step, **losses, "rate": rate, "norm": norm, **looked})
                yield step
                if stop():
                    return
        except torch.OutOfMemoryError as error:
            raise DeviceError(
                f"Device '{run.device}' ran out of memory after step {state.step}; type --clips 1 for smaller batches."
            ) from error
        finally:
            if state.whole and state.step > written:
                state.save(recipe, run)


class _State:
    """What changes from step to step."""

    def __init__(self, recipe: Recipe, network: nn.Module) -> None:
        self.network = network
        self.optimiser = optimiser_for(recipe.optimiser, network.named_parameters(), paces=recipe.paces)
        self.step = 0
        self.clip_mean: float | None = None
        self.ema: dict[str, Tensor] = {}
        self.whole = True
        """False within a step, when weights and moments may be of different steps."""

    @classmethod
    def begin(cls, recipe: Recipe, run: Run, *, resume: bool) -> _State:
        with _apart(run.seed, 0, "cpu"):
            network = recipe.objective.network()
        taken = _begun_with(network, run.start)
        if run.start:
            _log.info("%d of %d weights are those given", taken, len(network.state_dict()))
        for name, parameter in network.named_parameters():
            if name.startswith(tuple(f"{child}." for child in recipe.frozen)):
                parameter.requires_grad_(False)
        network.to(run.device)
        state = cls(recipe, network)
        if recipe.ema is not None:
            state.ema = {name: value.detach().clone() for name, value in network.state_dict().items()}
        if resume:
            state._go_on(recipe, run, read_checkpoint(run.folder / CHECKPOINT))
        return state

    def _go_on(self, recipe: Recipe, run: Run, checkpoint: Checkpoint) -> None:
        now = _settings(recipe, run)
        differs = [name for name, value in now.items() if checkpoint.settings.get(name) != value]
        if differs or checkpoint.steps != run.steps or checkpoint.seed != run.seed:
            what = ", ".join([*differs, *(["steps"] if checkpoint.steps != run.steps else [])]) or "seed"
            raise ConfigError(
                f"The run in '{run.folder}' was begun with other settings ({what}; {checkpoint.steps} steps, seed "
                f"{checkpoint.seed}); give the same ones, or leave --resume out to begin anew."
            )
        self.network.load_state_dict(checkpoint.weights)
        restore_moments(self.optimiser, self.network, checkpoint.moments)
        self.step, self.clip_mean = checkpoint.step, checkpoint.clip_mean
        self.ema = {name: value.to(run.device) for name, value in checkpoint.ema.items()}

    def save(self, recipe: Recipe, run: Run) -> None:
        weights = self.network.state_dict()
        write_checkpoint(
            run.folder / CHECKPOINT,
            Checkpoint(
                step=self.step,
                steps=run.steps,
                seed=run.seed,
                settings=_settings(recipe, run),
                clip_mean=self.clip_mean,
                weights=weights,
                ema=self.ema,
                moments=moments_of(self.optimiser, self.network),
            ),
        )
        # One entry: several are written in an order that differs from run to run.
        facts = json.dumps({"recipe": recipe.name, "step": self.step, "settings": _settings(recipe, run)})
        save_tensors(run.folder / WEIGHTS, self.ema or weights, facts={"vimatte": facts})

    def result(self) -> nn.Module:
        """A copy of the network, in evaluation, with averaged weights where there are any: looking changes nothing."""
        network = copy.deepcopy(self.network)
        if self.ema:
            network.load_state_dict(self.ema)
        return network.eval().requires_grad_(False)


def _take(state: _State, recipe: Recipe, run: Run, source: Iterator[Batch]) -> tuple[dict[str, float], float, float]:
    """Take one step; its losses, rate and norm."""
    network, optimiser = state.network, state.optimiser
    rate = recipe.schedule.rate(state.step, steps=run.steps)
    for group in optimiser.param_groups:
        group["lr"] = rate * group["pace"]
    _to_training(network, recipe.frozen)
    optimiser.zero_grad(set_to_none=True)
    sums: dict[str, float] = {}
    state.whole = False
    for part in range(recipe.accumulation):
        number = state.step * recipe.accumulation + part
        batch = next(source).to(run.device)
        with _apart(run.seed, number + 1, run.device):
            moment = Moment(step=state.step, steps=run.steps, draw=_generator(run.seed, number))
            with _half(run):
                losses = recipe.objective.losses(network, batch, moment)
            total = torch.stack([weight * losses[name] for name, weight in recipe.weights.items() if weight]).sum()
            (total / recipe.accumulation).backward()  # type: ignore[no-untyped-call]
        for name, value in {**losses, "total": total}.items():
            sums[name] = sums.get(name, 0.0) + value.item() / recipe.accumulation
    if not all(math.isfinite(value) for value in sums.values()):
        raise BackendError(
            f"The loss of step {state.step + 1} is no number; go on from the last checkpoint with another --seed, or "
            "with --full-precision."
        )
    trained = [parameter for parameter in network.parameters() if parameter.grad is not None]
    if recipe.clipping is not None:
        norm, state.clip_mean = clip(recipe.clipping, trained, mean=state.clip_mean)
    else:
        norm = torch.nn.utils.get_total_norm([p.grad for p in trained if p.grad is not None]).item()
    optimiser.step()
    if recipe.ema is not None:
        _average(state.ema, network.state_dict(), keep=recipe.ema)
    state.step += 1
    state.whole = True
    return sums, rate, norm


@torch.no_grad()
def _average(averaged: dict[str, Tensor], now: Mapping[str, Tensor], *, keep: float) -> None:
    """Move averaged weights towards those of now; counters are taken as they are."""
    for name, value in now.items():
        if value.is_floating_point():
            averaged[name].lerp_(value, 1.0 - keep)
        else:
            averaged[name].copy_(value)


def _to_training(network: nn.Module, frozen: tuple[str, ...]) -> None:
    network.train()
    for name in frozen:
        network.get_submodule(name).eval()


def _begun_with(network: nn.Module, start: Mapping[str, Tensor]) -> int:
    own = network.state_dict()
    fitting = {name: value for name, value in start.items() if name in own and own[name].shape == value.shape}
    if start and not fitting:
        raise BackendError("No weights of those given to begin with fit this recipe's network; give others to --start.")
    network.load_state_dict(fitting, strict=False)
    return len(fitting)


def _settings(recipe: Recipe, run: Run) -> dict[str, str]:
    return {**recipe.settings(), "half": str(run.half and _has_half(run.device))}


def _generator(seed: int, number: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed * 1_000_003 + number)


@contextmanager
def _apart(seed: int, number: int, device: str) -> Iterator[None]:
    """Seed torch's own chance (dropout, new weights) inside, and leave the caller's as it was."""
    index = torch.device(device).index
    devices = [index if index is not None else torch.cuda.current_device()] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed * 1_000_003 + number)
        yield


def _half(run: Run) -> AbstractContextManager[object]:
    if run.half and _has_half(run.device):
        return torch.autocast(torch.device(run.device).type, dtype=torch.bfloat16)
    return nullcontext()


def _has_half(device: str) -> bool:
    """Whether bfloat16 is quicker there: on CPUs it is not."""
    return device.startswith("cuda") and torch.cuda.is_bf16_supported()
