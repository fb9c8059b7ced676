"""The main job in its parts: `track`, `matte`, `preview`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vimatte.cli import options
from vimatte.cli.talk import guarded, report

__all__ = ["matte", "preview", "track"]

_SHOT = click.argument("shot", type=click.Path(path_type=Path))


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if v is not None}


@click.command(epilog=options.EXIT_CODES)
@_SHOT
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the tracks: shot.tracks.")
@options.reading
@options.finding
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
@options.reporting
def matte(quiet: bool, as_json: bool, **values: Any) -> None:
    """Matte the people of saved tracks and write layered EXRs."""

    def action() -> None:
        from vimatte.engine.job import MatteJob
        from vimatte.engine.pipeline import run_job

        report(run_job(MatteJob(**_given(values))), quiet=quiet, as_json=as_json)

    guarded(action, as_json=as_json)


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
