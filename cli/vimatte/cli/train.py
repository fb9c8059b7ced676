"""`vimatte train`: train a matting network by the recipe of its paper."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vimatte.cli import options
from vimatte.cli.talk import guarded
from vimatte.cli.train_people import people

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from vimatte.engine.training.loop import Run, Step
    from vimatte.engine.training.recipes import Data, Recipe

__all__ = ["train"]

_LOOKS = 4
"""Clips that an evaluation looks at."""
_HELD_OUT = "val"
_UNSEEN = 1_000_003
"""Added to the seed for clips to look at where no people are held out."""


class _Train(click.Command):
    """`train RECIPE …`, but for `train people …`, which makes what recipes train on."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] == ["people"]:
            return people.make_context(f"{info_name} people", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=_Train, epilog=options.EXIT_CODES)
@click.argument("recipe", required=False)
@click.option(
    "--data",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="people/ with alpha, backgrounds/ if there are any, and val/ with the same for evaluation if it is there.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Checkpoint, weights, log and pictures.")
@click.option("--steps", type=click.IntRange(1), help="Length of the run; default: the published one.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in --out, to the bit.")
@click.option(
    "--start", metavar="FILE", help="Weights to begin with: .safetensors, the name of an imported set, or imagenet."
)
@click.option("--set", "switches", multiple=True, metavar="KEY=VALUE", help="A switch of the recipe: erase=off …")
@click.option("--clips", type=click.IntRange(1), help="Clips at once; what a step gathers stays the same.")
@click.option("--crop", type=click.IntRange(64), help="Side of the pictures, a multiple of 64.")
@click.option("--frames", type=click.IntRange(1), help="Frames of a clip.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of weights, clips and all chance.")
@click.option("--workers", type=click.IntRange(0), default=0, show_default=True, help="Processes that composite.")
@click.option("--save-every", type=click.IntRange(1), default=500, show_default=True, help="Steps between checkpoints.")
@click.option("--look-every", type=click.IntRange(1), default=500, show_default=True, help="Steps between evaluations.")
@click.option("--full-precision", is_flag=True, help="Never compute in bfloat16.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
def train(recipe: str | None, **values: Any) -> None:
    """Train by RECIPE: instmatt, instmatt_refiner, lite_matte, lite_propagate, maggie_image, maggie_video,
    msg_vim or oavm.

    Clips are composited as they are needed, from people with alpha and backgrounds. Ctrl-C finishes the step and leaves
    a checkpoint; --resume goes on as if nothing had happened. `vimatte train people` renders people to train on.
    """
    guarded(lambda: _train(recipe, **values))


def _train(
    name: str | None,
    *,
    folder: Path | None,
    out: Path | None,
    steps: int | None,
    resume: bool,
    start: str | None,
    switches: tuple[str, ...],
    clips: int | None,
    crop: int | None,
    frames: int | None,
    seed: int,
    workers: int,
    save_every: int,
    look_every: int,
    full_precision: bool,
    device: str,
    quiet: bool,
) -> None:
    from vimatte.engine.device import choose_device
    from vimatte.engine.errors import Cancelled, ConfigError
    from vimatte.engine.training.evaluation import Evaluation
    from vimatte.engine.training.loop import CHECKPOINT, WEIGHTS, Run
    from vimatte.engine.training.loop import train as run_recipe
    from vimatte.engine.training.recipes import RECIPES, recipe_for
    from vimatte.engine.training.recipes.feed import Feed

    if name is None:
        raise ConfigError(f"Name a recipe: {', '.join(RECIPES)}; for instance: vimatte train msg_vim --data D --out O")
    if folder is None or out is None:
        raise ConfigError("Training needs --data DIR with people/ (and backgrounds/) and --out DIR.")
    if (out / CHECKPOINT).exists() and not resume:
        raise ConfigError(f"There is a run in '{out}' already; type --resume to go on with it, or give another --out.")
    recipe = _fitted(recipe_for(name, _pairs(switches)), clips=clips, crop=crop, frames=frames)
    run = Run(
        folder=out,
        steps=steps or recipe.steps,
        seed=seed,
        device=choose_device(device),
        save_every=save_every,
        evaluate_every=look_every,
        half=not full_precision,
        start=_weights(start),
    )
    feed = Feed(data=recipe.data, folder=folder, seed=seed, workers=workers)
    held_out = (folder / _HELD_OUT).is_dir()
    looks = Feed(
        data=replace(recipe.data, clips=1),
        folder=folder / _HELD_OUT if held_out else folder,
        seed=seed if held_out else seed + _UNSEEN,
    )
    if not quiet:
        for line in (*_plan(recipe, run, folder, held_out=held_out, start=start), *feed.notes()):
            click.echo(line, err=True)
    look = Evaluation(
        recipe.objective, list(islice(looks.batches(0), _LOOKS)), folder=out / "pictures", device=run.device
    )
    with _stopping() as stopped:
        last: Step | None = None
        taken, spent = 0, 0.0
        for last in run_recipe(recipe, feed.batches, run, resume=resume, evaluate=look, stop=stopped):
            taken, spent = taken + 1, spent + last.seconds
            if not quiet:
                _say(last, run, pace=spent / taken)
    if last is not None and last.step < run.steps:
        raise Cancelled(f"Stopped after step {last.step} of {run.steps}; the same command with --resume goes on.")
    if not quiet:
        click.echo(f"done: {out / WEIGHTS}", err=True)


def _fitted(recipe: Recipe, *, clips: int | None, crop: int | None, frames: int | None) -> Recipe:
    """Other sizes than the paper's; a step gathers as many clips as before, or the next more."""
    from vimatte.engine.errors import ConfigError

    data: Data = recipe.data
    changed = replace(data, clips=clips or data.clips, crop=crop or data.crop, frames=frames or data.frames)
    if changed.crop % 64:
        raise ConfigError(
            f"--crop must be a multiple of 64, found {changed.crop}; type --crop {changed.crop // 64 * 64}."
        )
    if changed.clips * changed.frames < 2 and not recipe.frozen:
        raise ConfigError("Statistics of a batch need two pictures or more; type --clips 2.")
    gathered = -(-data.clips * recipe.accumulation // changed.clips)
    return replace(recipe, data=changed, accumulation=gathered)


def _pairs(switches: tuple[str, ...]) -> dict[str, str]:
    from vimatte.engine.errors import ConfigError

    pairs = {}
    for text in switches:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set takes KEY=VALUE, for instance erase=off, found '{text}'.")
        pairs[key.strip()] = value.strip()
    return pairs


def _weights(start: str | None) -> Mapping[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from vimatte.engine.checkpoints import load_state
    from vimatte.engine.errors import BackendError
    from vimatte.engine.lite.start import START, imagenet_start

    if start is None:
        return {}
    if start == START:
        return imagenet_start()
    path = Path(start)
    if path.suffix != ".safetensors":
        return load_state(start).tensors
    try:
        return load_file(path)
    except (FileNotFoundError, SafetensorError) as error:
        raise BackendError(f"--start '{path}' cannot be read ({error}); give a .safetensors file of weights.") from None


def _plan(recipe: Recipe, run: Run, folder: Path, *, held_out: bool, start: str | None) -> Iterator[str]:
    data = recipe.data
    yield f"recipe    {recipe.name}: {run.steps} steps of {data.clips * recipe.accumulation} clips"
    gathered = f", gathered from {recipe.accumulation} batches of {data.clips}" if recipe.accumulation > 1 else ""
    yield f"clips     {data.frames} frames of {data.crop}x{data.crop}, composed as {data.protocol}{gathered}"
    yield f"losses    {', '.join(f'{name} {weight:g}' for name, weight in recipe.weights.items() if weight)}"
    if start is not None:
        yield f"start     {start}"
    elif recipe.start is not None:
        yield f"start     random weights; its authors began with {recipe.start} (--start)"
    looked = "people held out" if held_out else f"the people trained on: {folder / _HELD_OUT} is not there"
    yield f"evaluate  every {run.evaluate_every} steps, {_LOOKS} clips of {looked}"
    yield f"device    {run.device}"
    yield f"out       {run.folder}"


def _say(step: Step, run: Run, *, pace: float) -> None:
    """A line now and then: the first steps, every hundredth of the run, and evaluations."""
    every = max(1, run.steps // 100)
    if step.step > 3 and step.step % every and not step.figures and step.step != run.steps:
        return
    parts = [f"{name} {value:.4g}" for name, value in step.losses.items()]
    figures = [f"{name} {value:.2f}" for name, value in step.figures.items()]
    left = (run.steps - step.step) * pace
    click.echo(
        f"step {step.step}/{run.steps}  {'  '.join(parts)}  rate {step.rate:.2g}  norm {step.norm:.3g}"
        f"{''.join(f'  [{figure}]' for figure in figures)}  {step.seconds:.2f} s, {left / 60:.0f} min left",
        err=True,
    )


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C or SIGTERM into a wish that is heard after the step; the second interrupts at once."""
    asked = False

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        click.echo("Stopping after this step; again: at once.", err=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
