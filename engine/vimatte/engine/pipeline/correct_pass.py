"""A correction from start to end: open the shot, make the mask, carry it as far as it reaches."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vimatte.engine.clip_shot import ClipShot, open_shot
from vimatte.engine.device import choose_device
from vimatte.engine.errors import ConfigError
from vimatte.engine.events import Event, Warned
from vimatte.engine.masks import BoolMask
from vimatte.engine.tracks import TrackSet
from vimatte.engine.vis.correct import Correction, fix
from vimatte.engine.vis.mask_pictures import read_person
from vimatte.engine.vis.mobile_sam import Segmenter
from vimatte.engine.vis.prompt import prompted_mask
from vimatte.ocio.frame_range import FrameRange

__all__ = ["Prompt", "correct_tracks"]

_DOUBTFUL = 0.6
"""Expected quality below which a mask should be looked at."""
_MOST = 0.3
"""Share of somebody else that a mask may take without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What an artist says of one person on one frame: a mask, or clicks and a box (pixels of the shot)."""

    mask: Path | None = None
    """A picture of the shot's size: white on black, or alpha."""
    clicks: tuple[tuple[float, float], ...] = ()
    """x, y on the person."""
    nots: tuple[tuple[float, float], ...] = ()
    """x, y that are not the person."""
    box: tuple[float, float, float, float] | None = None
    """x0, y0, x1, y1 around the person."""

    def __post_init__(self) -> None:
        prompted = bool(self.clicks or self.nots or self.box)
        if (self.mask is not None) == prompted:
            raise ConfigError(
                "Say how the person looks on this frame in one way: --mask M.png, or --click X,Y (and --not X,Y), "
                "or --box X0,Y0,X1,Y1."
            )
        if self.nots and not (self.clicks or self.box):
            raise ConfigError("--not X,Y alone is not enough; add a --click X,Y on the person, or --box X0,Y0,X1,Y1.")


def correct_tracks(
    shot: Path | str,
    tracks: TrackSet,
    *,
    person: int | str,
    frame: int,
    prompt: Prompt,
    start_frame: int = 1001,
    in_space: str | None = None,
    ocio: str | None = None,
    device: str = "auto",
) -> Generator[Event, None, Correction]:
    """Correct `tracks` of the clip `shot` on one frame; nothing is saved. Raises VimatteError."""
    if frame not in tracks.frames:
        raise ConfigError(
            f"Frame {frame} was not tracked; these tracks hold {FrameRange.of(tracks.frames)}: correct one of those."
        )
    with open_shot(
        shot, frames=FrameRange.of(tracks.frames), start_frame=start_frame, in_space=in_space, ocio=ocio
    ) as opened:
        mask = yield from _mask(opened, tracks, person=person, frame=frame, prompt=prompt, device=device)
        return (yield from fix(opened, tracks, person=person, frame=frame, mask=mask))


def _mask(
    shot: ClipShot, tracks: TrackSet, *, person: int | str, frame: int, prompt: Prompt, device: str
) -> Generator[Event, None, BoolMask]:
    size = (shot.info.width, shot.info.height)
    if prompt.mask is not None:
        return read_person(prompt.mask, size=size)
    mine = next((i.id for i in tracks.instances if str(person) in (i.name, str(i.id))), 0)
    fits = (tracks.width, tracks.height) == size
    there = tracks.masks_on(frame) if fits else {}
    mask, score = prompted_mask(
        Segmenter.open(device=choose_device(device)),
        shot.picture(frame),
        clicks=prompt.clicks,
        nots=prompt.nots,
        box=prompt.box,
        before=there.get(mine),
        others=[other for one, other in there.items() if one != mine],
    )
    for one, other in there.items():
        taken = float(np.count_nonzero(other & mask)) / max(1, int(np.count_nonzero(other)))
        if one != mine and taken > _MOST:
            name = tracks.instance(one).name
            yield Warned(
                message=f"This mask takes {taken:.0%} of {name} on frame {frame}; if that is wrong, type: vimatte "
                f"tracks undo, and add a --not on {name}."
            )
    if score < _DOUBTFUL:
        yield Warned(
            message=f"The mask of {person} on frame {frame} is doubtful (expected quality {score:.2f}); look at "
            f"it, and add a --click on what is missing or a --not on what is too much."
        )
    return mask
