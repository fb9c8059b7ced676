"""A chunk of a shot whose tracks are saved: what a farm task runs, once or again."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from vimatte.engine.device import choose_device
from vimatte.engine.errors import Cancelled, ConfigError, MediaError, VimatteError
from vimatte.engine.events import Event, FrameWritten, JobDone, Planned
from vimatte.engine.farm.open_models import OpenModels
from vimatte.engine.job import MatteJob
from vimatte.engine.pipeline import open_for_mattes, run_job
from vimatte.ocio.frame_range import FrameRange

__all__ = ["run_chunk"]


def run_chunk(job: MatteJob, *, models: OpenModels | None = None) -> Generator[Event]:
    """Run `job`, which names saved tracks; a frame that cannot be made does not keep the others from being made.

    Frames that look at footage that cannot be read are left out, and named at the end by the MediaError. Every other
    fault ends the chunk at once, and its sentence names the frame. `models` are those that are open already. Raises
    VimatteError.
    """
    if job.tracks is None:
        raise ConfigError(
            "A chunk needs the tracks of the whole shot; make them with vimatte track, then give --tracks."
        )
    device = choose_device(job.device)
    model = (models or OpenModels()).get(job, device=device)
    written: set[int] = set()
    try:
        for event in run_job(job, model=model):
            if isinstance(event, FrameWritten):
                written.add(event.frame)
            yield event
        return
    except (Cancelled, ConfigError):
        raise
    except VimatteError as error:
        fault = error
    frames, unreadable = _footage(job, device=device, reach=model.reach, written=written)
    asked = [n for n in frames if n not in written]
    lost = FrameRange.of(n for n in asked if unreadable.get(n))
    if not (isinstance(fault, MediaError) and lost.numbers):
        raise _named(fault, asked) from fault
    rest = FrameRange.of(n for n in frames if n not in lost)
    if rest.numbers:
        again = replace(job, frames=str(rest), resume=True, overwrite=False)
        for event in run_job(again, model=model):
            said = isinstance(event, FrameWritten) and event.frame in written
            if not said and not isinstance(event, Planned | JobDone):
                yield event
    reasons = dict.fromkeys(unreadable[n] for n in lost)
    raise MediaError(
        f"Frames {lost} of {frames} were not made, the others are whole: {' '.join(reasons)} "
        f"Bring the footage and make them with --frames {lost} --resume."
    ) from fault


def _footage(job: MatteJob, *, device: str, reach: int, written: set[int]) -> tuple[FrameRange, dict[int, str]]:
    """The frames asked for, and for those that look at unreadable footage why it is unreadable."""
    bad: dict[int, str] = {}
    good: set[int] = set()
    reasons: dict[int, str] = {}
    try:
        shot, frames = open_for_mattes(job, device)
    except VimatteError:
        return FrameRange.parse(job.frames) if job.frames else FrameRange(()), {}
    with shot:
        everything = shot.frames.numbers
        at = {number: index for index, number in enumerate(everything)}
        for number in frames:
            if number in written:
                continue
            for other in everything[max(0, at[number] - reach) : at[number] + reach + 1]:
                if other not in good and other not in bad:
                    try:
                        shot.plate(other)
                        good.add(other)
                    except MediaError as error:
                        bad[other] = str(error)
                if other in bad:
                    reasons[number] = bad[other]
                    break
    return frames, reasons


def _named(fault: VimatteError, asked: list[int]) -> VimatteError:
    """The same fault, its sentence naming the frame it struck."""
    if not asked or str(asked[0]) in str(fault):
        return fault
    return type(fault)(f"Frame {asked[0]}: {fault}")
