"""`vimatte tracks`: look at saved tracks and correct them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from vimatte.cli.talk import guarded

__all__ = ["tracks"]

_FOLDER = click.argument("folder", type=click.Path(path_type=Path))
_OUT = click.option("--out", type=click.Path(path_type=Path), help="Save there instead of in place.")


@click.group()
def tracks() -> None:
    """Look at saved tracks and correct them. Every edit keeps the ids of the people it does not touch."""


@tracks.command()
@_FOLDER
@click.option("--json", "as_json", is_flag=True, help="Print the track file's own JSON.")
def show(folder: Path, as_json: bool) -> None:
    """Say who is on which frames."""

    def action() -> None:
        from vimatte.engine.tracks import TrackSet
        from vimatte.ocio.frame_range import FrameRange

        found = TrackSet.load(folder)
        if as_json:
            click.echo((folder / "tracks.json").read_text(encoding="utf-8"), nl=False)
            return
        table = Table("id", "name", "label", "score", "frames", "keys", "mean area", box=None, header_style="bold")
        for one in found.instances:
            on = found.presence(one.id)
            area = sum(found.masks[one.id][f].area for f in on) / max(1, len(on)) / (found.width * found.height)
            keys = FrameRange.of(found.keys.get(one.id, ()))
            table.add_row(
                str(one.id), one.name, one.label, f"{one.score:.2f}", str(FrameRange.of(on)), str(keys), f"{area:.1%}"
            )
        console = Console(highlight=False)
        console.print(
            f"{found.width}x{found.height}, frames {FrameRange.of(found.frames)}, {len(found.instances)} people"
        )
        console.print(table)

    guarded(action)


@tracks.command()
@_FOLDER
@click.argument("pairs", nargs=-1, required=True, metavar="ID=NAME…")
@_OUT
def rename(folder: Path, pairs: tuple[str, ...], out: Path | None) -> None:
    """Give people new layer names: rename shot.tracks 1=anna person_02=bruno."""

    def action() -> None:
        from vimatte.cli.options import names_of

        names = names_of(pairs)
        _edit(folder, out, lambda found: found.rename(names))

    guarded(action)


@tracks.command()
@_FOLDER
@click.argument("into")
@click.argument("others", nargs=-1, required=True)
@_OUT
def merge(folder: Path, into: str, others: tuple[str, ...], out: Path | None) -> None:
    """Make one person of several: INTO keeps its id and name, OTHERS join it."""
    guarded(lambda: _edit(folder, out, lambda found: found.merge(into, *others)))


@tracks.command()
@_FOLDER
@click.argument("person")
@click.option("--at", "frame", type=int, required=True, help="First frame of the new person.")
@click.option("--name", help="Name of the new person.")
@_OUT
def split(folder: Path, person: str, frame: int, name: str | None, out: Path | None) -> None:
    """From a frame on PERSON is somebody else, with a new id."""
    guarded(lambda: _edit(folder, out, lambda found: found.split(person, frame, name=name)))


@tracks.command()
@_FOLDER
@click.argument("people", nargs=-1, required=True)
@_OUT
def drop(folder: Path, people: tuple[str, ...], out: Path | None) -> None:
    """Leave PEOPLE out; their ids are not used again."""
    guarded(lambda: _edit(folder, out, lambda found: found.drop(people)))


def _edit(folder: Path, out: Path | None, change: Callable) -> None:  # type: ignore[type-arg]
    from vimatte.engine.tracks import TrackSet

    changed = change(TrackSet.load(folder))
    changed.save(out or folder)
    click.echo(f"{out or folder}: {', '.join(f'{i.id}={i.name}' for i in changed.instances) or 'nobody'}")
