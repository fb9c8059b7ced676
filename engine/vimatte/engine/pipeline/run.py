"""Running a job: events come out, files appear, nothing is held for the whole shot but the tracks."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path

from vimatte.engine.clip_shot import ClipShot, open_shot
from vimatte.engine.device import choose_device
from vimatte.engine.errors import ConfigError
from vimatte.engine.events import Event, JobDone, Planned, Warned
from vimatte.engine.job import MatteJob, Missing
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.pipeline.heap import keep_freed_memory
from vimatte.engine.pipeline.matte_pass import matte_shot
from vimatte.engine.pipeline.plan import pattern_of, plan_lines, refuse_to_overwrite, tracks_folder
from vimatte.engine.pipeline.preview_pass import preview_shot
from vimatte.engine.pipeline.track_pass import ready_tracks
from vimatte.engine.tracks import TrackSet
from vimatte.ocio.frame_range import FrameRange
from vimatte.ocio.output_pattern import OutputPattern

__all__ = ["open_clip", "open_for_mattes", "plan_job", "run_job", "run_preview", "run_tracking", "shot_warnings"]


def open_clip(
    path: Path | str,
    *,
    frames: str | None = None,
    start_frame: int = 1001,
    missing: Missing = "error",
    in_space: str | None = None,
    ocio: str | None = None,
    working_space: str = "auto",
    device: str = "cpu",
) -> ClipShot:
    """Open a shot with its colour decided, for use in `with`. Raises MediaError, ColourError, ConfigError."""
    return open_shot(
        Path(path),
        frames=FrameRange.parse(frames) if frames else None,
        start_frame=start_frame,
        in_space=in_space,
        ocio=ocio,
        working=working_space,
        missing=missing,
        device=device,
    )


def shot_warnings(shot: ClipShot) -> tuple[str, ...]:
    """What a user should know of a shot: one sentence each, of the clip and of its colours."""
    return (*shot.info.warnings, *([shot.decision.warning] if shot.decision.warning else []))


def _open(job: MatteJob, device: str, *, frames: str | None) -> ClipShot:
    return open_clip(
        job.shot,
        frames=frames,
        start_frame=job.start_frame,
        missing=job.missing,
        in_space=job.in_space,
        ocio=job.ocio,
        working_space=job.working_space,
        device=device,
    )


def open_for_mattes(job: MatteJob, device: str) -> tuple[ClipShot, FrameRange]:
    """Open the shot, and say which of its frames are to be written.

    With saved tracks the shot is all that was tracked and `job.frames` only chooses from it: so a chunk's first frame
    has the same neighbours, and comes out the same, as in a run over everything.
    """
    if job.tracks is None:
        shot = _open(job, device, frames=job.frames)
        return shot, shot.frames
    tracked = FrameRange(TrackSet.load(job.tracks).frames)
    shot = _open(job, device, frames=str(tracked))
    asked = FrameRange.parse(job.frames) if job.frames else shot.frames
    lacking = asked.missing_from(tracked)
    if job.missing == "skip":
        lacking = FrameRange.of(n for n in lacking if n in shot.info.frames)
    if lacking.numbers:
        shot.close()
        raise ConfigError(
            f"--frames {asked} asks for {lacking}, and the tracks {job.tracks} hold {tracked}; "
            "track the shot anew with: vimatte track"
        )
    return shot, FrameRange.of(n for n in asked if n in shot.frames)


def _looks(frames: FrameRange, pattern: OutputPattern) -> dict[str, str]:
    movie = {"preview": str(pattern.preview)} if len(frames) > 1 else {}
    return {**movie, "contact sheet": str(pattern.contact_sheet)}


def plan_job(job: MatteJob) -> Generator[Event]:
    """Say what a job would do; nothing is written. Raises what running it would raise at its start."""
    device = choose_device(job.device)
    shot, frames = open_for_mattes(job, device)
    with shot:
        pattern = pattern_of(job, shot)
        yield Planned(lines=plan_lines(job, shot, pattern, frames=frames, device=device))
        yield from (Warned(message=w) for w in shot_warnings(shot))
        refuse_to_overwrite(job, pattern, frames)


def run_job(job: MatteJob, *, model: MattingModel | None = None) -> Generator[Event]:
    """Run a job to its end. Close the generator to cancel: what was written is whole, and `resume` goes on from there.

    `model` is the job's matting model when it is open already. Raises VimatteError with one sentence for a user; other
    exceptions are faults of the program.
    """
    started = time.monotonic()
    device = choose_device(job.device)
    shot, frames = open_for_mattes(job, device)
    with shot:
        keep_freed_memory(pixels=shot.info.width * shot.info.height)
        pattern = pattern_of(job, shot)
        yield Planned(lines=plan_lines(job, shot, pattern, frames=frames, device=device, model=model))
        yield from (Warned(message=w) for w in shot_warnings(shot))
        refuse_to_overwrite(job, pattern, frames)
        folder = tracks_folder(pattern)
        tracks = yield from ready_tracks(shot, job, folder, device=device)
        written = yield from matte_shot(shot, job, tracks, pattern, frames=frames, device=device, model=model)
        files = {"layers": str(pattern), "tracks": str(folder)}
        if job.cryptomatte:
            files["cryptomatte"] = str(pattern.sibling("crypto"))
        if job.preview:
            yield from preview_shot(shot, pattern, frames=frames)
            files |= _looks(frames, pattern)
        yield JobDone(frames=len(frames), written=written, seconds=time.monotonic() - started, files=files)


def run_tracking(job: MatteJob, folder: Path) -> Generator[Event]:
    """Find and follow everybody, and save it to `folder`; no mattes. With `job.tracks` those are saved there."""
    started = time.monotonic()
    if folder.exists() and not (job.overwrite or job.resume):
        raise ConfigError(
            f"{folder} is already there; type --resume to keep it when it was made by the same options, --overwrite to "
            "replace it, or another --out."
        )
    device = choose_device(job.device)
    with _open(job, device, frames=job.frames) as shot:
        keep_freed_memory(pixels=shot.info.width * shot.info.height)
        yield from (Warned(message=w) for w in shot_warnings(shot))
        yield from ready_tracks(shot, job, folder, device=device)
        files = {"tracks": str(folder)}
        yield JobDone(frames=len(shot.frames), written=0, seconds=time.monotonic() - started, files=files)


def run_preview(job: MatteJob) -> Generator[Event]:
    """Make the preview and the contact sheet of finished layers."""
    started = time.monotonic()
    with _open(job, "cpu", frames=job.frames) as shot:
        frames = shot.frames
        pattern = pattern_of(job, shot)
        yield from preview_shot(shot, pattern, frames=frames)
        files = _looks(frames, pattern)
        yield JobDone(frames=len(shot.frames), written=0, seconds=time.monotonic() - started, files=files)
