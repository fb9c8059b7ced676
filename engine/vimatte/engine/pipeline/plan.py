"""What a job will do, said before it starts; and what is already there."""

from __future__ import annotations

from pathlib import Path

from vimatte.engine.clip_shot import ClipShot
from vimatte.engine.device import describe_device
from vimatte.engine.errors import ConfigError
from vimatte.engine.job import MatteJob
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.matting.proxy import at_proxy
from vimatte.engine.pipeline.track_pass import open_backend
from vimatte.engine.registry import MATTING
from vimatte.engine.vis.backend import UsesCheckpoint
from vimatte.ocio.frame_range import FrameRange
from vimatte.ocio.output_pattern import OutputPattern

__all__ = ["open_model", "pattern_of", "plan_lines", "refuse_to_overwrite", "tracks_folder"]


def pattern_of(job: MatteJob, shot: ClipShot) -> OutputPattern:
    """Where the job's files lie."""
    return OutputPattern.parse(job.out, still=shot.info.kind == "still")


def tracks_folder(pattern: OutputPattern) -> Path:
    """Where the job's tracks lie."""
    return pattern.beside(".tracks")


def refuse_to_overwrite(job: MatteJob, pattern: OutputPattern, frames: FrameRange) -> None:
    """Raise ConfigError when the job would replace what it was not told to replace."""
    if job.resume or job.overwrite:
        return
    there = [n for n in frames if pattern.path(n).exists()]
    if there:
        raise ConfigError(
            f"{pattern.path(there[0])} and {len(there) - 1} more of the {len(frames)} layers files are already "
            "there; type --resume to keep what is whole, --overwrite to replace it, or another --out."
        )
    folder = tracks_folder(pattern)
    if folder.exists() and (job.tracks is None or job.tracks.resolve() != folder.resolve()):
        raise ConfigError(
            f"{folder} is already there; type --tracks {folder} to use these tracks, --resume to go on, "
            "or --overwrite to start over."
        )


def open_model(job: MatteJob, *, device: str) -> MattingModel:
    """Open the matting model a job names, at the job's size. Raises BackendError when it cannot run."""
    return at_proxy(MATTING.load(job.matting)(device=device), job.proxy)


def plan_lines(
    job: MatteJob,
    shot: ClipShot,
    pattern: OutputPattern,
    *,
    frames: FrameRange,
    device: str,
    model: MattingModel | None = None,
) -> tuple[tuple[str, str], ...]:
    """(what, how) pairs for people. Raises BackendError when a model cannot be opened."""
    info = shot.info
    if job.tracks is not None:
        people = f"saved tracks {job.tracks}"
    else:
        backend = open_backend(job)
        people = f"{backend.name} ({_settings(dict(backend.settings))})"
        if isinstance(backend, UsesCheckpoint):
            people += f", weights {backend.checkpoint(job.vis_options(device)).folder}"
        if job.prompt is not None:
            people += f", prompt '{job.prompt}'"
        if job.masks is not None:
            people += f", masks {job.masks}"
    model = model or open_model(job, device=device)
    plate = f"R,G,B,A in {shot.working.space}" + (" (untouched)" if shot.working.identity else " (converted)")
    each = "name.A" if job.layers == "alpha" else "name.R, name.G, name.B, name.A"
    first, last = pattern.path(frames.first), pattern.path(frames.last)
    files = str(first) if first == last else f"{first} … {last.name}"
    lines = [
        ("shot", f"{info.path} ({info.kind}, {info.codec}, {info.width}x{info.height}, {float(info.fps):g} fps)"),
        ("frames", f"{frames} ({len(frames)})"),
        ("colour", f"{shot.decision.space}: {shot.decision.reason}"),
        ("config", f"{shot.config.name} ({shot.config.origin})"),
        ("people", people),
        (
            "matting",
            f"{model.name} ({_settings(dict(model.settings))})" + (f", at 1/{job.proxy} size" if job.proxy > 1 else ""),
        ),
        ("device", describe_device(device)),
        ("layers", f"{plate + ', ' if job.plate else ''}{each} for each person, {job.depth}, {job.compression}"),
        ("files", files),
        ("tracks", str(tracks_folder(pattern))),
        ("memory", _memory(model.name, info.width, info.height)),
    ]
    if job.cryptomatte:
        lines.append(("cryptomatte", str(pattern.sibling("crypto").path(frames.first))))
    if job.preview:
        lines.append(("preview", f"{pattern.preview}, {pattern.contact_sheet}"))
    return tuple(lines)


def _memory(model: str, width: int, height: int) -> str:
    if model in ("lite", "classical", "masks"):
        return f"about {memory_estimate(width, height):.1f} GB, and 1.6 MB a frame while people are found"
    return f"not known for {model}; type: vimatte bench --matting {model} --sizes {width}x{height}"


def memory_estimate(width: int, height: int) -> float:
    """Peak memory in GB on a CPU with up to three people: a line above the measured table in docs/performance.md."""
    return 1.8 + 0.19 * width * height / 1e6


def _settings(values: dict[str, str | int | float]) -> str:
    """The weights and their hashes; the rest of the settings is in the file's header."""
    weights = [f"{k.removeprefix('weights.')} {str(v)[:12]}" for k, v in values.items() if k.startswith("weights.")]
    return ", ".join(weights) or "no weights needed"
