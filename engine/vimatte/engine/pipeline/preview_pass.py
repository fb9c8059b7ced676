"""Third pass: the movie and the contact sheet, made from the finished layers, so that they show what is on disk."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, closing

from vimatte.engine.clip_shot import ClipShot
from vimatte.engine.events import Event, PhaseStarted, Progress
from vimatte.engine.preview import ContactSheet, colour_of, overlay
from vimatte.engine.preview.overlay import shrunk
from vimatte.ocio.frame_range import FrameRange
from vimatte.ocio.output_pattern import OutputPattern
from vimatte.ocio.read_layers import read_layers
from vimatte.ocio.write_video import LONG_SIDE, PreviewWriter

__all__ = ["preview_shot"]


def preview_shot(shot: ClipShot, pattern: OutputPattern, *, frames: FrameRange, movie: bool = True) -> Generator[Event]:
    """Write `layers.contact.png`, and for moving shots `layers.preview.mp4`. Memory does not grow with the shot.

    `movie`: False for the contact sheet alone.
    """
    info = shot.info
    first = read_layers(pattern.path(frames.first))
    colours = {name: colour_of(first.ids.get(name, i)) for i, name in enumerate(first.alphas, start=1)}
    sheet = ContactSheet(tuple(first.alphas), colours=colours, frames=frames.numbers, title=info.path.name)
    yield PhaseStarted(phase="preview", total=len(frames))
    with ExitStack() as stack:
        writer: PreviewWriter | None = None
        for done, (number, full) in enumerate(stack.enter_context(closing(shot.pictures(frames))), start=1):
            alphas = {n: shrunk(a, LONG_SIDE) for n, a in read_layers(pattern.path(number)).alphas.items()}
            picture = shrunk(full, LONG_SIDE)
            sheet.add(number, picture, alphas)
            if movie and len(frames) > 1:
                painted = overlay(picture, alphas, colours, caption=str(number))
                height, width = painted.shape[:2]
                writer = writer or stack.enter_context(
                    PreviewWriter(
                        pattern.preview, width=width, height=height, fps=info.fps, pixel_aspect=info.pixel_aspect
                    )
                )
                writer.write(painted)
            yield Progress(phase="preview", done=done, total=len(frames), detail=f"frame {number}")
    sheet.save(pattern.contact_sheet)
