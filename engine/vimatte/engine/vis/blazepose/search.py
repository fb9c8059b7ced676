"""Looking through a shot: a full look now and then, everybody followed in between, then back from where each began."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.events import Progress
from vimatte.engine.masks import BoolMask, Rle
from vimatte.engine.threads import ahead
from vimatte.engine.vis.blazepose.bodies import Body
from vimatte.engine.vis.blazepose.carry import Thumbs
from vimatte.engine.vis.blazepose.detect import Candidate
from vimatte.engine.vis.blazepose.look import Finder, Seen
from vimatte.engine.vis.blazepose.sighting import Sighting
from vimatte.engine.vis.flow import WorkingImage
from vimatte.engine.vis.identity.looks import appearance
from vimatte.engine.vis.propagation.frames import WorkingFrames
from vimatte.engine.vis.snap import snap

__all__ = ["SETTINGS", "Find", "Search"]

_AHEAD = 8
"""Frames read while others are looked at."""
SETTINGS = {"follow_quality": 0.5, "keep_looking": 6, "snap_radius": 0.016}


@dataclass(frozen=True, slots=True)
class Find:
    """Somebody on one frame: what association sees, the mask at working size, and where to look next."""

    sighting: Sighting
    mask: Rle
    body: Body


_Asked = tuple[WorkingImage, Sequence[Candidate] | None]
"""A picture, and who may be there, where all of it was looked at."""


class Search:
    """Finds of a whole shot, by place of the frame in the shot."""

    def __init__(
        self,
        frames: WorkingFrames,
        numbers: Sequence[int],
        finder: Finder,
        *,
        stride: int = 1,
        beside: Callable[[int], None] | None = None,
    ) -> None:
        """`stride`: only every so many frames are looked at, and the last. `beside` is called with each frame's number
        once it is read, on a thread that waits for others otherwise.
        """
        self._frames = frames
        self._numbers = numbers
        self._beside = beside
        self.finder = finder
        self.stride = stride
        last = len(numbers) - 1
        self.places = tuple(at for at in range(len(numbers)) if at % stride == 0 or at == last)
        """Of the frames that are looked at."""
        self.thumbs = Thumbs(frames.width, frames.height)
        self._scale = self.thumbs.width / frames.width
        self.finds: list[list[Find]] = []

    def run(self, every: int) -> Generator[Progress, None, None]:
        """Look through the shot, to and fro: two thirds of the finding. Full looks on every `every`-th and the last."""
        count = len(self._numbers)
        with closing(ahead(self._pictures(every), most=_AHEAD)) as pictures:
            for at, many in self._look(pictures):
                yield Progress(phase="find", done=at + 1, total=3 * count, detail=f"{many} people")
        for at, after in reversed(list(pairwise(self.places))):
            self._fill(at, after)
            yield Progress(phase="find", done=2 * count - at, total=3 * count)

    def _look(self, pictures: Iterable[_Asked]) -> Generator[tuple[int, int]]:
        """Look through all pictures; give each place and how many people are seen there, or were last."""
        places = frozenset(self.places)
        expected: list[tuple[Body, BoolMask, int]] = []
        before = 0
        for at, (image, candidates) in enumerate(pictures):
            self.finds.append([])
            if at in places:
                expected = [(*self._moved(body, mask, before, at), since) for body, mask, since in expected]
                bodies = [body for body, _, _ in expected]
                if candidates is None:
                    seen = self.finder.follow(image, expected=bodies)
                else:
                    seen = self.finder.look(image, expected=bodies, candidates=candidates)
                self.finds[at] = self.describe(at, image, seen)
                expected = self._expect(self.finds[at], expected, at)
                before = at
            yield at, len(self.finds[before])

    def image(self, at: int) -> WorkingImage:
        """Working copy of the frame at place `at`."""
        return self._frames.get(self._numbers[at], ahead=self._numbers[at : at + _AHEAD])

    def _pictures(self, every: int) -> Generator[_Asked]:
        """All working copies in order, with the motion from each to the next measured; who may be there, now and then.

        Nothing of this hangs on who was found before: it is done while that is found out.
        """
        last = len(self._numbers) - 1
        for at in range(len(self._numbers)):
            image = self.image(at)
            self.thumbs.add(at, image)
            if at:
                self.thumbs.flow(at)
            if self._beside is not None:
                self._beside(self._numbers[at])
            yield image, self.finder.candidates(image) if at % every == 0 or at == last else None

    def _moved(self, body: Body, mask: BoolMask, start: int, end: int) -> tuple[Body, BoolMask]:
        """Somebody of the frame at `start`, and their mask, as they would be on the frame at `end`."""
        step = 1 if end > start else -1
        for at in range(start, end, step):
            x, y = self.thumbs.motion(mask, at, ahead=step > 0)
            body, mask = body.moved(x / self._scale, y / self._scale), self.thumbs(mask, at, at + step)
        return body, mask

    def _expect(
        self, found: Sequence[Find], expected: Sequence[tuple[Body, BoolMask, int]], at: int
    ) -> list[tuple[Body, BoolMask, int]]:
        """Where to look on the next frame: at those found now, and for a while at those lost lately."""
        sure = [f for f in found if f.sighting.quality >= float(SETTINGS["follow_quality"])]
        now = [(f.body, f.sighting.mask.decode(), at) for f in sure]
        masks = [f.sighting.mask.decode() for f in found]
        for body, carried, since in expected:
            seen = any(np.count_nonzero(carried & m) > 0.5 * min(carried.sum(), m.sum()) for m in masks)
            if carried.any() and at - since < int(SETTINGS["keep_looking"]) and not seen:
                now.append((body, carried, since))
        return now

    def _fill(self, at: int, after: int) -> None:
        """Look again where somebody of the frame at `after` should have been."""
        present = [f.sighting.mask.decode() for f in self.finds[at]]
        missing: list[Body] = []
        for find in self.finds[after]:
            if find.sighting.quality < float(SETTINGS["follow_quality"]):
                continue
            body, carried = self._moved(find.body, find.sighting.mask.decode(), after, at)
            if carried.any() and not any(np.count_nonzero(carried & m) > 0.5 * carried.sum() for m in present):
                missing.append(body)
        if not missing:
            return
        image = self.image(at)
        for find in self.describe(at, image, self.finder.follow(image, expected=missing)):
            mask = find.sighting.mask.decode()
            if not any(np.count_nonzero(mask & m) > 0.5 * min(mask.sum(), m.sum()) for m in present):
                self.add(find)
                present.append(mask)

    def add(self, find: Find) -> Find:
        """Put a find among those of its frame, and return it with its index."""
        at = find.sighting.at
        placed = replace(find, sighting=replace(find.sighting, index=len(self.finds[at])))
        self.finds[at].append(placed)
        return placed

    def describe(
        self, at: int, image: WorkingImage, seen: Sequence[Seen], *, without: BoolMask | None = None
    ) -> list[Find]:
        """Finds of the frame at place `at`: snapped, every pixel given to one of them, crumbs and `without` removed."""
        height, width = image.shape[:2]

        def snapped(one: Seen) -> NDArray[np.float32]:
            radius = max(2, min(12, round(float(SETTINGS["snap_radius"]) * one.person.body.side)))
            return snap(one.paint(height, width), image, radius=radius)

        def described(soft: NDArray[np.float32], own: BoolMask, one: Seen) -> Find | None:
            mask = _large_parts((soft > 0.5) & own if without is None else (soft > 0.5) & own & ~without)
            small = self.thumbs.shrink(mask.astype(np.float32))
            if not small.any():
                return None
            sighting = Sighting(
                at=at,
                index=0,
                mask=Rle.encode(small),
                quality=one.quality,
                x=one.person.body.x * self._scale,
                y=one.person.body.y * self._scale,
                reach=one.person.body.reach * self._scale,
                colour=appearance(image, mask),
            )
            return Find(sighting, Rle.encode(mask), one.person.body)

        softs = self.finder.each(snapped, seen)
        owned = _share([soft * s.quality for soft, s in zip(softs, seen, strict=True)])
        finds = self.finder.each(lambda three: described(*three), zip(softs, owned, seen, strict=True))
        there = [find for find in finds if find is not None]
        return [replace(f, sighting=replace(f.sighting, index=k)) for k, f in enumerate(there)]


def _share(weights: Sequence[NDArray[np.float32]]) -> list[BoolMask]:
    """Where each is the strongest; the first wins a tie."""
    if not weights:
        return []
    most, owner = weights[0], np.zeros(weights[0].shape, np.int32)
    for k, weight in enumerate(weights[1:], start=1):
        owner[weight > most] = k
        most = np.maximum(most, weight)
    return [owner == k for k in range(len(weights))]


def _large_parts(mask: BoolMask, *, least: float = 0.03) -> BoolMask:
    """Without crumbs: connected parts smaller than `least` of the largest."""
    left, top, wide, high = cv2.boundingRect(mask.astype(np.uint8))
    if not wide:
        return mask
    box = (slice(top, top + high), slice(left, left + wide))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask[box].astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    areas = np.asarray(stats)[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    large = np.zeros_like(mask)
    large[box] = (areas >= least * areas.max())[labels]
    return large
