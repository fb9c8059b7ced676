"""`vim-batch SHOT --out LAYERS.exr`: the main job, and nothing but the main job."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from vimatte.cli import options
from vimatte.cli.batch import run_shots
from vimatte.cli.talk import guarded, report

__all__ = ["main"]


@click.command(epilog=options.EXIT_CODES, context_settings={"max_content_width": 120})
@click.argument("shot", type=click.Path(path_type=Path), required=False)
@click.option("--out", metavar="LAYERS.exr", help="Layers file, one a frame: layers.exr, layers.####.exr.")
@click.option("--job", "job_path", type=click.Path(path_type=Path), help="Read the options from a TOML or JSON job.")
@click.option(
    "--shots",
    metavar="LIST.toml",
    help="Many shots: a TOML list, or a pattern ('plates/*.mov', 'plates/*/') with --out 'mattes/{shot}/layers.exr'.",
)
@click.option(
    "--summary",
    type=click.Path(path_type=Path),
    help="Where --shots says how each went, as JSON; default: LIST.summary.json, or shots.summary.json here.",
)
@click.option("--tracks", type=click.Path(path_type=Path), help="Use saved tracks instead of finding people again.")
@options.reading
@options.finding
@options.output
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@options.reporting
@click.version_option(package_name="vimatte")
@click.pass_context
def main(
    context: click.Context,
    /,
    *,
    job_path: Path | None,
    shots: str | None,
    summary: Path | None,
    name: tuple[str, ...],
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Find and follow every person in SHOT and write one soft matte each into layered EXRs.

    SHOT is a movie, an image sequence (shot.####.exr, its folder, or one of its frames) or a still.
    """

    def action() -> None:
        from vimatte.engine.errors import ConfigError
        from vimatte.engine.job import MatteJob
        from vimatte.engine.job_file import load_job
        from vimatte.engine.pipeline import plan_job, run_job

        values = {k: v for k, v in given.items() if v is not None}
        if name:
            values["names"] = options.names_of(name)
        typed = {k: v for k, v in values.items() if context.get_parameter_source(k) is ParameterSource.COMMANDLINE}
        if name:
            typed["names"] = values["names"]
        if shots is not None:
            if job_path is not None or "shot" in values:
                raise ConfigError("--shots are many shots; leave out SHOT and --job.")
            run_shots(shots, typed, summary=summary, dry_run=dry_run, quiet=quiet, as_json=as_json)
            return
        if job_path is not None:
            job = dataclasses.replace(load_job(job_path), **typed)
        else:
            for key, hint in (("shot", "SHOT"), ("out", "--out LAYERS.exr")):
                if key not in values:
                    raise ConfigError(f"{hint} is missing; type: vim-batch shot.mov --out layers.exr")
            job = MatteJob(**values)
        report(plan_job(job) if dry_run else run_job(job), quiet=quiet, as_json=as_json)

    guarded(action, as_json=as_json)
