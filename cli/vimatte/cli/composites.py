"""`vimatte composites`: look at the clips that training would make of some footage."""

from __future__ import annotations

import re
from pathlib import Path

import click

from vimatte.cli import options
from vimatte.cli.talk import guarded
from vimatte.engine.errors import ConfigError

__all__ = ["composites"]

_PROTOCOLS = ("vim50", "i-him50k", "v-him2k5", "v-him2k5-hard", "instmatt", "oavm")
_FOLDER = click.Path(path_type=Path)


@click.command(epilog=options.EXIT_CODES)
@click.option(
    "--people",
    multiple=True,
    required=True,
    type=_FOLDER,
    help="Folder of people with alpha; repeatable.",
)
@click.option("--backgrounds", multiple=True, type=_FOLDER, help="Folder of footage without people; repeatable.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="Sheet: .png, .jpg, .webp.")
@click.option("--protocol", default="vim50", show_default=True, help=f"One of {', '.join(_PROTOCOLS)}.")
@click.option("--count", type=click.IntRange(1, 400), default=20, show_default=True, help="Clips to show.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Another seed, other clips.")
@click.option("--frames", type=click.IntRange(1, 64), default=5, show_default=True, help="Frames a clip; 1 for stills.")
@click.option("--size", default="512x512", show_default=True, help="Size of the clips.")
@click.option("--guidance", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="How wrong masks are.")
def composites(
    people: tuple[Path, ...],
    backgrounds: tuple[Path, ...],
    out: Path,
    protocol: str,
    count: int,
    seed: int,
    frames: int,
    size: str,
    guidance: float,
) -> None:
    """Draw a sheet of the clips that training makes on the fly: picture, guidance and truth of each.

    Without --backgrounds people stand before shapes. Give no footage here that scores will be reported on.
    """

    def action() -> None:
        from vimatte.engine.training.data import PROTOCOLS, Settings, TrainingClips
        from vimatte.engine.training.data.sheet import save_sheet

        if protocol not in PROTOCOLS:
            raise ConfigError(f"There is no protocol '{protocol}'; there is: {', '.join(PROTOCOLS)}.")
        if out.suffix.lower() not in {".png", ".jpg", ".webp"}:
            raise ConfigError(f"--out {out} names no picture; type e.g. --out {out.stem or 'sheet'}.png")
        asked = re.fullmatch(r"(\d+)[xX](\d+)", size)
        if asked is None:
            raise ConfigError(f"--size {size} cannot be understood; type e.g. --size 512x512")
        settings = Settings(
            protocol=PROTOCOLS[protocol], frames=frames, width=int(asked[1]), height=int(asked[2]), guidance=guidance
        )
        clips = TrainingClips(people, backgrounds, settings=settings, seed=seed, length=count)
        for note in clips.notes:
            click.echo(note, err=True)
        save_sheet(out, (clips[i] for i in range(count)))
        behind = "dead leaves only" if clips.backgrounds is None else f"{len(clips.backgrounds)} backgrounds"
        click.echo(f"{out}: {count} clips of {len(clips.people)} people before {behind}.")

    guarded(action)
