"""Second pass: stream frames through matting and out as layers; decode, compute and encode overlap."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from vimatte.engine.clip_shot import ClipShot
from vimatte.engine.errors import VimatteError
from vimatte.engine.events import Event, FrameWritten, PhaseStarted, Progress
from vimatte.engine.job import MatteJob
from vimatte.engine.matte import MatteFrame
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.pipeline.plan import open_model, pattern_of
from vimatte.engine.pipeline.request import frame_digests
from vimatte.engine.refine.foreground import estimate_foreground
from vimatte.engine.tracks import TrackSet
from vimatte.ocio.cryptomatte import cryptomatte_channels, write_cryptomatte
from vimatte.ocio.exr_header import HeaderValues, InstanceRow
from vimatte.ocio.frame import Frame
from vimatte.ocio.frame_range import FrameRange
from vimatte.ocio.output_pattern import OutputPattern
from vimatte.ocio.whole_file import remove_stale
from vimatte.ocio.write_exr import LayersWriter, is_whole, plate_depth_for
from vimatte.ocio.written_alphas import written_alphas

__all__ = ["Output", "matte_shot", "open_output"]

_AHEAD = 2
"""Finished frames that may wait for the writer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Everything that turns one frame's mattes into files."""

    shot: ClipShot
    job: MatteJob
    layers: LayersWriter
    crypto: OutputPattern | None
    names: tuple[str, ...]
    digests: Mapping[int, str]
    """Frame number -> what decides that frame, for its header and for `--resume`."""

    def is_done(self, number: int) -> bool:
        """Whether this frame's files are whole, and made by the same settings from the same masks."""
        return self._layers(number).is_done(number) and (
            self.crypto is None
            or is_whole(
                self.crypto.path(number),
                channels=cryptomatte_channels(),
                settings_digest=self.digests[number],
            )
        )

    def write(self, plate: Frame, mattes: MatteFrame) -> Path:
        """Write the frame's files and return the layers' path. Raises MediaError."""
        job = self.job
        rgb = self.shot.working.apply(plate.rgb) if job.plate or job.layers == "rgba" else None
        layers = self._layers(mattes.number)
        foreground = None
        if job.layers == "rgba" and rgb is not None:
            foreground = estimate_foreground(rgb, mattes.alphas)
        if self.crypto is not None:
            write_cryptomatte(
                self.crypto.path(mattes.number),
                mattes=dict(zip(self.names, written_alphas(mattes.alphas, depth=job.depth), strict=True)),
                header=layers.header,
                timecode=plate.timecode,
            )
        return layers.write(
            mattes.number,
            plate=rgb if job.plate else None,
            alphas=mattes.alphas,
            foreground=foreground,
            timecode=plate.timecode,
            metadata=plate.metadata,
        )

    def _layers(self, number: int) -> LayersWriter:
        header = replace(self.layers.header, settings_digest=self.digests[number])
        return replace(self.layers, header=header)


def matte_shot(
    shot: ClipShot,
    job: MatteJob,
    tracks: TrackSet,
    pattern: OutputPattern,
    *,
    frames: FrameRange,
    device: str,
    model: MattingModel | None = None,
) -> Generator[Event, None, int]:
    """Write the layers of `frames`; return how many were written now (the others were whole already).

    Models look at neighbours within the whole of `shot`, so the same frame comes out the same in any chunk. `model` is
    one that is open already, for this job and device. A fault ends the stream after what was finished before it.
    """
    model = model or open_model(job, device=device)
    output = open_output(shot, job, tracks, pattern=pattern, model=model)
    remove_stale(pattern)
    if output.crypto is not None:
        remove_stale(output.crypto)

    todo = [n for n in frames if not (job.resume and output.is_done(n))]
    kept = [n for n in frames if n not in set(todo)]
    yield PhaseStarted(phase="matte", total=len(frames))
    for number in kept:
        yield FrameWritten(frame=number, path=str(pattern.path(number)), kept=True)
    done = len(kept)

    pending: deque[tuple[int, Future[Path]]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="write") as pool, closing(shot.plates_seen(todo)) as plates:
        try:
            with closing(model.mattes(shot, tracks, todo)) as stream:
                for mattes, plate in zip(stream, plates, strict=True):
                    pending.append((mattes.number, pool.submit(output.write, plate, mattes)))
                    while len(pending) > _AHEAD:
                        done += 1
                        yield from _landed(pending, done, len(frames))
        except VimatteError:
            while pending:
                done += 1
                yield from _landed(pending, done, len(frames))
            raise
        while pending:
            done += 1
            yield from _landed(pending, done, len(frames))
    return len(todo)


def _landed(pending: deque[tuple[int, Future[Path]]], done: int, total: int) -> Generator[Event]:
    number, future = pending.popleft()
    path = future.result()
    yield FrameWritten(frame=number, path=str(path))
    yield Progress(phase="matte", done=done, total=total, detail=f"frame {number}")


def open_output(
    shot: ClipShot,
    job: MatteJob,
    tracks: TrackSet,
    *,
    pattern: OutputPattern | None = None,
    model: MattingModel | None = None,
) -> Output:
    """Make what writes a job's frames; `model` is named in the headers, and its settings are part of the digest."""
    info, working = shot.info, shot.working
    pattern = pattern or pattern_of(job, shot)
    matting = {"name": model.name, **model.settings} if model is not None else {}
    rows = []
    for one in tracks.instances:
        on = tracks.presence(one.id)
        rows.append(
            InstanceRow(
                id=one.id,
                name=one.name,
                label=one.label,
                score=one.score,
                first=min(on, default=None),
                last=max(on, default=None),
            )
        )
    header = HeaderValues(
        fps=info.fps,
        pixel_aspect=info.pixel_aspect,
        chromaticities=working.chromaticities,
        interop_id=working.interop_id,
        version=version("vimatte"),
        models={"tracks": dict(tracks.source), "matting": matting},
        instances=tuple(rows),
        metadata=info.metadata,
    )
    layers = LayersWriter(
        pattern=pattern,
        names=tracks.names,
        header=header,
        depth=job.depth,
        plate=job.plate,
        plate_depth=plate_depth_for(job.depth, info.tags),
        layers=job.layers,
        compression=job.compression,
    )
    crypto = pattern.sibling("crypto") if job.cryptomatte else None
    digests = frame_digests(shot, job, tracks, matting=matting, reach=model.reach if model is not None else sys.maxsize)
    return Output(shot=shot, job=job, layers=layers, crypto=crypto, names=tracks.names, digests=digests)
