"""Masks carried through a shot: from given frames to all frames, both ways in time.

Who carries: `classical`, without learned weights, or `lite`, where the network that comes with the program has the last
word on each frame.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property

import cv2
import numpy as np

from vimatte.engine.errors import ConfigError
from vimatte.engine.events import Progress
from vimatte.engine.masks import BoolMask, Rle
from vimatte.engine.precision import name_of_quickest
from vimatte.engine.shot import Shot
from vimatte.engine.threads import shared_cores, side_by_side
from vimatte.engine.vis.carriers import Carrier
from vimatte.engine.vis.flow import WorkingImage, working_size
from vimatte.engine.vis.propagation import edges
from vimatte.engine.vis.propagation.edges import Carried, with_edges
from vimatte.engine.vis.propagation.frames import WorkingFrames
from vimatte.engine.vis.propagation.shared_flows import SharedFlows
from vimatte.engine.vis.propagation.soft import Probability, SoftMask, from_rle
from vimatte.engine.vis.propagation.sweep import Judge, sweep

__all__ = ["SETTINGS", "Prepared", "propagate", "settings"]

SETTINGS: Mapping[str, str | int | float] = {"propagation": "classical 1", "propagation_long_side": 960}
"""What changes a mask that is carried without weights."""

_FOUND_LONG_SIDE = 480
"""Of the working copies on which the network carries people who were found."""
Anchors = Mapping[int, Mapping[int, Rle | None]]
Sweep = dict[int, dict[int, SoftMask]]


def settings(carrier: Carrier, *, device: str = "cpu") -> dict[str, str | int | float]:
    """What changes a mask that is carried so, there. Raises BackendError where the weights are missing."""
    if carrier == "classical":
        return dict(SETTINGS)
    from vimatte.engine.lite.propagate import judge
    from vimatte.engine.lite.shipped import digest

    return {
        **SETTINGS,
        "propagation": "lite 5",
        "propagation_found_long_side": _FOUND_LONG_SIDE,
        "propagation_precision": name_of_quickest(device),
        "propagation_weights": digest("propagate"),
        **judge.SETTINGS,
        **edges.SETTINGS,
        "propagation_edges_weights": digest("matte"),
    }


class Prepared:
    """What is there of a shot before anybody is followed: working copies, and how those who are found will move."""

    def __init__(self, shot: Shot, copies: WorkingFrames | None = None) -> None:
        """`copies` are working copies that are there already; smaller ones than are needed are not used."""
        self._shot, self.copies = shot, copies
        self._before: tuple[int, WorkingImage] | None = None

    @cached_property
    def small(self) -> WorkingFrames:
        """Copies on which the network follows those who are found."""
        return _frames(self._shot, self.copies, long_side=_FOUND_LONG_SIDE)

    @cached_property
    def flows(self) -> SharedFlows:
        """Between neighbours of `small`."""
        return SharedFlows()

    def add(self, number: int) -> None:
        """Measure the flow from the frame added before, while somebody has this one at hand."""
        now = number, self.small.get(number)
        if self._before is not None:
            self.flows.between(now, self._before)
        self._before = now


def propagate(
    shot: Shot,
    *,
    anchors: Anchors,
    exact: bool = True,
    carrier: Carrier = "classical",
    device: str = "cpu",
    prepared: Prepared | None = None,
) -> Generator[Progress, None, dict[int, dict[int, Rle]]]:
    """Fill in the masks of every frame of `shot.frames` from those that are known.

    `anchors`: instance id -> frame -> mask at the shot's size; None means known to be absent there; any other frame is
    unknown and filled in from the anchors before and after it. Known masks come back as they are, but for pixels that
    two people claim on one frame. Frames outside the shot are ignored. With `exact` false the known masks are evidence
    only, as a people finder's blobs are: they are tightened to the picture's edges on their own frames too. Outlines of
    what `lite` carries from exact masks are laid by the matting network in the end. `prepared` is what is there of the
    shot already.

    Yields progress; returns instance id -> frame -> mask (no entry: absent). Masks of one frame do not overlap. Memory
    holds 8-bit working copies (48 MB in memory) and small soft masks, never full-size pictures. Raises ConfigError when
    a mask is not of the shot's size, BackendError when the weights of `lite` are.
    """
    numbers = shot.frames.numbers
    width, height = shot.info.width, shot.info.height
    _check(anchors, width, height)
    # People who were found are found again every few frames, and their masks are blobs: half the size does as well for
    # their mattes, for a third of the time.
    found = carrier == "lite" and not exact
    prepared = prepared or Prepared(shot)
    frames = (
        prepared.small if found else _frames(shot, prepared.copies, long_side=int(SETTINGS["propagation_long_side"]))
    )
    judged = _judged(carrier, frames, device=device)
    by_frame: dict[int, dict[int, Rle | None]] = {}
    for one in sorted(anchors):
        for number in sorted(anchors[one]):
            by_frame.setdefault(number, {})[one] = anchors[one][number]
    by_frame = {n: by_frame[n] for n in numbers if n in by_frame}
    known = _Known(by_frame, frames.height, frames.width)
    ahead, back = _routes(numbers, anchors)
    total = len(ahead) + len(back) + len(numbers)
    done = 0
    swept: list[Sweep] = [{}, {}]
    flows = prepared.flows if found else None
    both = [sweep(frames, route, known=known, judge=judged(), exact=exact, flows=flows) for route in (ahead, back)]
    with shared_cores(), closing(side_by_side(both)) as steps:
        for which, (number, masks) in steps:
            swept[which][number] = masks
            done += 1
            yield Progress(phase="propagate", done=done, total=total)
    masks_of: dict[int, dict[int, Rle]] = {one: {} for one in sorted(anchors)}
    every: Iterable[Carried] = (_carried(n, anchors, by_frame, swept, frames, exact=exact) for n in numbers)
    for one_frame in with_edges(shot, frames, every, device=device) if carrier == "lite" and exact else every:
        for one, rle in _resolve(one_frame.soft, one_frame.known, height, width).items():
            masks_of[one][one_frame.number] = rle
        done += 1
        yield Progress(phase="propagate", done=done, total=total)
    return masks_of


def _carried(
    number: int,
    anchors: Anchors,
    by_frame: Mapping[int, Mapping[int, Rle | None]],
    swept: list[Sweep],
    frames: WorkingFrames,
    *,
    exact: bool,
) -> Carried:
    """What both sweeps together say of a frame, and what is known there."""
    given = {
        one: rle
        for one, rle in by_frame.get(number, {}).items()
        if exact or rle is None or not any(one in result.get(number, {}) for result in swept)
    }
    soft = {
        one: _blend(one, number, {f: r for f, r in anchors[one].items() if f in by_frame}, swept, frames)
        for one in sorted(anchors)
        if one not in given
    }
    return Carried(number, _shared_out(soft), given)


def _frames(shot: Shot, copies: WorkingFrames | None, *, long_side: int) -> WorkingFrames:
    """Working copies of this size: those that are there, or new ones, made of those where they are larger."""
    width, height = working_size(shot.info.width, shot.info.height, long_side=long_side)
    if copies is not None and (copies.width, copies.height) == (width, height):
        return copies
    larger = copies if copies is not None and copies.width >= width and copies.height >= height else None
    return WorkingFrames(shot, long_side=long_side, larger=larger)


def _judged(carrier: Carrier, frames: WorkingFrames, *, device: str) -> Callable[[], Judge | None]:
    """Make what has the last word in a sweep: nothing, or the network."""
    if carrier == "classical":
        return lambda: None
    from vimatte.engine.lite.propagate import judge
    from vimatte.engine.lite.propagate.weights import open_network

    network = open_network(device)
    return lambda: judge.Judge(network, height=frames.height, width=frames.width, device=device)


class _Known(Mapping[int, Mapping[int, Probability | None]]):
    """Known masks at working size, made when they are asked for: two megabytes each, and there may be hundreds."""

    def __init__(self, masks: Mapping[int, Mapping[int, Rle | None]], height: int, width: int) -> None:
        self._masks, self._height, self._width = masks, height, width

    def __getitem__(self, number: int) -> dict[int, Probability | None]:
        people = self._masks[number].items()
        return {one: None if rle is None else from_rle(rle, self._height, self._width) for one, rle in people}

    def __iter__(self) -> Iterator[int]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)


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


def _shared_out(soft: Mapping[int, Probability]) -> dict[int, Probability]:
    """Where it is surely somebody, but sweeps disagree on who, the likelier one has all of it rather than nobody."""
    if len(soft) < 2:
        return dict(soft)
    ids = sorted(soft)
    planes = np.stack([soft[one] for one in ids])
    total, winner = np.minimum(planes.sum(axis=0), 1.0), planes.argmax(axis=0)
    contested = (total > 0.5) & (planes.max(axis=0) <= 0.5)
    return {one: np.where(contested & (winner == n), total, planes[n]) for n, one in enumerate(ids)}


def _resolve(
    soft: Mapping[int, Probability], given: Mapping[int, Rle | None], height: int, width: int
) -> dict[int, Rle]:
    """Give every pixel to at most one person: full-size masks from working-size probabilities and given masks.

    Only those who have a pixel are in the result.
    """
    owner = np.zeros((height, width), np.int32)
    best = np.zeros((height, width), np.float32)
    rows_of: dict[int, slice] = {}
    for one, rle in sorted(given.items()):
        if rle is not None and rle.area:
            owner[rle.decode() & (owner == 0)] = one
            rows_of[one] = slice(0, height)
    if rows_of:
        best[owner > 0] = 2.0
    for one, small in sorted(soft.items()):
        grown = _enlarged(small, height, width)
        if grown is None:
            continue
        values, window = grown
        mask = (values > 0.5) & (values > best[window])
        owner[window][mask] = one
        best[window][mask] = values[mask]
        rows_of[one] = window[0]
    masks = {one: _encode_rows(owner[rows] == one, rows.start, height) for one, rows in sorted(rows_of.items())}
    return {one: rle for one, rle in masks.items() if rle.area}


def _enlarged(small: Probability, height: int, width: int) -> tuple[Probability, tuple[slice, slice]] | None:
    """(Values, window) at full size, linearly, of the part of a working-size plane that may matter; None when none."""
    sure = small > 0.1
    rows, cols = np.flatnonzero(sure.any(axis=1)), np.flatnonzero(sure.any(axis=0))
    if rows.size == 0:
        return None
    down, across = height / small.shape[0], width / small.shape[1]
    top, bottom = max(0, int((rows[0] - 1) * down)), min(height, int(np.ceil((rows[-1] + 2) * down)))
    left, right = max(0, int((cols[0] - 1) * across)), min(width, int(np.ceil((cols[-1] + 2) * across)))
    window = (slice(top, bottom), slice(left, right))
    if small.shape == (height, width):
        return small[window], window
    # pixel centres lie at .5: full-size x looks at (x + .5) / across - .5
    matrix = np.array([[1 / across, 0, (left + 0.5) / across - 0.5], [0, 1 / down, (top + 0.5) / down - 0.5]])
    values = cv2.warpAffine(
        small,
        matrix,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(values, np.float32), window


def _encode_rows(mask: BoolMask, top: int, height: int) -> Rle:
    """Encode a mask of which only the rows from `top` on are given; quick where people are small in large pictures."""
    part = Rle.encode(mask)
    width = part.width
    counts = part.counts.astype(np.int64)
    below = (height - top - part.height) * width
    counts[0] += top * width
    if below:
        if counts.size % 2:
            counts[-1] += below
        else:
            counts = np.append(counts, below)
    return Rle(height, width, counts.astype(np.uint32))
