"""Looking at one picture: who is there, each person once, with a mask and how far it can be trusted.

The landmark network corrects the square it was given; looked at again from there, a person gives the same mask
(a fixed point), a chance likeness does not. That agreement is the best sign of a good mask that was measured here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from vimatte.engine.vis.blazepose.bodies import Body
from vimatte.engine.vis.blazepose.detect import Candidate, detect, thin, tiles_of
from vimatte.engine.vis.blazepose.flatbuffer import read_graph
from vimatte.engine.vis.blazepose.lots import HANDS
from vimatte.engine.vis.blazepose.network import Network
from vimatte.engine.vis.blazepose.segment import Person, segment
from vimatte.engine.vis.flow import WorkingImage
from vimatte.engine.weights import locate

__all__ = ["SETTINGS", "Finder", "Seen"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

SETTINGS: Mapping[str, str | int | float] = {
    "tiles": "1.0 0.6",
    "candidate_threshold": 0.35,
    "presence_first": 0.3,
    "presence_again": 0.5,
    "quality_least": 0.3,
    "swallow_area": 1.5,
}
_SHARES = tuple(float(v) for v in str(SETTINGS["tiles"]).split())
_INSIDE = 0.6
"""Share of the smaller mask within a better one that makes it the same person."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody in one picture."""

    person: Person
    quality: float
    """0 to 1: presence x agreement of the two looks x sharpness of the mask."""

    def paint(self, height: int, width: int) -> NDArray[np.float32]:
        """Probability (h, w)."""
        soft = np.zeros((height, width), np.float32)
        x0, y0, x1, y1 = self.person.box
        soft[y0:y1, x0:x1] = self.person.mask
        return soft


class Finder:
    """The two networks on a device, and the threads that run them; to be closed, for use in `with`."""

    def __init__(self, device: torch.device) -> None:
        """Raises BackendError when the weights are missing."""
        paths = locate("blazepose")
        self._device = device
        self._crew = ThreadPoolExecutor(HANDS, thread_name_prefix="vimatte-find")
        self._detector = Network(read_graph(paths["pose_detection.tflite"])).to(device)
        # Landmarks, presence, segmentation; the heatmaps and world landmarks are not needed.
        self._segmenter = Network(read_graph(paths["pose_landmark_full.tflite"]), wanted=(0, 1, 2)).to(device)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._crew.shutdown()

    def each(self, work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
        """Do something to each of several, on the finder's threads; not from within such work."""
        return list(self._crew.map(work, items))

    def candidates(self, image: WorkingImage) -> list[Candidate]:
        """Where somebody may be in (h, w, 3), best first."""
        height, width = image.shape[:2]
        return detect(
            image,
            self._detector,
            tiles=tiles_of(width, height, shares=_SHARES),
            threshold=float(SETTINGS["candidate_threshold"]),
            device=self._device,
            crew=self._crew,
        )

    def look(
        self, image: WorkingImage, *, expected: Sequence[Body] = (), candidates: Sequence[Candidate] | None = None
    ) -> list[Seen]:
        """Everybody in (h, w, 3), best first; `expected` are places where somebody should be.

        `candidates` are what is given for this picture, where somebody has asked before.
        """
        found = self.candidates(image) if candidates is None else candidates
        return self.follow(image, expected=[c.body for c in thin([*(Candidate(b, 1.0) for b in expected), *found])])

    def follow(self, image: WorkingImage, *, expected: Sequence[Body]) -> list[Seen]:
        """Those expected who are there, each once, best first: every place is segmented twice."""
        first = [p for p in self._segment(image, expected, "presence_first") if p is not None]
        first.sort(key=lambda p: -p.presence)
        places = thin([Candidate(p.body, p.presence) for p in first], near=0.1)
        befores = [next(p for p in first if p.body is c.body) for c in places]
        again = self._segment(image, [c.body for c in places], "presence_again")
        seen: list[Seen] = []
        for before, after in zip(befores, again, strict=True):
            if after is None:
                continue
            quality = after.presence * _agreement(before, after) * _sharpness(after) * _head_inside(after)
            if quality >= float(SETTINGS["quality_least"]):
                seen.append(Seen(after, quality))
        return _own_heads(_each_once(sorted(seen, key=lambda s: (-s.quality, s.person.box))))

    def _segment(self, image: WorkingImage, bodies: Sequence[Body], least: str) -> list[Person | None]:
        return segment(
            image,
            self._segmenter,
            bodies=bodies,
            least=float(SETTINGS[least]),
            device=self._device,
            crew=self._crew,
        )


def _overlap(one: Person, other: Person) -> tuple[int, int, int]:
    """Pixels in both, in one, in the other (probability above a half)."""
    mine, theirs = one.mask > 0.5, other.mask > 0.5
    x0, y0 = max(one.box[0], other.box[0]), max(one.box[1], other.box[1])
    x1, y1 = min(one.box[2], other.box[2]), min(one.box[3], other.box[3])
    both = 0
    if x1 > x0 and y1 > y0:
        both = int(
            np.count_nonzero(
                mine[y0 - one.box[1] : y1 - one.box[1], x0 - one.box[0] : x1 - one.box[0]]
                & theirs[y0 - other.box[1] : y1 - other.box[1], x0 - other.box[0] : x1 - other.box[0]]
            )
        )
    return both, int(np.count_nonzero(mine)), int(np.count_nonzero(theirs))


def _agreement(one: Person, other: Person) -> float:
    both, mine, theirs = _overlap(one, other)
    return both / max(mine + theirs - both, 1)


def _sharpness(person: Person) -> float:
    """Sure pixels over touched pixels: about 0.85 for a clean mask; 1 from 0.8 on."""
    sure, touched = np.count_nonzero(person.mask > 0.9), np.count_nonzero(person.mask > 0.1)
    return min(1.0, float(sure) / max(int(touched), 1) / 0.8)


def _head_inside(person: Person) -> float:
    """1 when most of the head's points that are in the picture lie on the mask, else a half."""
    on = _on_mask(person, person.points[:11])
    return 1.0 if not on or np.mean(on) >= 0.5 else 0.5


def _on_mask(person: Person, points: NDArray[np.float32]) -> list[bool]:
    """Whether each point within the mask's box lies on the mask."""
    x0, y0, x1, y1 = person.box
    cells = ((int(np.floor(x)) - x0, int(np.floor(y)) - y0) for x, y, _ in points)
    return [
        bool(person.mask[row, column] > 0.5) for column, row in cells if 0 <= column < x1 - x0 and 0 <= row < y1 - y0
    ]


def _own_heads(seen: Sequence[Seen]) -> list[Seen]:
    """Doubt a mask that swallows the head of somebody much smaller: it is a row of people, or people and furniture."""
    areas = [int(np.count_nonzero(s.person.mask > 0.5)) for s in seen]
    judged: list[Seen] = []
    for one, area in zip(seen, areas, strict=True):
        swallows = any(
            other is not one
            and area > float(SETTINGS["swallow_area"]) * size
            and sum(_on_mask(one.person, other.person.points[:11])) >= 6
            for other, size in zip(seen, areas, strict=True)
        )
        judged.append(replace(one, quality=one.quality / 2) if swallows else one)
    return judged


def _each_once(seen: Sequence[Seen]) -> list[Seen]:
    kept: list[Seen] = []
    for one in seen:
        inside = False
        for better in kept:
            both, mine, theirs = _overlap(one.person, better.person)
            inside |= both > _INSIDE * max(min(mine, theirs), 1)
        if not inside:
            kept.append(one)
    return kept
