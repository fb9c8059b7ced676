"""Options that several commands share, declared once; each is named after the job's field."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from vimatte.engine.errors import ConfigError
from vimatte.engine.registry import MATTING
from vimatte.engine.vis.backend import MIN_AREA, MIN_DURATION
from vimatte.engine.vis.carriers import CARRIER, CARRIERS
from vimatte.ocio.compressions import COMPRESSIONS

__all__ = ["EXIT_CODES", "box", "finding", "names_of", "opening", "output", "point", "reading", "reporting"]

_F = TypeVar("_F", bound=Callable[..., Any])

EXIT_CODES = """\b
Exit codes: 0 done; 2 wrong option or frame range; 3 clip, colour space or output file at fault;
4 people finder, model or weights at fault, or nobody found; 5 device at fault;
6 some shots of a list failed; 130 stopped by you."""


def _stack(*decorators: Callable[[_F], _F]) -> Callable[[_F], _F]:
    def apply(function: _F) -> _F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


def opening(function: _F) -> _F:
    """How a shot is opened whose frames are known."""
    return _stack(
        click.option(
            "--start-frame", type=int, default=1001, show_default=True, help="Number of a movie's first frame."
        ),
        click.option("--in-space", metavar="NAME", help="Colour space of the plate; default: what the file says."),
        click.option("--ocio", metavar="CONFIG", help="OCIO config (path or ocio://…); default: $OCIO, else built in."),
    )(function)


def reading(function: _F) -> _F:
    """How the shot is read."""
    return _stack(
        click.option("--frames", metavar="RANGE", help="Frames in the shot's own numbers: 1001-1040, 1001-1040x2."),
        click.option(
            "--missing",
            type=click.Choice(["error", "skip"]),
            default="error",
            show_default=True,
            help="What to do about frames a sequence lacks.",
        ),
        opening,
    )(function)


def finding(function: _F) -> _F:
    """Who is found and followed."""
    return _stack(
        click.option(
            "--masks",
            type=click.Path(path_type=Path),
            help="Masks of the people: first frame, keyframes or all frames (folder per person, label image, RGBA, "
            "EXR layers, Cryptomatte).",
        ),
        click.option(
            "--vis",
            default="auto",
            show_default=True,
            help="Who finds people: auto, blazepose, masks, videomt, sam3, sam2, edgetam, detect.",
        ),
        click.option(
            "--weights",
            type=click.Path(path_type=Path),
            help="Folder of the people finder's weights; default: those of vimatte weights pull.",
        ),
        click.option(
            "--prompt",
            help="What to find instead of people ('dog', with sam3 any words: 'red car'); with sam2 and edgetam boxes "
            "and clicks.",
        ),
        click.option(
            "--propagate",
            type=click.Choice(CARRIERS),
            help="Who carries masks to the frames between: lite, a network, or classical, quicker and less exact; "
            f"default: {CARRIER}.",
        ),
        click.option(
            "--clean-edges",
            is_flag=True,
            help="Outline found people again with MobileSAM where they are followed from (vimatte weights pull "
            "mobile_sam); seconds a keyframe on a CPU.",
        ),
        click.option("--max-instances", type=int, help="Keep at most so many people."),
        click.option(
            "--min-area", type=float, default=MIN_AREA, show_default=True, help="Smallest person, share of the picture."
        ),
        click.option(
            "--min-duration", type=int, default=MIN_DURATION, show_default=True, help="Shortest stay in frames."
        ),
        click.option("--detect-every", type=int, help="Look for people on every n-th frame."),
        click.option(
            "--name",
            "name",
            multiple=True,
            metavar="ID=NAME",
            help="Name a person's layer: --name 1=anna --name person_02=bruno.",
        ),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps."),
    )(function)


def output(function: _F) -> _F:
    """What is written."""
    return _stack(
        click.option(
            "--matting", default="lite", show_default=True, help=f"Matting model: {', '.join(MATTING.names())}."
        ),
        click.option(
            "--proxy",
            type=click.IntRange(1, 8),
            default=1,
            show_default=True,
            help="Matte at 1/2, 1/4 or 1/8 size for a quick look; files keep the plate's size.",
        ),
        click.option(
            "--layers",
            type=click.Choice(["alpha", "rgba"]),
            default="alpha",
            show_default=True,
            help="rgba adds each person's own colour, premultiplied.",
        ),
        click.option("--plate/--no-plate", default=True, show_default=True, help="Write R,G,B,A beside the people."),
        click.option("--depth", type=click.Choice(["half", "float"]), default="half", show_default=True),
        click.option("--compression", type=click.Choice(COMPRESSIONS), default="zip", show_default=True),
        click.option(
            "--working-space",
            default="auto",
            show_default=True,
            metavar="NAME",
            help="Colour space of R,G,B: auto (a scene-linear plate stays as it is), source (untouched) or a name.",
        ),
        click.option("--cryptomatte", is_flag=True, help="Write a Cryptomatte file a frame as well."),
        click.option("--preview", is_flag=True, help="Write an MP4 and a contact sheet as well."),
        click.option("--resume", is_flag=True, help="Keep frames that are whole and made by the same settings."),
        click.option("--overwrite", is_flag=True, help="Replace what is there."),
    )(function)


def reporting(function: _F) -> _F:
    """How the command talks."""
    return _stack(
        click.option("--quiet", is_flag=True, help="Say only warnings and errors."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output."),
    )(function)


def point(text: str, *, option: str) -> tuple[float, float]:
    """Read 'X,Y'. Raises ConfigError."""
    numbers = _numbers(text)
    if len(numbers) != 2:
        raise ConfigError(f"{option} takes X,Y in pixels, for instance {option} 512,300, found '{text}'.")
    return numbers[0], numbers[1]


def box(text: str) -> tuple[float, float, float, float]:
    """Read 'X0,Y0,X1,Y1'. Raises ConfigError."""
    numbers = _numbers(text)
    if len(numbers) != 4 or numbers[0] >= numbers[2] or numbers[1] >= numbers[3]:
        raise ConfigError(
            f"--box takes X0,Y0,X1,Y1 in pixels, upper left and lower right corner, for instance "
            f"--box 400,120,620,700, found '{text}'."
        )
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _numbers(text: str) -> list[float]:
    """The finite numbers of a list with commas; nothing when one is none."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return []
    return numbers if all(math.isfinite(n) for n in numbers) else []


def names_of(pairs: tuple[str, ...]) -> Mapping[str, str]:
    """Turn ('1=anna', …) into a mapping. Raises ConfigError."""
    names: dict[str, str] = {}
    for pair in pairs:
        old, mark, new = pair.partition("=")
        if not mark or not old or not new:
            raise ConfigError(f"--name takes ID=NAME, for instance --name 1=anna, found '{pair}'.")
        names[old.strip()] = new.strip()
    return names
