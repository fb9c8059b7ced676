"""`vimatte evaluate`: score layers or tracks against a known truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from vimatte.cli import options
from vimatte.cli.talk import guarded

__all__ = ["evaluate"]


@click.command(epilog=options.EXIT_CODES)
@click.option("--pred", help="Layers to score: layers.####.exr.")
@click.option("--tracks", type=click.Path(path_type=Path), help="Tracks to score.")
@click.option("--truth", type=click.Path(path_type=Path), help="Folder of true alphas: <name>/<frame>.png.")
@click.option(
    "--match",
    type=click.Choice(["auto", "name", "overlap"]),
    default="auto",
    show_default=True,
    help="How layers and true people are brought together; auto: by name where the names agree, else by overlap.",
)
@click.option(
    "--definition",
    type=click.Choice(["both", "as_paper", "as_published_code"]),
    default="both",
    show_default=True,
    help="Which definition of VIMQ, IMQ and everybody's errors, where papers and their released code differ.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    metavar="OUT.png",
    help="Draw everybody's worst frames, or the curves.",
)
@click.option(
    "--shot", type=click.Path(path_type=Path), help="The plate, for --picture; default: the R,G,B of the layers."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def evaluate(pred: str | None, tracks: Path | None, truth: Path | None, as_json: bool, **values: Any) -> None:
    """Score a result against true alphas, person by person.

    Layers: MAD, MSE, SAD, Grad, Conn, dtSSD, MESSDdt, VIMQ and IMQ. Tracks: J&F, IDF1, identity switches.
    """

    def action() -> None:
        from vimatte.engine.errors import ConfigError
        from vimatte.engine.metrics.tracks_score import evaluate_tracks
        from vimatte.engine.tracks import TrackSet

        if truth is None:
            raise ConfigError("There is nothing to score against; give --truth FOLDER of <name>/<frame>.png.")
        if (pred is None) == (tracks is None):
            raise ConfigError("Give one of --pred layers.####.exr and --tracks shot.tracks.")
        if tracks is not None:
            if values["picture"] is not None:
                raise ConfigError("--picture draws the errors of layers; give --pred layers.####.exr with it.")
            score = evaluate_tracks(TrackSet.load(tracks), truth)
            click.echo(json.dumps(score.to_dict(), indent=1) if as_json else score.table())
        else:
            assert pred is not None
            _layers(pred, truth, as_json=as_json, **values)

    guarded(action)


def _layers(
    pred: str,
    truth_folder: Path,
    *,
    as_json: bool,
    match: Any,
    definition: Any,
    picture: Path | None,
    shot: Path | None,
) -> None:
    from vimatte.engine.metrics.layers_score import DEFINITIONS, evaluate_layers

    definitions = DEFINITIONS if definition == "both" else (definition,)
    score = evaluate_layers(pred, truth_folder, match=match, definitions=definitions)
    click.echo(json.dumps(score.to_dict(), indent=1) if as_json else score.table())
    if picture is not None:
        from vimatte.engine.metrics.error_picture import draw_worst_frames

        draw_worst_frames(picture, score, pred=pred, truth_folder=truth_folder, shot=shot)
