"""`vimatte nuke`: layers as a Nuke script that reads them, one Shuffle a person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vimatte.cli import options
from vimatte.cli.talk import guarded
from vimatte.engine.errors import ConfigError, MediaError

if TYPE_CHECKING:
    from vimatte.plugin.nuke.vimatte_glue.graph import Knob, Person, Written

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
    from vimatte.ocio.output_pattern import OutputPattern
    from vimatte.plugin.nuke.vimatte_glue.graph import Written
    from vimatte.plugin.nuke.vimatte_glue.paths import plain_path

    pattern, files = _files(layers)
    first = next(iter(files.values()))
    header = _header(first)
    root: dict[str, Knob] = {}
    numbers: tuple[int, ...] = ()
    if pattern != first:
        numbers = tuple(files)
        root = {"frame": numbers[0], "first_frame": numbers[0], "last_frame": numbers[-1], "lock_range": True}
    if header["fps"]:
        root["fps"] = f"{header['fps']:.6g}"
    root["format"] = header["format"]
    crypto = OutputPattern.parse(pattern, still=not numbers).sibling("crypto")
    token = "#" * crypto.digits
    crypto_path = crypto.path(numbers[0] if numbers else 0)
    crypto_name = f"{crypto.stem}{crypto.separator}{token}{crypto.suffix}.exr" if numbers else crypto_path.name
    people: tuple[Person, ...] = header["people"]
    written = Written(
        file=plain_path(pattern.absolute()),
        people=people,
        numbers=numbers,
        gaps=bool(numbers) and len(numbers) != numbers[-1] - numbers[0] + 1,
        coloured=header["coloured"],
        format=header["format"],
    )
    if crypto_path.is_file():
        written = replace(written, crypto=plain_path(pattern.absolute().with_name(crypto_name)))
    return written, root


def _files(layers: Path) -> tuple[Path, Mapping[int, Path]]:
    """Find the layers: their name with `#` for digits, or of a still its own, and the file of each frame."""
    from vimatte.ocio.sequence import find_sequence

    if layers.is_dir() or layers.suffix.lower() != ".exr":
        raise ConfigError(f"'{layers}' names no layers; type for instance vimatte nuke layers.exr --out comp.nk")
    found = find_sequence(layers)
    if found is None and layers.is_file():
        return layers, {0: layers}
    if found is None:
        found = find_sequence(layers.with_name(f"{layers.stem}.####{layers.suffix}"))
    if found is None or not found.files:
        raise MediaError(f"No layers were found at '{layers}'; look at what vim-batch was given as --out.")
    return found.pattern, found.files


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
