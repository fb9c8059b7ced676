"""Masks carried through a shot without learned weights: from given frames to all frames, both ways in time."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.errors import ConfigError
from vimatte.engine.events import Progress
from vimatte.engine.masks import BoolMask, Rle
from vimatte.engine.shot import Shot
from vimatte.engine.vis.propagation.frames import WorkingFrames
from vimatte.engine.vis.propagation.soft import Probability, SoftMask, from_rle
from vimatte.engine.vis.propagation.sweep import sweep

__all__ = ["SETTINGS", "propagate"]

SETTINGS: Mapping[str, str | int | float] = {"propagation": "classical 1", "propagation_long_side": 960}
"""What changes a propagated mask."""

Anchors = Mapping[int, Mapping[int, Rle | None]]
Sweep = dict[int, dict[int, SoftMask]]


def propagate(shot: Shot, *, anchors: Anchors) -> Generator[Progress, None, dict[int, dict[int, Rle]]]:
    """Fill in the masks of every frame of `shot.frames` from those that are known.

    `anchors`: instance id -> frame -> mask at the shot's size; None means known to be absent there; any other frame is
    unknown and filled in from the anchors before and after it. Known masks come back as they are, but for pixels that
    two people claim on one frame. Frames outside the shot are ignored.

    Yields progress; returns instance id -> frame -> mask (no entry: absent). Masks of one frame do not overlap. Memory
    holds 8-bit working copies (long side 960, at most 512 MB) and small soft masks, never full-size pictures. Raises
    ConfigError when a mask is not of the shot's size.
    """
    numbers = shot.frames.numbers
    width, height = shot.info.width, shot.info.height
    _check(anchors, width, height)
    frames = WorkingFrames(shot, long_side=int(SETTINGS["propagation_long_side"]))
    by_frame: dict[int, dict[int, Rle | None]] = {}
    for one in sorted(anchors):
        for number in sorted(anchors[one]):
            by_frame.setdefault(number, {})[one] = anchors[one][number]
    by_frame = {n: by_frame[n] for n in numbers if n in by_frame}
    known = {
        number: {
            one: None if rle is None else from_rle(rle, frames.height, frames.width) for one, rle in people.items()
        }
        for number, people in by_frame.items()
    }
    ahead, back = _routes(numbers, anchors)
    total = len(ahead) + len(back) + len(numbers)
    done = 0
    swept: list[Sweep] = []
    for route in (ahead, back):
        result: Sweep = {}
        for number, masks in sweep(frames, route, known=known):
            result[number] = masks
            done += 1
            yield Progress(phase="propagate", done=done, total=total)
        swept.append(result)
    masks_of: dict[int, dict[int, Rle]] = {one: {} for one in sorted(anchors)}
    for number in numbers:
        given = by_frame.get(number, {})
        soft = {
            one: _blend(one, number, {f: r for f, r in anchors[one].items() if f in by_frame}, swept, frames)
            for one in masks_of
            if one not in given
        }
        for one, mask in _resolve(soft, given, height, width).items():
            if mask.any():
                masks_of[one][number] = Rle.encode(mask)
        done += 1
        yield Progress(phase="propagate", done=done, total=total)
    return masks_of


def _check(anchors: Anchors, width: int, height: int) -> None:
    for one, by_frame in anchors.items():
        for number, rle in by_frame.items():
            if rle is not None and (rle.width, rle.height) != (width, height):
                raise ConfigError(
                    f"The mask of person {one} on frame {number} is {rle.width}x{rle.height} but the shot is "
                    f"{width}x{height}; give masks of the shot's size."
                )


def _routes(numbers: Sequence[int], anchors: Anchors) -> tuple[list[int], list[int]]:
    """Frames to walk forwards and backwards: from the first anchor after which somebody is unknown to the last such."""
    place = {number: at for at, number in enumerate(numbers)}
    ahead: set[int] = set()
    back: set[int] = set()
    for by_frame in anchors.values():
        at = sorted(place[f] for f in by_frame if f in place)
        if not at:
            continue
        for one, other in zip(at, [*at[1:], len(numbers)], strict=True):
            if other - one > 1:
                ahead.update(range(one, other))
        for one, other in zip([-1, *at[:-1]], at, strict=True):
            if other - one > 1:
                back.update(range(one + 1, other + 1))
    return (
        [numbers[i] for i in range(min(ahead), max(ahead) + 1)] if ahead else [],
        [numbers[i] for i in range(max(back), min(back) - 1, -1)] if back else [],
    )


def _blend(
    one: int, number: int, anchors: Mapping[int, Rle | None], swept: list[Sweep], frames: WorkingFrames
) -> Probability:
    """Mix what the two sweeps say of somebody, each by its trust and by how near its anchor is.

    A known absence says nothing of where somebody went or came from: there only the other side's sweep counts.
    """
    total = np.zeros((frames.height, frames.width), np.float32)
    weights = 0.0
    nearest = (
        max((f for f in anchors if f <= number), default=None),
        min((f for f in anchors if f >= number), default=None),
    )
    for result, anchor in zip(swept, nearest, strict=True):
        soft = result.get(number, {}).get(one)
        if soft is None or anchor is None or anchors[anchor] is None:
            continue
        weight = max(soft.trust, 1e-3) / (1.0 + abs(number - anchor))
        total += weight * soft.unpack(frames.height, frames.width)
        weights += weight
    return total / weights if weights else total


def _resolve(
    soft: Mapping[int, Probability], given: Mapping[int, Rle | None], height: int, width: int
) -> dict[int, BoolMask]:
    """Give every pixel to at most one person: full-size masks from working-size probabilities and given masks."""
    best = np.full((height, width), 0.5, np.float32)
    owner = np.zeros((height, width), np.int32)
    for one, rle in sorted(given.items()):
        if rle is not None:
            mask = rle.decode() & (owner == 0)
            owner[mask] = one
            best[mask] = 2.0
    for one, small in sorted(soft.items()):
        values: NDArray[np.float32] = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))
        mask = values > best
        owner[mask] = one
        best[mask] = values[mask]
    return {one: owner == one for one in sorted({*soft, *given})}
