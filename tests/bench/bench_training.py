"""Whether each recipe can learn: overfit two clips of two discs of 64 pixels from random weights; prints a table.

    OMP_NUM_THREADS=1 python tests/bench/bench_training.py [--recipe NAME …] [--steps 100] [--rate 1e-3] [--out FOLDER]
                                [--start FILE]

The losses, weights, curriculum, optimiser and clipping are the recipe's; the rate is one cycle to --rate, since papers
warm up for longer than this runs, and one batch is a step. MaGGIe's attention does not bear 1e-3, and its people are in
slots drawn anew at every step, all ten of which have to be learned: --rate 3e-4 --steps 200. `loss` is the mean of the
first and of the last five steps; MAD (times 1000) is over both people in evaluation, statistics of batch norms taken
anew; `empty` is that of no matte. The refiner needs a branch that has learned: --recipe instmatt_refiner
--start FOLDER/instmatt/weights.safetensors.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from vimatte.engine.training.evaluation import Evaluation
from vimatte.engine.training.loop import Run, train
from vimatte.engine.training.optim import OneCycle
from vimatte.engine.training.recipes import RECIPES, Moment, Objective, recipe_for
from vimatte.engine.training.recipes.batch import Batch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.discs import disc_clips


def settled(network: nn.Module, objective: Objective, batch: Batch) -> nn.Module:
    """Take the statistics of batch norms anew: so short a run leaves them behind its weights."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.reset_running_stats()
            module.momentum = None
    network.train()
    with torch.no_grad():
        for turn in range(4):
            objective.losses(network, batch, Moment(step=9, steps=10, draw=torch.Generator().manual_seed(turn)))
    return network.eval()


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--recipe", action="append", choices=sorted(RECIPES))
    options.add_argument("--steps", type=int, default=100)
    options.add_argument("--rate", type=float, default=1e-3)
    options.add_argument("--out", type=Path)
    options.add_argument("--start", type=Path)
    chosen = options.parse_args()
    sys.stdout.write("| recipe | steps | s | loss | last | times less | MAD before | after | empty |\n")
    sys.stdout.write("|---|---|---|---|---|---|---|---|---|\n")
    for name in chosen.recipe or [n for n in RECIPES if n != "instmatt_refiner"]:
        recipe = recipe_for(name)
        batch = disc_clips(clips=2, frames=3 if recipe.data.frames > 1 else 1, people=2)
        recipe = replace(
            recipe, accumulation=1, schedule=OneCycle(peak=chosen.rate, warm_up=chosen.steps // 10, of=chosen.steps)
        )

        def endless(_first: int, batch: Batch = batch) -> Iterator[Batch]:
            while True:
                yield batch

        with tempfile.TemporaryDirectory() as folder:
            out = chosen.out / name if chosen.out else Path(folder)
            start = load_file(chosen.start) if chosen.start else {}
            run = Run(folder=out, steps=chosen.steps, save_every=10**9, evaluate_every=10**9, start=start)
            look = Evaluation(recipe.objective, [batch], folder=out, device="cpu")

            def settle_and_look(network: nn.Module, step: int) -> dict[str, float]:
                ready = network.eval() if recipe.frozen else settled(network, recipe.objective, batch)  # noqa: B023
                return look(ready, step)  # noqa: B023 - called within this turn

            torch.manual_seed(0)
            fresh = recipe.objective.network()
            fresh.load_state_dict(start, strict=False)
            first = settle_and_look(fresh, 0)["mad"]
            began = time.perf_counter()
            steps = list(train(recipe, endless, run, evaluate=settle_and_look))
            seconds = time.perf_counter() - began
            early = sum(s.losses["total"] for s in steps[:5]) / 5
            late = sum(s.losses["total"] for s in steps[-5:]) / 5
            empty = 1e3 * batch.alphas_BTPHW.mean().item()
            sys.stdout.write(
                f"| {name} | {chosen.steps} | {seconds:.0f} | {early:.3f} | {late:.3f} | {early / late:.1f} | "
                f"{first:.1f} | {steps[-1].figures['mad']:.1f} | {empty:.1f} |\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
