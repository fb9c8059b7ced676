"""`vimatte nuke`: layers as a Nuke script that reads them, one Shuffle a person."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vimatte.cli import options
from vimatte.cli.talk import guarded
from vimatte.engine.errors import ConfigError, MediaError

if TYPE_CHECKING:
    from vimatte.ocio.output_pattern import OutputPattern
    from vimatte.plugin.nuke.vimatte_glue.graph import Knob, Written

__all__ = ["nuke"]


@click.command(epilog=options.EXIT_CODES)
@click.argument("layers", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The script: comp.nk.")
@click.option("--overwrite", is_flag=True, help="Replace a script that is there.")
def nuke(layers: Path, out: Path, overwrite: bool) -> None:
    """Write a Nuke script that reads LAYERS: a Read, a Shuffle for each person, and the Cryptomatte where there is one.

    LAYERS is what vim-batch was given as --out (layers.exr, layers.####.exr), or one of the frames.
    """

    def action() -> None:
        from vimatte.ocio.whole_file import whole_file
        from vimatte.plugin.nuke.vimatte_glue.errors import UserError
        from vimatte.plugin.nuke.vimatte_glue.graph import build_graph
        from vimatte.plugin.nuke.vimatte_glue.script import nk_script

        if out.suffix != ".nk":
            raise ConfigError(f"--out {out} is no Nuke script; type --out {out.with_suffix('.nk')}")
        if out.exists() and not overwrite:
            raise ConfigError(f"{out} is there already; choose another --out, or replace it with --overwrite.")
        try:
            written, root = _written(layers)
        except UserError as error:
            raise ConfigError(str(error)) from error
        text = nk_script(build_graph(written), root=root)
        with whole_file(out, what=f"the script {out.name}") as temp:
            temp.write_text(text, encoding="utf-8", newline="\n")
        frames = len(written.numbers) or 1
        click.echo(
            f"{out}: {frames} {'frame' if frames == 1 else 'frames'}, {', '.join(p.name for p in written.people)}"
        )

    guarded(action)


def _written(layers: Path) -> tuple[Written, dict[str, Knob]]:
    """Look at the files: what a script needs to know of them, and the knobs of its Root."""
    from vimatte.plugin.nuke.vimatte_glue.graph import Written
    from vimatte.plugin.nuke.vimatte_glue.paths import plain_path

    if layers.is_dir() or layers.suffix.lower() != ".exr":
        raise ConfigError(f"'{layers}' names no layers; type for instance vimatte nuke layers.exr --out comp.nk")
    pattern = _pattern(layers.absolute())
    numbers = tuple(_numbers(pattern)) if pattern.numbered else ()
    if pattern.numbered and not numbers:
        raise MediaError(f"No layers were found at '{layers}'; give what vim-batch was given as --out.")
    first = numbers[0] if numbers else 0
    header = _header(pattern.path(first))
    crypto = pattern.sibling("crypto")
    written = Written(
        file=plain_path(_with_token(pattern)),
        people=header["people"],
        numbers=numbers,
        gaps=bool(numbers) and len(numbers) != numbers[-1] - first + 1,
        coloured=header["coloured"],
        crypto=plain_path(_with_token(crypto)) if crypto.path(first).is_file() else "",
        format=header["format"],
    )
    root: dict[str, Knob] = {}
    if numbers:
        root = {"frame": first, "first_frame": first, "last_frame": numbers[-1], "lock_range": True}
    if header["fps"]:
        root["fps"] = f"{header['fps']:.6g}"
    return written, {**root, "format": header["format"]}


def _pattern(layers: Path) -> OutputPattern:
    """Read the name as the command that wrote it did; a name that is there may be one of its frames, or a still."""
    from vimatte.ocio.output_pattern import OutputPattern
    from vimatte.ocio.sequence import split_number

    if not layers.is_file():
        return OutputPattern.parse(layers)
    part = split_number(layers.name)
    if part is None:
        return OutputPattern.parse(layers, still=True)
    return OutputPattern.parse(layers.with_name(f"{part.head}{'#' * part.digits}{part.tail}"))


def _numbers(pattern: OutputPattern) -> list[int]:
    head, tail = re.escape(f"{pattern.stem}{pattern.separator}"), re.escape(f"{pattern.suffix}.exr")
    # A minus takes the place of a digit: frame -5 is -005.
    number = f"\\d{{{pattern.digits},}}|-\\d{{{max(1, pattern.digits - 1)},}}"
    ours = re.compile(f"{head}({number}){tail}")
    try:
        names = [path.name for path in pattern.folder.iterdir()]
    except OSError as error:
        raise MediaError(f"The folder '{pattern.folder}' cannot be listed ({error.strerror}).") from error
    return sorted(n for name in names if (found := ours.fullmatch(name)) for n in [int(found[1])])


def _with_token(pattern: OutputPattern) -> Path:
    if not pattern.numbered:
        return pattern.path(0)
    return pattern.folder / f"{pattern.stem}{pattern.separator}{'#' * pattern.digits}{pattern.suffix}.exr"


def _header(path: Path) -> dict[str, Any]:
    import OpenImageIO as oiio

    from vimatte.plugin.nuke.vimatte_glue.graph import Person

    image = oiio.ImageInput.open(str(path))
    if image is None:
        raise MediaError(f"The layers file {path} cannot be read: {oiio.geterror() or 'not found'}.")
    try:
        spec = image.spec()
        channels = tuple(spec.channelnames)
        table = spec.getattribute("vimatte/instances")
        rate = spec.getattribute("framesPerSecond")
        aspect = spec.get_float_attribute("PixelAspectRatio", 1.0)
        width, height = spec.full_width, spec.full_height
    finally:
        image.close()
    names = [c.removesuffix(".A") for c in channels if c.endswith(".A")]
    if not names:
        raise MediaError(f"{path} has no person layers (channels name.A); found {', '.join(channels)}.")
    ids = {str(row["name"]): int(row["id"]) for row in json.loads(table)} if isinstance(table, str) else {}
    unknown = max(ids.values(), default=0) + 1
    people = tuple(Person(id=ids.get(name, unknown + at), name=name) for at, name in enumerate(names))
    return {
        "people": people,
        "coloured": f"{names[0]}.R" in channels,
        "fps": rate[0] / rate[1] if isinstance(rate, tuple) and rate[1] else 0.0,
        "format": f"{width} {height} 0 0 {width} {height} {aspect:.6g} ",
    }
