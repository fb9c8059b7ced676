"""`vimatte train people`: render people with exact alpha to train on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vimatte.cli import options
from vimatte.cli.talk import guarded

if TYPE_CHECKING:
    from vimatte.engine.training.people import ClipWritten

__all__ = ["people"]


@click.command(epilog=options.EXIT_CODES)
@click.option("--assets", type=click.Path(path_type=Path), metavar="DIR", help="What people are built from.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where clips go; those there are kept.")
@click.option("--clips", type=click.IntRange(1), default=4, show_default=True, help="How many.")
@click.option("--start", type=click.IntRange(0), default=0, show_default=True, help="Number of the first.")
@click.option("--frames", type=click.IntRange(1), default=8, show_default=True, help="Of each clip.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed, other people.")
@click.option("--size", type=click.IntRange(96, 4096), default=512, show_default=True, help="Longer side, pixels.")
@click.option(
    "--passes", type=click.IntRange(1, 1000), default=24, show_default=True, help="Drawings averaged a frame."
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Frames drawn side by side.")
@click.option("--shot", metavar="NAME", help="full, threequarter, medium or mcu.")
@click.option("--motion", metavar="NAME", help="cmu, gesture or pose.")
@click.option("--hair", metavar="NAME", help="A style; an unknown one lists them.")
@click.option("--light", metavar="NAME", help="sunny, overcast, studio, sunset, indoor, hard, flat or backlit.")
@click.option("--sex", metavar="NAME", help="female or male.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
def people(
    assets: Path | None,
    out: Path | None,
    clips: int,
    start: int,
    frames: int,
    seed: int,
    size: int,
    passes: int,
    threads: int,
    shot: str | None,
    motion: str | None,
    hair: str | None,
    light: str | None,
    sex: str | None,
    quiet: bool,
) -> None:
    """Render clips of people with exact alpha, for --data DIR/people of `vimatte train`.

    Everything about a clip follows from --seed and its number (and --frames, --size, --passes and the filters): stopped
    work goes on with the same command, and machines share it with --start. The assets are built once by
    install_scripts/build_people_assets.py.
    """

    def action() -> None:
        from vimatte.engine.errors import ConfigError
        from vimatte.engine.training.people import (
            LIGHTS,
            MOTIONS,
            SHOTS,
            STYLES,
            Filters,
            Order,
            best_rasteriser,
            load_assets,
            open_studio,
            write_people,
        )

        if assets is None or out is None:
            raise ConfigError("Rendering people needs --assets DIR and --out DIR (docs/training_people.md).")
        for option, value, known in (
            ("--shot", shot, SHOTS),
            ("--motion", motion, MOTIONS),
            ("--hair", hair, STYLES),
            ("--light", light, LIGHTS),
            ("--sex", sex, ("female", "male")),
        ):
            if value is not None and value not in known:
                raise ConfigError(f"{option} {value} is not known; type one of {', '.join(known)}.")
        order = Order(
            clips=clips,
            start=start,
            frames=frames,
            seed=seed,
            size=size,
            passes=passes,
            threads=threads,
            filters=Filters(shot=shot, motion=motion, hair=hair, light=light, sex=sex),
        )
        studio = open_studio(load_assets(assets))
        rasterise, how = best_rasteriser()
        if how == "numpy" and not quiet:
            click.echo(
                "No C compiler: the same pictures take about twenty times as long (set CC to name one).", err=True
            )
        for written in write_people(studio, out, order, rasterise):
            if not quiet:
                click.echo(_line(written, clips), err=True)
        if not quiet:
            click.echo(f"done: {out}", err=True)

    guarded(action)


def _line(written: ClipWritten, clips: int) -> str:
    if not written.meta:
        return f"clip {written.number}/{clips}  {written.folder.name}  is there"
    meta = written.meta
    width, height = meta["size"]
    what = f"{meta['shot']}, {meta['motion']['kind']}, {meta['hair']['hair']}, {meta['light']}"
    return f"clip {written.number}/{clips}  {written.folder.name}  {width}x{height}  {what}  {written.seconds:.1f} s"
