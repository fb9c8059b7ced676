"""Corrections of saved tracks: a mask set right on one frame, carried as far as the next keyframes; a stay cut short.

What a correction may touch is decided before anything is computed: the frames strictly between the person's keyframes
around it (the reach). Outside, every mask stays the very same run lengths. Inside, other people change only where the
corrected person's old or new mask is.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np

from vimatte.engine.errors import ConfigError
from vimatte.engine.events import Progress
from vimatte.engine.masks import BoolMask, Rle
from vimatte.engine.shot import Picture, Shot
from vimatte.engine.tracks import Instance, TrackSet
from vimatte.engine.vis.propagate import propagate
from vimatte.ocio.clip import ClipInfo
from vimatte.ocio.frame import Frame
from vimatte.ocio.frame_range import FrameRange

__all__ = ["Correction", "changed_frames", "cut", "fix", "reach_of"]

Carried = Mapping[int, Mapping[int, Rle]]

_DISPUTED = 0.15
"""Share of the smaller of two masks that a correction must take for the other's masks nearby to be in doubt too."""

_NEAR = 0.02
"""How far, as a share of the long side, what a correction changes may move from one frame to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """New tracks, and what is different in them."""

    tracks: TrackSet
    person: Instance
    """Whom the correction was about."""
    reach: tuple[int, ...]
    """Frames on which anything was allowed to change, ascending."""
    changed: tuple[int, ...]
    """Frames on which somebody's mask is not what it was, ascending; all lie in the reach."""


def fix(
    shot: Shot, tracks: TrackSet, *, person: int | str, frame: int, mask: BoolMask
) -> Generator[Progress, None, Correction]:
    """Make `mask` (h, w) the keyframe of `person` on `frame`, and carry it both ways to the keyframes around it.

    A name nobody has adds a person, whose masks are carried over the whole shot. On `frame` the mask is taken as it
    is, and other people lose what it covers. From there what was added and what was taken away is followed, until
    nothing of it is left; other people lose what the corrected person wins, and win only what that person held before
    and has let go. Their own keyframes stand. Yields progress; raises ConfigError.
    """
    _check_fit(shot, tracks, frame)
    if mask.shape != (tracks.height, tracks.width):
        raise ConfigError(
            f"The mask is {mask.shape[1]}x{mask.shape[0]} but the shot is {tracks.width}x{tracks.height}; "
            f"give a mask of the shot's size."
        )
    if not mask.any():
        raise ConfigError(
            f"The mask of '{person}' on frame {frame} is empty; to say that they are not there type: "
            f"vimatte tracks cut FOLDER {person} --frames {frame}"
        )
    known = _with(tracks, person)
    one = known.instance(person)
    reach, window = reach_of(known, person=one.id, frame=frame)
    lacking = sorted(set(window) - set(shot.frames.numbers))
    if lacking:
        raise ConfigError(
            f"The correction on frame {frame} reaches from {window[0]} to {window[-1]}, and the shot was opened "
            f"without frame {lacking[0]}; leave out --frames."
        )
    part = _Part(shot, window)
    carried = yield from propagate(part, anchors=_anchors(known, one.id, window=window, frame=frame, mask=mask))
    if known.masks[one.id]:
        new = _changed_masks(known, one.id, reach=reach, frame=frame, mask=mask, carried=carried)
    else:
        new = {**carried[one.id], frame: Rle.encode(mask)}
    masks = {i: dict(by_frame) for i, by_frame in known.masks.items()}
    for number in reach:
        if number in new:
            for i, rle in _settled(known, one.id, number, new[number].decode(), carried).items():
                if rle is None:
                    masks[i].pop(number, None)
                else:
                    masks[i][number] = rle
    keys = {**known.keys, one.id: (*known.keys[one.id], frame)}
    after = replace(known, masks=masks, keys=keys)
    return Correction(tracks=after, person=one, reach=reach, changed=changed_frames(tracks, after))


def cut(tracks: TrackSet, *, person: int | str, frames: Iterable[int]) -> Correction:
    """Say that `person` is not there on `frames`; these become keyframes without a mask, so that nothing fills them.

    Nobody else's mask changes. Raises ConfigError when the person is on none of these frames, or on no others.
    """
    one = tracks.instance(person)
    wanted = set(frames)
    on = set(tracks.presence(one.id))
    if not wanted & on:
        raise ConfigError(f"'{one.name}' is not on {FrameRange.of(wanted)}; there are masks on {FrameRange.of(on)}.")
    if on <= wanted:
        raise ConfigError(
            f"Without {FrameRange.of(wanted)} nothing is left of '{one.name}'; to leave somebody out type: "
            f"vimatte tracks drop FOLDER {one.name}"
        )
    reach = tuple(f for f in tracks.frames if f in wanted)
    after = replace(
        tracks,
        masks={**tracks.masks, one.id: {f: r for f, r in tracks.masks[one.id].items() if f not in wanted}},
        keys={**tracks.keys, one.id: (*tracks.keys[one.id], *reach)},
    )
    return Correction(tracks=after, person=one, reach=reach, changed=changed_frames(tracks, after))


def changed_frames(before: TrackSet, after: TrackSet) -> tuple[int, ...]:
    """Frames on which somebody, known by id, has not the mask they had; ascending."""
    return tuple(
        frame
        for frame in sorted({*before.frames, *after.frames})
        if any(
            before.masks.get(i, {}).get(frame) != after.masks.get(i, {}).get(frame) for i in {*before.ids, *after.ids}
        )
    )


def reach_of(tracks: TrackSet, *, person: int | str, frame: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the frames a correction on `frame` may change, and those with the keyframes that end it on either side.

    A person without a keyframe on one side is followed to that end of the shot.
    """
    own = [f for f in tracks.keys[tracks.instance(person).id] if f in set(tracks.frames)]
    before = max((f for f in own if f < frame), default=None)
    after = min((f for f in own if f > frame), default=None)
    window = tuple(f for f in tracks.frames if (before is None or f >= before) and (after is None or f <= after))
    return tuple(f for f in window if f not in (before, after)), window


def _check_fit(shot: Shot, tracks: TrackSet, frame: int) -> None:
    info = shot.info
    if (info.width, info.height) != (tracks.width, tracks.height):
        raise ConfigError(
            f"{info.path.name} is {info.width}x{info.height}, the tracks are {tracks.width}x{tracks.height}; "
            f"give the shot these tracks were made from."
        )
    if frame not in tracks.frames:
        raise ConfigError(
            f"Frame {frame} was not tracked; these tracks hold {FrameRange.of(tracks.frames)}: correct one of those."
        )


def _with(tracks: TrackSet, person: int | str) -> TrackSet:
    """The tracks with this person in them, new where nobody has the name."""
    if isinstance(person, int) or person in tracks.names or person in {str(i) for i in tracks.ids}:
        tracks.instance(person)
        return tracks
    new = Instance(id=tracks.next_id, name=person)
    return replace(tracks, instances=(*tracks.instances, new), next_id=tracks.next_id + 1)


def _anchors(
    tracks: TrackSet,
    person: int,
    *,
    window: tuple[int, ...],
    frame: int,
    mask: BoolMask,
) -> dict[int, dict[int, Rle | None]]:
    """What is certain on the way: the keyframes around, the corrected mask, and other people.

    Somebody of whom the correction takes a good part is certain only on keyframes, on frames that stay as they are, and
    when absent; the rest is contested. Everybody else is certain.
    """
    own = tracks.keys[person]
    anchors: dict[int, dict[int, Rle | None]] = {
        person: {f: tracks.masks[person].get(f) for f in (window[0], window[-1]) if f in own}
    }
    anchors[person][frame] = Rle.encode(mask)
    for other in tracks.ids:
        by_frame = tracks.masks[other]
        if other == person or not any(f in by_frame for f in window):
            continue
        there = tracks.mask(other, frame)
        least = min(np.count_nonzero(there), np.count_nonzero(mask))
        contested = np.count_nonzero(there & mask) > _DISPUTED * least
        certain = {*tracks.keys[other], *(set(window) & set(own))} if contested else set(window)
        anchors[other] = {f: by_frame.get(f) for f in window if f in certain or f not in by_frame}
        if frame in anchors[other]:
            anchors[other][frame] = _encoded(there & ~mask)
    return anchors


def _changed_masks(
    tracks: TrackSet, person: int, *, reach: tuple[int, ...], frame: int, mask: BoolMask, carried: Carried
) -> dict[int, Rle]:
    """The person's new masks in the reach: the old ones, but for what follows from the correction.

    What was added and what was taken away on `frame` is followed from frame to frame among the differences of the
    carried and the old masks, as long as there are any. So what is lost on the way alone (a body seen only in part on
    the corrected frame cannot be carried whole) stays as it was.
    """
    empty = np.zeros_like(mask)
    near = _NEAR * max(mask.shape)
    masks = {frame: Rle.encode(mask)}
    was = tracks.mask(person, frame)
    for way in (tuple(f for f in reach if f > frame), tuple(f for f in reversed(reach) if f < frame)):
        added, taken = _solid(mask & ~was), _solid(was & ~mask)
        for number in way:
            old = tracks.mask(person, number)
            new = carried[person][number].decode() if number in carried[person] else empty
            added = _following(new & ~old, added, near=near)
            taken = _following(old & ~new, taken, near=near)
            if not added.any() and not taken.any():
                break
            masks[number] = Rle.encode((old & ~taken) | added)
    return masks


def _solid(difference: BoolMask) -> BoolMask:
    """Without what is only a line along an edge."""
    opened = cv2.morphologyEx(difference.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return np.asarray(opened > 0)


def _following(difference: BoolMask, before: BoolMask, *, near: float) -> BoolMask:
    """The islands of a difference that lie, at least half, within `near` pixels of what was accepted before."""
    if not before.any() or not difference.any():
        return np.zeros_like(difference)
    close = cv2.distanceTransform((~before).astype(np.uint8), cv2.DIST_L2, 3) <= near
    count, islands = cv2.connectedComponents(_solid(difference).astype(np.uint8))
    areas = np.bincount(islands.ravel(), minlength=count)
    good = np.bincount(islands[close], minlength=count) >= 0.5 * areas
    good[0] = False
    return np.asarray(good[islands])


def _settled(tracks: TrackSet, person: int, number: int, new: BoolMask, carried: Carried) -> dict[int, Rle | None]:
    """Everybody's mask on one frame of the reach; an unchanged mask is the very object it was."""
    old = tracks.mask(person, number)
    others = {i: rle for i in tracks.ids if i != person and (rle := tracks.masks[i].get(number)) is not None}
    free = old & ~new
    for rle in others.values():
        free &= ~rle.decode()
    settled: dict[int, Rle | None] = {person: _encoded(new)}
    for i, rle in others.items():
        before = rle.decode()
        after = before & ~new
        if free.any() and number in carried.get(i, {}):
            after |= carried[i][number].decode() & free
        settled[i] = rle if np.array_equal(before, after) else _encoded(after)
    return settled


def _encoded(mask: BoolMask) -> Rle | None:
    return Rle.encode(mask) if mask.any() else None


class _Part:
    """A shot of which only some frames are to be looked at."""

    def __init__(self, shot: Shot, numbers: Collection[int]) -> None:
        self._shot = shot
        self._frames = FrameRange.of(numbers)

    @property
    def info(self) -> ClipInfo:
        return self._shot.info

    @property
    def frames(self) -> FrameRange:
        return self._frames

    def plate(self, number: int) -> Frame:
        return self._shot.plate(number)

    def picture(self, number: int) -> Picture:
        return self._shot.picture(number)

    def plates(self, numbers: Iterable[int]) -> Generator[Frame]:
        return self._shot.plates(numbers)

    def pictures(self, numbers: Iterable[int]) -> Generator[tuple[int, Picture]]:
        return self._shot.pictures(numbers)
