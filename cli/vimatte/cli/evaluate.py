"""`vimatte evaluate`: score layers or tracks against a known truth."""

from __future__ import annotations

import json
from pathlib import Path

import click

from vimatte.cli import options
from vimatte.cli.talk import guarded

__all__ = ["evaluate"]


@click.command(epilog=options.EXIT_CODES)
@click.option("--pred", help="Layers to score: layers.####.exr.")
@click.option("--tracks", type=click.Path(path_type=Path), help="Tracks to score.")
@click.option(
    "--truth", type=click.Path(path_type=Path), required=True, help="Folder of true alphas: <name>/<frame>.png."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def evaluate(pred: str | None, tracks: Path | None, truth: Path, as_json: bool) -> None:
    """Score a result against true alphas, person by person."""

    def action() -> None:
        from vimatte.engine.errors import ConfigError
        from vimatte.engine.metrics import LayersScore, TracksScore, evaluate_layers, evaluate_tracks
        from vimatte.engine.tracks import TrackSet

        if (pred is None) == (tracks is None):
            raise ConfigError("Give one of --pred layers.####.exr and --tracks shot.tracks.")
        result: LayersScore | TracksScore
        if pred is not None:
            result = evaluate_layers(pred, truth)
        else:
            assert tracks is not None
            result = evaluate_tracks(TrackSet.load(tracks), truth)
        click.echo(json.dumps(result.to_dict(), indent=1) if as_json else result.table())

    guarded(action)
