"""`vimatte verify`: are all layers of a shot whole and made alike? The last step of a farm job, and useful by hand."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vimatte.cli import options
from vimatte.cli.talk import guarded, report

if TYPE_CHECKING:
    from vimatte.engine.events import Event

__all__ = ["verify"]


@click.command(epilog=options.EXIT_CODES)
@click.argument("out", metavar="LAYERS.exr")
@click.option("--tracks", type=click.Path(path_type=Path), help="The shot's tracks; default: those beside the layers.")
@click.option("--shot", type=click.Path(path_type=Path), help="The plate: a contact sheet is made as well.")
@click.option("--cryptomatte", is_flag=True, help="Verify the Cryptomatte files as well.")
@click.option("--preview", is_flag=True, help="Make the preview movie as well; needs --shot.")
@options.reading
@options.reporting
def verify(quiet: bool, as_json: bool, **values: Any) -> None:
    """Read every frame of LAYERS.exr to its last pixel and say which are missing, broken or made otherwise.

    Writes layers.manifest.json, the hash of every file, when all are as they should be. Without --frames every frame
    that was tracked is asked for.
    """
    guarded(lambda: report(_verified(**values), quiet=quiet, as_json=as_json), as_json=as_json)


def _verified(
    *, out: str, tracks: Path | None, shot: Path | None, cryptomatte: bool, preview: bool, **reading: Any
) -> Generator[Event]:
    from vimatte.engine.errors import ConfigError
    from vimatte.engine.events import JobDone
    from vimatte.engine.farm import verify_layers
    from vimatte.engine.pipeline import open_clip
    from vimatte.engine.pipeline.plan import tracks_folder
    from vimatte.engine.pipeline.preview_pass import preview_shot
    from vimatte.engine.tracks import TrackSet
    from vimatte.ocio.frame_range import FrameRange
    from vimatte.ocio.output_pattern import OutputPattern

    started = time.monotonic()
    if preview and shot is None:
        raise ConfigError("--preview draws the people over the plate: give it with --shot SHOT.")
    pattern = OutputPattern.parse(out)
    known = TrackSet.load(tracks if tracks is not None else tracks_folder(pattern))
    tracked = FrameRange(known.frames)
    frames = FrameRange.parse(reading["frames"]) if reading["frames"] else tracked
    if reading["missing"] == "skip":
        frames = FrameRange.of(n for n in frames if n in tracked)
    if len(frames) == 1 and not pattern.path(frames.first).exists():
        pattern = OutputPattern.parse(out, still=True)
    manifest = yield from verify_layers(pattern, tracks=known, frames=frames, cryptomatte=cryptomatte)
    files = {"manifest": str(manifest)}
    if shot is not None:
        with open_clip(shot, **{**reading, "frames": str(frames)}) as opened:
            yield from preview_shot(opened, pattern, frames=frames, movie=preview)
        files["contact sheet"] = str(pattern.contact_sheet)
        if preview and len(frames) > 1:
            files["preview"] = str(pattern.preview)
    yield JobDone(frames=len(frames), written=0, seconds=time.monotonic() - started, files=files)
