"""`vimatte`: the toolbox around the main job."""

from __future__ import annotations

import click

from vimatte.cli import options
from vimatte.cli.bench import bench
from vimatte.cli.composites import composites
from vimatte.cli.doctor import doctor
from vimatte.cli.engine import engine
from vimatte.cli.evaluate import evaluate
from vimatte.cli.job import job
from vimatte.cli.nuke import nuke
from vimatte.cli.serve import serve
from vimatte.cli.shots import matte, preview, track
from vimatte.cli.tracks import tracks
from vimatte.cli.train import train
from vimatte.cli.verify import verify
from vimatte.cli.weights import weights

__all__ = ["main"]


@click.group(epilog=options.EXIT_CODES, context_settings={"max_content_width": 120})
@click.version_option(package_name="vimatte")
def main() -> None:
    """Find people, correct their tracks, matte, look, measure. The main job in one command is `vim-batch`."""


for _command in (
    bench,
    composites,
    doctor,
    engine,
    evaluate,
    job,
    matte,
    nuke,
    preview,
    serve,
    track,
    tracks,
    train,
    verify,
    weights,
):
    main.add_command(_command)
