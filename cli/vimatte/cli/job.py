"""`vimatte job`: write a shot, or a list of shots, down for a render farm."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from vimatte.cli import options
from vimatte.cli.talk import guarded

__all__ = ["job"]


@click.command(epilog=options.EXIT_CODES)
@click.argument("shot", type=click.Path(path_type=Path), required=False)
@click.option("--out", metavar="LAYERS.exr", help="Layers file, one a frame: layers.exr, layers.####.exr.")
@click.option("--shots", metavar="LIST.toml", help="Many shots: a list, or a pattern ('plates/*.mov'); a job for each.")
@click.option("--tracks", type=click.Path(path_type=Path), help="Use saved tracks instead of finding people again.")
@click.option("--chunk", type=click.IntRange(min=1), default=50, show_default=True, help="Frames a task.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["openjd", "shell"]),
    default="openjd",
    show_default=True,
    help="openjd: an Open Job Description bundle; shell: one script for OpenCue, Tractor, Deadline 10 or Slurm.",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    help="Folder to write; default: layers.job beside the layers. With --shots a folder of folders.",
)
@click.option("--gpu-memory", type=float, default=0, metavar="GIB", help="Ask for a worker with a GPU of so many GiB.")
@click.option("--memory", type=float, default=0, metavar="GIB", help="Ask for so much main memory.")
@click.option("--cpus", type=int, default=0, help="Ask for so many processor cores.")
@click.option("--program", default="vimatte", show_default=True, help="The command on a worker: /opt/venv/bin/vimatte.")
@click.option("--conda", metavar="ENV", help="Run in this conda environment, a name or a path.")
@click.option("--container", metavar="IMAGE", help="Run in this Apptainer image.")
@options.reading
@options.finding
@options.output
@options.reporting
@click.pass_context
def job(
    context: click.Context,
    /,
    *,
    shots: str | None,
    chunk: int,
    form: str,
    bundle: Path | None,
    gpu_memory: float,
    memory: float,
    cpus: int,
    program: str,
    conda: str | None,
    container: str | None,
    name: tuple[str, ...],
    quiet: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Write the job of SHOT down for a render farm: find people once, matte chunks of frames anywhere, verify.

    Nothing is matted here. The shot is opened, so that what cannot work is said now.
    """

    def action() -> None:
        from vimatte.cli.farm import Needs, Worker
        from vimatte.engine.errors import ConfigError, ShotsError, VimatteError
        from vimatte.engine.farm import ListedShot, read_shots
        from vimatte.engine.job import MatteJob

        values = {k: v for k, v in given.items() if v is not None}
        if name:
            values["names"] = options.names_of(name)
        listed: tuple[ListedShot, ...]
        if shots is not None:
            if "shot" in values:
                raise ConfigError("SHOT is one shot and --shots are many: give one of the two.")
            typed = {k: v for k, v in values.items() if context.get_parameter_source(k) is ParameterSource.COMMANDLINE}
            typed |= {"names": values["names"]} if name else {}
            listed = read_shots(shots, options=typed)
        else:
            for key, hint in (("shot", "SHOT"), ("out", "--out LAYERS.exr")):
                if key not in values:
                    raise ConfigError(f"{hint} is missing; type: vimatte job shot.mov --out layers.exr")
            listed = (ListedShot(name="", job=MatteJob(**values)),)
        needs = Needs(gpu_memory=gpu_memory, memory=memory, cpus=cpus)
        worker = Worker(program=program, conda=conda, container=container)
        if form == "shell" and (memory or cpus):
            click.echo("warning: --memory and --cpus are for openjd; ask your scheduler for them.", err=True)
        failed: list[str] = []
        for one in listed:
            try:
                written = _write(one, form=form, chunk=chunk, bundle=bundle, needs=needs, worker=worker)
            except VimatteError as error:
                if shots is None:
                    raise
                failed.append(one.name)
                written = {"shot": one.name, "error": str(error), "exit_code": error.exit_code}
            _say(written, quiet=quiet, as_json=as_json)
        if failed:
            raise ShotsError(f"{len(failed)} of {len(listed)} shots have no job: {', '.join(failed)}; the others have.")

    guarded(action, as_json=as_json)


def _write(one: Any, *, form: str, chunk: int, bundle: Path | None, needs: Any, worker: Any) -> dict[str, Any]:
    from vimatte.cli.farm import farm_job, write_openjd, write_shell
    from vimatte.ocio.output_pattern import OutputPattern

    if one.job is None:
        raise one.error
    farm = farm_job(one.job, chunk=chunk, needs=needs, worker=worker)
    folder = OutputPattern.parse(one.job.out).beside(".job") if bundle is None else bundle / one.name
    files = (write_openjd if form == "openjd" else write_shell)(farm, folder)
    return {
        "shot": one.name or farm.name,
        "frames": str(farm.frames),
        "chunks": len(farm.chunks),
        "device": farm.job.device,
        "bundle": str(folder),
        "files": [str(path) for path in files],
    }


def _say(written: Mapping[str, Any], *, quiet: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(written))
    elif "error" in written:
        click.echo(f"{written['shot']}: error: {written['error']}", err=True)
    elif not quiet:
        click.echo(
            f"{written['shot']}: frames {written['frames']} in {written['chunks']} chunks on {written['device']}, "
            f"written to {written['bundle']}"
        )
