"""The main job in its parts: `track`, `matte`, `preview`."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vimatte.cli import options
from vimatte.cli.talk import guarded, report

if TYPE_CHECKING:
    from vimatte.engine.events import Event
    from vimatte.engine.job import MatteJob

__all__ = ["matte", "preview", "track"]

_SHOT = click.argument("shot", type=click.Path(path_type=Path))


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if v is not None}


@click.command(epilog=options.EXIT_CODES)
@_SHOT
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the tracks: shot.tracks.")
@options.reading
@options.finding
@click.option("--tracks", type=click.Path(path_type=Path), help="Take these saved tracks instead of finding people.")
@click.option("--resume", is_flag=True, help="Keep tracks there that the same options made.")
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
@options.reporting
def track(out: Path, name: tuple[str, ...], quiet: bool, as_json: bool, **values: Any) -> None:
    """Find and follow every person in SHOT and save who is where."""

    def action() -> None:
        from vimatte.engine.job import MatteJob
        from vimatte.engine.pipeline import run_tracking

        job = MatteJob(out="layers.exr", names=options.names_of(name), **_given(values))
        report(run_tracking(job, out), quiet=quiet, as_json=as_json)

    guarded(action, as_json=as_json)


@click.command(epilog=options.EXIT_CODES)
@_SHOT
@click.option("--tracks", type=click.Path(path_type=Path), required=True, help="Saved tracks.")
@click.option("--out", required=True, metavar="LAYERS.exr", help="Layers file, one a frame.")
@options.reading
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@options.output
@click.option(
    "--engine",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Hand the work to the process that vimatte engine start --connection FILE left; without it, work here.",
)
@options.reporting
def matte(engine: Path | None, quiet: bool, as_json: bool, **values: Any) -> None:
    """Matte the people of saved tracks and write layered EXRs.

    A frame whose footage cannot be read is named at the end; the others are made.
    """

    def action() -> None:
        from vimatte.engine.job import MatteJob

        job = MatteJob(**_given(values))
        report(_by_engine(job, engine) if engine is not None else _here(job), quiet=quiet, as_json=as_json)

    guarded(action, as_json=as_json)


def _here(job: MatteJob) -> Generator[Event]:
    # Imported late: torch takes seconds, and a task that an engine works for must not wait for it.
    from vimatte.engine.farm import run_chunk

    yield from run_chunk(job)


def _by_engine(job: MatteJob, connection: Path) -> Generator[Event]:
    """Let the engine do it; what it left undone when it died is done here."""
    from vimatte.cli.engine import Unreachable, hand_over
    from vimatte.engine.events import Warned
    from vimatte.engine.job_file import job_values

    try:
        yield from hand_over(job_values(job), connection)
    except Unreachable as reason:
        yield Warned(message=f"There is no engine to work with ({reason}); the model is opened here.")
        yield from _here(job if job.overwrite else dataclasses.replace(job, resume=True))


@click.command(epilog=options.EXIT_CODES)
@_SHOT
@click.option("--layers", "out", required=True, metavar="LAYERS.exr", help="The layers to look at.")
@options.reading
@options.reporting
def preview(quiet: bool, as_json: bool, **values: Any) -> None:
    """Make the MP4 and the contact sheet of finished layers."""

    def action() -> None:
        from vimatte.engine.job import MatteJob
        from vimatte.engine.pipeline import run_preview

        report(run_preview(MatteJob(**_given(values))), quiet=quiet, as_json=as_json)

    guarded(action, as_json=as_json)
