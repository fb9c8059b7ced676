"""`vimatte tracks`: look at saved tracks and correct them."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from vimatte.cli import options
from vimatte.cli.talk import guarded, report

if TYPE_CHECKING:
    from vimatte.engine.events import Event
    from vimatte.engine.vis.correct import Correction

__all__ = ["tracks"]

_FOLDER = click.argument("folder", type=click.Path(path_type=Path))
_OUT = click.option("--out", type=click.Path(path_type=Path), help="Save there instead of in place.")


@click.group()
def tracks() -> None:
    """Look at saved tracks and correct them.

    Every edit keeps the ids of the people it does not touch, and the tracks as they were beside it: FOLDER.1, .2 …
    """


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


@tracks.command()
@_FOLDER
@click.option("--shot", type=click.Path(path_type=Path), required=True, help="The shot these tracks were made from.")
@click.option("--frame", type=int, required=True, help="The frame that is set right.")
@click.option("--name", required=True, help="Who it is (name or id); a new name adds a person.")
@click.option("--mask", type=click.Path(path_type=Path), help="The right mask: white on black, or alpha.")
@click.option("--click", "clicks", multiple=True, metavar="X,Y", help="A pixel of the person; several are better.")
@click.option("--not", "nots", multiple=True, metavar="X,Y", help="A pixel that is not the person.")
@click.option("--box", metavar="X0,Y0,X1,Y1", help="A box around the person.")
@_OUT
@options.opening
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@options.reporting
def fix(folder: Path, out: Path | None, quiet: bool, as_json: bool, **values: Any) -> None:
    """Set one person's mask right on one frame, and carry it to their keyframes around it.

    \b
    vimatte tracks fix shot.tracks --shot shot.mov --frame 1042 --name anna --mask m.png
    vimatte tracks fix shot.tracks --shot shot.mov --frame 1042 --name anna --click 512,300 --not 600,310

    Clicks and boxes need the weights mobile_sam, and are in pixels of the shot, from its upper left corner.
    """

    def action() -> None:
        from vimatte.engine.pipeline.correct_pass import Prompt, correct_tracks
        from vimatte.engine.tracks import TrackSet

        prompt = Prompt(
            mask=values.pop("mask"),
            clicks=tuple(options.point(text, option="--click") for text in values.pop("clicks")),
            nots=tuple(options.point(text, option="--not") for text in values.pop("nots")),
            box=None if (box := values.pop("box")) is None else options.box(box),
        )
        result: list[Correction] = []

        def run() -> Generator[Event]:
            correction = yield from correct_tracks(
                values.pop("shot"),
                TrackSet.load(folder),
                person=values.pop("name"),
                frame=values.pop("frame"),
                prompt=prompt,
                **values,
            )
            result.append(correction)

        report(run(), quiet=quiet, as_json=as_json)
        _corrected(result[0], folder, out, as_json=as_json)

    guarded(action, as_json=as_json)


@tracks.command()
@_FOLDER
@click.argument("person")
@click.option("--frames", required=True, metavar="RANGE", help="Frames on which PERSON is not there: 1001-1010.")
@_OUT
def cut(folder: Path, person: str, frames: str, out: Path | None) -> None:
    """Say that PERSON is not there on some frames; nobody else changes."""

    def action() -> None:
        from vimatte.engine.tracks import TrackSet
        from vimatte.engine.vis.correct import cut as cut_out
        from vimatte.ocio.frame_range import FrameRange

        found = TrackSet.load(folder)
        _corrected(cut_out(found, person=person, frames=FrameRange.parse(frames)), folder, out)

    guarded(action)


@tracks.command()
@_FOLDER
def undo(folder: Path) -> None:
    """Go back to the tracks as they were before the last edit."""

    def action() -> None:
        from vimatte.engine.track_history import undo as put_back

        click.echo(f"{folder}: as it was kept in {put_back(folder)}")

    guarded(action)


def _corrected(correction: Correction, folder: Path, out: Path | None, *, as_json: bool = False) -> None:
    """Save a correction and say what it changed."""
    from vimatte.engine.track_history import save_edit
    from vimatte.ocio.frame_range import FrameRange

    place = out or folder
    kept = save_edit(correction.tracks, place)
    reach, changed = FrameRange.of(correction.reach), FrameRange.of(correction.changed)
    one = correction.person
    if as_json:
        line = {"event": "corrected", "path": str(place), "id": one.id, "name": one.name}
        line |= {"reach": str(reach), "changed": str(changed), "kept": str(kept) if kept else None}
        click.echo(json.dumps(line))
        return
    count = f"{len(changed)} of {len(correction.tracks.frames)} frames"
    click.echo(f"{place}: {one.name} (id {one.id}) corrected within {reach}")
    click.echo(f"  changed  {count}: {changed}" if changed else "  changed  nothing: it was so already")
    if kept is not None:
        click.echo(f"  before   {kept} (vimatte tracks undo {place})")


def _edit(folder: Path, out: Path | None, change: Callable) -> None:  # type: ignore[type-arg]
    from vimatte.engine.track_history import save_edit
    from vimatte.engine.tracks import TrackSet

    changed = change(TrackSet.load(folder))
    save_edit(changed, out or folder)
    click.echo(f"{out or folder}: {', '.join(f'{i.id}={i.name}' for i in changed.instances) or 'nobody'}")
