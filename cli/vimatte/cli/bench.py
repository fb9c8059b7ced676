"""`vimatte bench`: what the matting models cost on this machine, as a table to choose size and people by."""

from __future__ import annotations

import json
import platform
import re
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vimatte.cli import options
from vimatte.cli.talk import guarded
from vimatte.engine.errors import BackendError, Cancelled, ConfigError

if TYPE_CHECKING:
    from vimatte.engine.bench import Case, Outcome

__all__ = ["bench"]

_COLUMNS = (("model", 16), ("size", 9), ("people", 6), ("ms/frame", 9), ("cpu ms", 8), ("peak MB", 8))
_ON_GPU = (("half ms/frame", 13), ("half peak MB", 12), ("largest alpha difference", 24))


@click.command(epilog=options.EXIT_CODES)
@click.option("--matting", "names", multiple=True, metavar="NAME", help="A model, may be repeated; default: all.")
@click.option("--sizes", default="512x288,1024x576,1920x1080", show_default=True, help="Sizes of the picture.")
@click.option("--people", default="1,2,5,10", show_default=True, help="Numbers of people.")
@click.option("--frames", type=int, default=5, show_default=True, help="Frames to matte.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, mps or auto.")
@click.option("--random", is_flag=True, help="Made-up weights for published networks: no training is needed to time.")
@click.option("--limit", type=float, default=600.0, show_default=True, help="Seconds after which a row is given up.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: the machine, then each row.")
def bench(
    names: tuple[str, ...],
    sizes: str,
    people: str,
    frames: int,
    device: str,
    *,
    random: bool,
    limit: float,
    as_json: bool,
) -> None:
    """Time the matting models on this machine: milliseconds a frame and peak memory, by size and number of people.

    The shot is made up: people walk over a wall. Every row runs in a process of its own; stopping keeps what is done.
    """

    def action() -> None:
        from vimatte.engine.bench import Case, kinds_of
        from vimatte.engine.device import choose_device
        from vimatte.engine.registry import MATTING

        chosen = names or MATTING.names()
        for name in chosen:
            if name not in MATTING.names():
                raise BackendError(f"There is no matting model '{name}'; there is: {', '.join(MATTING.names())}.")
        where = choose_device(device)
        cases = [
            Case(matting=name, width=width, height=height, people=count, frames=frames, device=where, weights=weights)
            for name in chosen
            for weights in kinds_of(name, random=random)
            for width, height in _sizes(sizes)
            for count in _numbers(people)
        ]
        _run(cases, where=where, limit=limit, as_json=as_json)

    guarded(action, as_json=as_json)


def _run(cases: list[Case], *, where: str, limit: float, as_json: bool) -> None:
    from vimatte.engine.bench import RANDOM, random_weights, run_cases

    gpu = where.startswith("cuda")
    _head(cases, where=where, as_json=as_json)
    measured, lacking = 0, []
    with tempfile.TemporaryDirectory(prefix="vimatte.bench.") as temp:
        place = Path(temp)
        made_up = {(c.matting, c.weights) for c in cases if c.weights != "own"}
        for name, weights in sorted({(one, weights) for matting, weights in made_up for one in RANDOM[matting]}):
            random_weights(name, weights, into=place)
        _progress(cases, 0)
        try:
            for at, outcome in run_cases(cases, random=place, limit=limit):
                if outcome.fault == "not ready":
                    lacking.append(f"{outcome.case.matting}: {outcome.reason}")
                else:
                    measured += 1
                if outcome.fault != "not ready" or as_json:
                    _clear_progress()
                    click.echo(outcome.to_json() if as_json else _row(outcome, gpu=gpu))
                _progress(cases, at + 1)
        except KeyboardInterrupt:
            _clear_progress()
            raise Cancelled(f"Stopped after {measured} rows.") from None
    _clear_progress()
    if not measured:
        raise BackendError(f"Nothing could be measured. {' '.join(lacking)}")
    for line in lacking:
        click.echo(f"not ready  {line}", err=True)


def _head(cases: list[Case], *, where: str, as_json: bool) -> None:
    from vimatte.engine.device import describe_device

    made_up = sorted({case.matting for case in cases if case.weights != "own"})
    machine = {
        "vimatte": version("vimatte"),
        "date": datetime.now(UTC).date().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": describe_device(where),
        "python": platform.python_version(),
        "torch": version("torch"),
        "frames": cases[0].frames,
        "random_weights": made_up,
    }
    if as_json:
        click.echo(json.dumps(machine))
        return
    click.echo(
        f"vimatte {machine['vimatte']}, {machine['date']}, {machine['system']}, {machine['device']}, "
        f"Python {machine['python']}, torch {machine['torch']}; {machine['frames']} frames of made-up people"
    )
    if made_up:
        click.echo(
            f"RANDOM WEIGHTS: {', '.join(made_up)}. Their mattes mean nothing. A network that refines where it is "
            f"unsure is timed sure everywhere and unsure everywhere; trained ones lie between."
        )
    columns = (*_COLUMNS, *(_ON_GPU if where.startswith("cuda") else ()))
    click.echo(f"\n| {' | '.join(f'{name:<{width}}' for name, width in columns)} |")
    click.echo(f"|{'|'.join('-' * (width + 2) for _, width in columns)}|")


def _row(outcome: Outcome, *, gpu: bool) -> str:
    case, cost = outcome.case, outcome.cost
    of = f", {case.weights}" if case.weights in {"sure", "unsure"} else ""
    cells = [f"{case.matting}{of}", f"{case.width}x{case.height}", str(case.people)]
    if cost is None:
        cells += [outcome.reason]
    else:
        cells += [f"{cost.ms_per_frame:.0f}", f"{cost.cpu_ms_per_frame:.0f}", _mb(cost.peak_mb)]
        if gpu and outcome.half is not None and outcome.half_error is not None:
            cells += [f"{outcome.half.ms_per_frame:.0f}", _mb(outcome.half.peak_mb), f"{outcome.half_error:.1e}"]
        elif gpu:
            cells += [outcome.reason]
    columns = (*_COLUMNS, *(_ON_GPU if gpu else ()))
    cells += [""] * (len(columns) - len(cells))
    return f"| {' | '.join(f'{cell:<{width}}' for cell, (_, width) in zip(cells, columns, strict=True))} |"


def _mb(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _progress(cases: list[Case], done: int) -> None:
    """Say on the terminal what is running, in a line that is overwritten."""
    if sys.stderr.isatty() and done < len(cases):
        case = cases[done]
        what = f"{case.matting} {case.width}x{case.height}, people: {case.people}"
        sys.stderr.write(f"\r\x1b[K{done + 1} of {len(cases)}: {what} …")
        sys.stderr.flush()


def _clear_progress() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _sizes(text: str) -> list[tuple[int, int]]:
    found = [re.fullmatch(r"(\d+)[xX](\d+)", part.strip()) for part in text.split(",")]
    sizes = [(int(one[1]), int(one[2])) for one in found if one is not None]
    if len(sizes) < len(found):
        raise ConfigError(f"--sizes {text} cannot be understood; type e.g. --sizes 512x288,1920x1080")
    return sizes


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--people {text} cannot be understood; type e.g. --people 1,2,5") from None
