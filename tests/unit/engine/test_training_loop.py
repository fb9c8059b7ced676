"""The training loop on a network of a few weights: what a run is a function of, and what a step does."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from vimatte.engine.errors import BackendError, ConfigError
from vimatte.engine.training.checkpoint import read_checkpoint
from vimatte.engine.training.log import read_log
from vimatte.engine.training.loop import CHECKPOINT, LOG, WEIGHTS, Run, train
from vimatte.engine.training.optim import AdamW, Constant, FixedNorm, OneCycle, RunningNorm, WarmUpCosine, clip
from vimatte.engine.training.recipes import Data, Moment, Recipe
from vimatte.engine.training.recipes.batch import Batch


class Tiny(nn.Module):
    """One of everything that a resumed run has to bring back: weights, statistics, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.3))
        self.head = nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x)).sigmoid()
        return out


@dataclass(frozen=True)
class TinyObjective:
    broken_at: int = -1

    def network(self) -> nn.Module:
        return Tiny()

    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> Mapping[str, Tensor]:
        noise = torch.rand(batch.masks_BTPHW.shape, generator=moment.draw)
        found = network(torch.cat([batch.normalised(), batch.masks_BTPHW * noise], dim=2).flatten(0, 1))
        error = (found - batch.alphas_BTPHW.flatten(0, 1)).abs().mean()
        return {"rec": error * math.nan if moment.step == self.broken_at else error, "unused": error.detach()}

    def mattes(self, network: nn.Module, batch: Batch) -> Tensor:
        x = torch.cat([batch.normalised(), batch.masks_BTPHW], dim=2).flatten(0, 1)
        out: Tensor = network(x).view_as(batch.alphas_BTPHW)
        return out


def batches(first: int) -> Iterator[Batch]:
    number = first
    while True:
        draw = torch.Generator().manual_seed(number)
        alphas = (torch.rand(1, 2, 1, 8, 8, generator=draw) > 0.5).float()
        yield Batch(pictures_BT3HW=torch.rand(1, 2, 3, 8, 8, generator=draw), alphas_BTPHW=alphas, masks_BTPHW=alphas)
        number += 1


def recipe(**changes: Any) -> Recipe:
    whole = Recipe(
        name="tiny",
        objective=TinyObjective(),
        weights={"rec": 2.0, "unused": 0.0},
        optimiser=AdamW(),
        schedule=WarmUpCosine(peak=1e-2, warm_up=2, of=8),
        clipping=RunningNorm(),
        steps=8,
        data=Data(protocol="vim50", frames=2, crop=8, clips=1, masks=()),
        accumulation=2,
        ema=0.9,
    )
    return replace(whole, **changes)


def state_of(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / CHECKPOINT)


@pytest.mark.parametrize("stopped_after", [1, 3, 5])
def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(stopped_after: int, tmp_path: Path) -> None:
    whole = Run(folder=tmp_path / "whole", steps=6, seed=3, save_every=2)
    assert [step.step for step in train(recipe(), batches, whole)] == [1, 2, 3, 4, 5, 6]
    parts = replace(whole, folder=tmp_path / "parts")
    taken = 0

    def stop() -> bool:
        nonlocal taken
        taken += 1
        return taken == stopped_after

    torch.manual_seed(99)
    list(train(recipe(), batches, parts, stop=stop))
    assert read_checkpoint(parts.folder / CHECKPOINT).step == stopped_after
    torch.manual_seed(5)
    rest = list(train(recipe(), batches, parts, resume=True))
    assert [step.step for step in rest] == list(range(stopped_after + 1, 7))
    assert (parts.folder / CHECKPOINT).read_bytes() == (whole.folder / CHECKPOINT).read_bytes()
    assert (parts.folder / WEIGHTS).read_bytes() == (whole.folder / WEIGHTS).read_bytes()
    assert (parts.folder / LOG).read_text() == (whole.folder / LOG).read_text()


def test_closing_the_generator_leaves_a_checkpoint_of_the_last_step(tmp_path: Path) -> None:
    steps = train(recipe(), batches, Run(folder=tmp_path, steps=6, save_every=100))
    next(steps)
    next(steps)
    steps.close()
    assert read_checkpoint(tmp_path / CHECKPOINT).step == 2


def test_the_caller_s_own_chance_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    list(train(recipe(), batches, Run(folder=tmp_path, steps=2)))
    assert torch.equal(torch.rand(3), expected)


def test_looking_changes_nothing(tmp_path: Path) -> None:
    def look(network: nn.Module, step: int) -> dict[str, float]:
        assert not network.training
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
        torch.rand(7)
        return {"mad": float(step), "rec": -1.0}

    plain, looked = Run(folder=tmp_path / "a", steps=4), Run(folder=tmp_path / "b", steps=4, evaluate_every=3)
    list(train(recipe(), batches, plain))
    figures = [dict(step.figures) for step in train(recipe(), batches, looked, evaluate=look)]
    assert figures == [{}, {}, {"mad": 3.0, "rec": -1.0}, {"mad": 4.0, "rec": -1.0}]
    assert (plain.folder / CHECKPOINT).read_bytes() == (looked.folder / CHECKPOINT).read_bytes()
    line = read_log(looked.folder / LOG)[2]
    assert line["look.mad"] == 3.0
    assert line["rec"] > 0.0 > line["look.rec"]


def test_two_batches_gathered_are_the_mean_of_both(tmp_path: Path) -> None:
    """Without statistics and chance, by hand: the gradient of the mean of two losses."""

    class Plain(TinyObjective):
        def network(self) -> nn.Module:
            return nn.Conv2d(4, 1, 1)

        def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> Mapping[str, Tensor]:
            x = torch.cat([batch.normalised(), batch.masks_BTPHW], dim=2).flatten(0, 1)
            return {"rec": ((network(x) - batch.alphas_BTPHW.flatten(0, 1)) ** 2).mean()}

    one = recipe(objective=Plain(), weights={"rec": 3.0}, clipping=FixedNorm(most=1e9), ema=None)
    step = next(train(one, batches, Run(folder=tmp_path, steps=8)))
    network = nn.Conv2d(4, 1, 1)
    network.load_state_dict(_untrained(one, tmp_path / "0"))
    source = batches(0)
    draw = Moment(step=0, steps=8, draw=torch.Generator())
    both = [Plain().losses(network, next(source), draw)["rec"] for _ in range(2)]
    loss = 3.0 * (both[0] + both[1]) / 2
    loss.backward()
    norm = torch.stack([p.grad.norm() for p in network.parameters() if p.grad is not None]).norm()
    assert step.losses["total"] == pytest.approx(loss.item(), rel=1e-6)
    assert step.norm == pytest.approx(norm.item(), rel=1e-5)


def _untrained(one: Recipe, folder: Path) -> dict[str, Tensor]:
    """Weights that a run begins with: those it has after a step of length 0."""
    list(train(replace(one, schedule=Constant(peak=0.0)), batches, Run(folder=folder, steps=1)))
    return load_file(folder / WEIGHTS)


def test_averaged_weights_are_what_is_handed_out(tmp_path: Path) -> None:
    begun = _untrained(recipe(), tmp_path / "0")
    list(train(recipe(), batches, Run(folder=tmp_path, steps=1)))
    state, averaged = state_of(tmp_path), load_file(tmp_path / WEIGHTS)
    for name, value in averaged.items():
        assert torch.equal(value, state[f"ema/{name}"])
    name = "head.weight"
    expected = 0.9 * begun[name] + 0.1 * state[f"weights/{name}"]
    torch.testing.assert_close(averaged[name], expected)
    assert not torch.equal(averaged[name], state[f"weights/{name}"])


def test_what_is_frozen_stays_and_needs_a_start(tmp_path: Path) -> None:
    frozen = recipe(frozen=("body",))
    with pytest.raises(ConfigError, match="--start"):
        next(train(frozen, batches, Run(folder=tmp_path, steps=2)))
    start = Tiny().state_dict()
    list(train(frozen, batches, Run(folder=tmp_path, steps=2, start=start)))
    after = state_of(tmp_path)
    for name, value in start.items():
        assert torch.equal(after[f"weights/{name}"], value) == name.startswith("body"), name


def test_other_settings_are_not_resumed(tmp_path: Path) -> None:
    list(train(recipe(), batches, Run(folder=tmp_path, steps=2)))
    with pytest.raises(ConfigError, match="accumulation"):
        next(train(recipe(accumulation=1), batches, Run(folder=tmp_path, steps=2), resume=True))
    with pytest.raises(ConfigError, match="steps"):
        next(train(recipe(), batches, Run(folder=tmp_path, steps=3), resume=True))
    with pytest.raises(BackendError, match="leave --resume out"):
        next(train(recipe(), batches, Run(folder=tmp_path / "none", steps=2), resume=True))


def test_a_loss_that_is_no_number_stops_the_run_and_spoils_nothing(tmp_path: Path) -> None:
    broken = recipe(objective=TinyObjective(broken_at=2))
    with pytest.raises(BackendError, match="step 3 is no number"):
        list(train(broken, batches, Run(folder=tmp_path, steps=6, save_every=2)))
    assert read_checkpoint(tmp_path / CHECKPOINT).step == 2
    assert all(torch.isfinite(value).all() for value in state_of(tmp_path).values())


def test_the_log_has_every_step_once(tmp_path: Path) -> None:
    run = Run(folder=tmp_path, steps=4)
    list(train(recipe(), batches, run))
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert lines[0].keys() >= {"rec", "total", "rate", "norm"}
    assert lines[0]["total"] == pytest.approx(2.0 * lines[0]["rec"], rel=1e-6)
    list(train(recipe(), batches, run))
    assert len((tmp_path / LOG).read_text().splitlines()) == 4


def test_warm_up_and_cosine() -> None:
    schedule = WarmUpCosine(peak=1e-4, warm_up=1000, of=50_000, floor=1e-5, length=95_000)
    rates = [schedule.rate(step, steps=50_000) for step in (0, 499, 999, 1000, 49_999)]
    assert rates[:4] == pytest.approx([1e-7, 5e-5, 1e-4, 1e-4])
    # The released cosine is longer than what is left of the run: it ends near 5e-5, not at 1e-5.
    assert rates[4] == pytest.approx(5.27e-5, rel=1e-2)
    assert WarmUpCosine(peak=1.0, warm_up=2, of=20).rate(10, steps=10) == pytest.approx(0.0)


def test_one_cycle_is_torch_s() -> None:
    own = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(own, 1.5e-4, total_steps=52, pct_start=10 / 52)
    schedule = OneCycle(peak=1.5e-4, warm_up=1000, of=5200)
    for step in range(52):
        assert schedule.rate(step, steps=52) == pytest.approx(theirs.get_last_lr()[0], rel=1e-6), step
        own.step()
        if step < 51:
            theirs.step()


def test_clipping_by_a_running_norm() -> None:
    weight = nn.Parameter(torch.zeros(2))

    def shortened(gradient: list[float], mean: float | None) -> tuple[list[float], float, float | None]:
        weight.grad = torch.tensor(gradient)
        norm, after = clip(RunningNorm(), [weight], mean=mean)
        return weight.grad.tolist(), norm, after

    assert shortened([3.0, 4.0], None) == ([3.0, 4.0], 5.0, 5.0)
    gradient, norm, mean = shortened([30.0, 40.0], 5.0)
    assert (gradient, norm) == (pytest.approx([6.0, 8.0], rel=1e-5), 50.0)
    assert mean == pytest.approx(0.999 * 5.0 + 0.001 * 50.0)
