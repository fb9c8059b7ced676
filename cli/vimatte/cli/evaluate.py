"""`vimatte evaluate`: score layers or tracks against a known truth."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vimatte.cli import options
from vimatte.cli.talk import guarded

if TYPE_CHECKING:
    from vimatte.engine.metrics.layers_score import Matching

__all__ = ["evaluate"]


_PARTS = {
    "pred": {"definition", "match", "picture", "shot", "start_frame", "truth"},
    "tracks": {"truth"},
    "robustness": {
        "amounts",
        "definition",
        "device",
        "frames",
        "model",
        "picture",
        "seed",
        "shot",
        "start_frame",
        "truth",
    },
    "benchmark": {"device", "masks", "model", "root"},
}
"""What is scored -> the options that have a part in it."""


_BENCHMARKS = (
    "crgnn",
    "him2k",
    "m-him2k",
    "v-him60",
    "vim50",
    "vm-1080",
    "vm-512",
    "vmformer-1080",
    "vmformer-512",
)


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
    help="Which definition of VIMQ, IMQ and everybody's errors, where papers and their released code differ; "
    "--robustness takes as_published_code unless told as_paper.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    metavar="OUT.png",
    help="Draw everybody's worst frames, or the curves.",
)
@click.option(
    "--shot",
    type=click.Path(path_type=Path),
    help="The plate, for --robustness and --picture (there the R,G,B of the layers unless told).",
)
@click.option(
    "--robustness",
    is_flag=True,
    help="Score --model on --shot with masks of the truth that are broken more and more.",
)
@click.option(
    "--benchmark",
    type=click.Choice(_BENCHMARKS),
    help="Score --model on a published test set at --root, beside the figures in its paper.",
)
@click.option("--root", type=click.Path(path_type=Path), help="Folder of the --benchmark, see docs/metrics.md.")
@click.option(
    "--masks", type=click.Path(path_type=Path), help="Folder of masks for --benchmark; default: of the truth."
)
@click.option("--model", metavar="NAME", help="Matting model for --robustness and --benchmark.")
@click.option("--frames", metavar="RANGE", help="Frames of --shot, for --robustness: 1001-1010.")
@click.option(
    "--amounts",
    default="0.1,0.25,0.5",
    show_default=True,
    help="How much of everything is broken, 0 to 1, for --robustness.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Which masks break where, for --robustness.")
@click.option("--start-frame", type=int, default=1001, show_default=True, help="Number of a movie's first frame.")
@click.option("--device", default="auto", show_default=True, help="Of --model: auto, cpu, cuda, cuda:1, mps.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def evaluate(
    pred: str | None,
    tracks: Path | None,
    truth: Path | None,
    robustness: bool,
    benchmark: str | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Score a result against true alphas, person by person.

    Layers (--pred): MAD, MSE, SAD, Grad, Conn, dtSSD, MESSDdt, VIMQ and IMQ. Tracks (--tracks): J&F, IDF1, identity
    switches. A model (--robustness): VIMQ against the amount of error in the masks it is given; (--benchmark): a
    published test set by its own protocol. docs/metrics.md has every formula and folder.

    \b
    vimatte evaluate --pred layers.exr --truth truth/ [--picture errors.png]
    vimatte evaluate --tracks layers.tracks --truth truth/
    vimatte evaluate --robustness --model rvm --shot shot.mov --truth truth/
    vimatte evaluate --benchmark vim50 --root VIM50/ --masks MASKS/ --model msg-vim
    """

    def action() -> None:
        from vimatte.engine.errors import ConfigError

        what = _what_is_scored()
        if what == "benchmark":
            given = {key: values[key] for key in _PARTS[what]}
            click.echo(_benchmark(str(benchmark), as_json=as_json, **given))
            return
        if truth is None:
            raise ConfigError("There is nothing to score against; give --truth FOLDER of <name>/<frame>.png.")
        given = {key: values[key] for key in _PARTS[what] - {"truth"}}
        if what == "robustness":
            click.echo(_robustness(truth, as_json=as_json, **given))
        elif what == "tracks":
            assert tracks is not None
            click.echo(_tracks(tracks, truth, as_json=as_json))
        else:
            assert pred is not None
            click.echo(_layers(pred, truth, as_json=as_json, **given))

    guarded(action)


def _what_is_scored() -> str:
    """Say which of `_PARTS` was asked for. Raises ConfigError for none, several, and options without a part in it."""
    from vimatte.engine.errors import ConfigError

    context = click.get_current_context()
    given = {
        name for name in context.params if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    scored = sorted(given & set(_PARTS))
    if len(scored) != 1:
        raise ConfigError("Give one of --pred layers.####.exr, --tracks shot.tracks, --robustness and --benchmark.")
    useless = sorted(given - set(_PARTS) - _PARTS[scored[0]] - {"as_json"})
    if useless:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in useless)
        raise ConfigError(f"{names} has no part in --{scored[0]}; leave it out.")
    return scored[0]


def _tracks(folder: Path, truth: Path, *, as_json: bool) -> str:
    from vimatte.engine.metrics.tracks_score import evaluate_tracks
    from vimatte.engine.tracks import TrackSet

    score = evaluate_tracks(TrackSet.load(folder), truth)
    return json.dumps(score.to_dict(), indent=1) if as_json else score.table()


def _layers(
    pred: str,
    truth: Path,
    *,
    as_json: bool,
    match: Matching,
    definition: str,
    picture: Path | None,
    shot: Path | None,
    start_frame: int,
) -> str:
    from vimatte.engine.metrics.error_picture import draw_worst_frames
    from vimatte.engine.metrics.layers_score import DEFINITIONS, evaluate_layers

    wanted = tuple(d for d in DEFINITIONS if definition in ("both", d))
    score = evaluate_layers(pred, truth, match=match, definitions=wanted)
    if picture is not None:
        draw_worst_frames(picture, score, pred=pred, truth_folder=truth, shot=shot, start_frame=start_frame)
    return json.dumps(score.to_dict(), indent=1) if as_json else score.table()


def _robustness(
    truth_folder: Path,
    *,
    as_json: bool,
    definition: str,
    picture: Path | None,
    shot: Path | None,
    model: str | None,
    frames: str | None,
    amounts: str,
    seed: int,
    start_frame: int,
    device: str,
) -> str:
    from vimatte.engine.clip_shot import open_shot
    from vimatte.engine.device import choose_device
    from vimatte.engine.errors import ConfigError
    from vimatte.engine.metrics.common_frames import common_frames
    from vimatte.engine.metrics.curve_picture import draw_curves
    from vimatte.engine.metrics.robustness import RobustnessScore, robustness
    from vimatte.engine.metrics.truth_files import TruthFolder
    from vimatte.engine.registry import MATTING
    from vimatte.ocio.frame_range import FrameRange

    if shot is None or model is None:
        raise ConfigError("--robustness runs a model on a plate; give --shot SHOT and --model NAME, say classical.")
    truth = TruthFolder.open(truth_folder)
    opened = MATTING.load(model)(device=choose_device(device))
    asked = None if frames is None else FrameRange.parse(frames)
    with open_shot(shot, frames=asked, start_frame=start_frame) as whole:
        common = common_frames(whole.frames, truth)
    with open_shot(shot, frames=common, start_frame=start_frame) as plate:
        trials = []
        rising = _amounts(amounts)
        for trial in robustness(
            opened,
            plate,
            truth,
            amounts=rising,
            definition="as_paper" if definition == "as_paper" else "as_published_code",
            seed=seed,
        ):
            trials.append(trial)
            share = 100 * trial.score.vimq["mse"]
            click.echo(f"{trial.corruption} {trial.amount:g}: VIMQ_mse {share:.2f}", err=True)
    score = RobustnessScore(model=model, frames=str(common), seed=seed, trials=tuple(trials))
    if picture is not None:
        draw_curves(picture, score)
    return json.dumps(score.to_dict(), indent=1) if as_json else score.table()


def _benchmark(
    name: str, *, as_json: bool, root: Path | None, masks: Path | None, model: str | None, device: str
) -> str:
    from vimatte.engine.device import choose_device
    from vimatte.engine.errors import ConfigError
    from vimatte.engine.metrics.benchmarks import run_benchmark
    from vimatte.engine.registry import MATTING

    if root is None or model is None:
        raise ConfigError("--benchmark runs a model on a test set; give --root FOLDER and --model NAME, say classical.")
    opened = MATTING.load(model)(device=choose_device(device))
    score = run_benchmark(name, root, opened, masks=masks, say=partial(click.echo, err=True))
    return json.dumps(score.to_dict(), indent=1) if as_json else score.table()


def _amounts(text: str) -> tuple[float, ...]:
    from vimatte.engine.errors import ConfigError

    try:
        amounts = tuple(float(part) for part in text.split(","))
    except ValueError:
        amounts = ()
    if not amounts or not all(0 < a <= 1 for a in amounts):
        raise ConfigError(f"--amounts takes numbers above 0 and up to 1, for instance 0.1,0.25,0.5, found '{text}'.")
    return tuple(sorted(set(amounts)))
