"""Shots of people walking, hiding, leaving and coming back, with everybody's visible mask exactly known.

A shot is drawn far to near; a pixel belongs to whoever is nearest there. People of whom too little is visible on a
frame are not in its truth: nobody could be asked to find them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.masks import BoolMask, Rle
from vimatte.engine.testing.figures import Figure, drawn_figure, pillar
from vimatte.engine.vis.flow import WorkingImage

__all__ = ["LEVELS", "Actor", "CrowdShot", "crowd_shot", "film"]

LEVELS = ("easy", "crossing", "hiding", "returning", "look-alikes", "cut", "crowd")
"""From easy to hard."""
_VISIBLE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Somebody (or a piece of scenery) and where they are."""

    name: str | None
    """None for scenery, which hides people but is nobody."""
    figure: Figure
    path: Mapping[int, tuple[float, float]]
    """Frame -> middle and lower edge in pixels of the scene; on other frames they are not in the scene."""
    height: float
    """Pixels."""
    depth: float
    """Larger is nearer."""
    step: int = 0
    """Phase of the walk at frame 0."""


@dataclass(frozen=True, slots=True, eq=False)
class CrowdShot:
    """Pictures and truth."""

    level: str
    pictures: tuple[WorkingImage, ...]
    truth: tuple[Mapping[str, Rle], ...]
    """By frame: who is visible enough to be found, and their visible pixels."""
    cuts: tuple[int, ...] = field(default=())
    """Places of the first frames of new scenes."""

    @property
    def names(self) -> tuple[str, ...]:
        """Everybody who is ever visible, sorted."""
        return tuple(sorted({n for frame in self.truth for n in frame}))


def film(
    level: str,
    scenes: Sequence[tuple[int, Sequence[Actor]]],
    *,
    width: int,
    height: int,
    frames: int,
    pan: float = 0.0,
    seed: int = 0,
) -> CrowdShot:
    """Draw a shot. `scenes` are (first frame, who is in it), ascending; `pan` moves the camera, pixels a frame."""
    pictures: list[WorkingImage] = []
    truth: list[dict[str, Rle]] = []
    starts = [start for start, _ in scenes]
    walls = [_wall(width + round(abs(pan) * frames) + 2, height, seed=100 * seed + k) for k in range(len(scenes))]
    noise = np.random.default_rng(seed)
    for at in range(frames):
        scene = max(k for k, start in enumerate(starts) if start <= at)
        left = pan * at if pan >= 0 else pan * (at - frames)
        move = np.array([[1, 0, -left], [0, 1, 0]], np.float32)
        image = np.asarray(cv2.warpAffine(walls[scene], move, (width, height)), np.float32)
        label = np.zeros((height, width), np.int32)
        whole: dict[int, int] = {}
        actors = sorted(scenes[scene][1], key=lambda a: a.depth)
        for k, actor in enumerate(actors, start=1):
            if at in actor.path:
                whole[k] = _draw(image, label, k, actor, at, left)
        seen: dict[str, Rle] = {}
        for k, area in whole.items():
            mask: BoolMask = label == k
            name = actors[k - 1].name
            if name is not None and np.count_nonzero(mask) >= max(30.0, _VISIBLE * area):
                seen[name] = Rle.encode(mask)
        image += noise.normal(0, 2, image.shape).astype(np.float32)
        pictures.append(np.clip(np.rint(image), 0, 255).astype(np.uint8))
        truth.append(seen)
    return CrowdShot(level, tuple(pictures), tuple(truth), tuple(starts[1:]))


def _wall(width: int, height: int, *, seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    tint = rng.uniform(70, 170, 3)
    coarse = cv2.resize(
        rng.normal(0, 10, (height // 24 + 2, width // 24 + 2, 3))
        + rng.normal(0, 20, (height // 24 + 2, width // 24 + 2, 1)),
        (width, height),
    )
    fine = cv2.GaussianBlur(rng.normal(0, 30, (height, width, 1)).astype(np.float32), (0, 0), 1.2)
    return np.asarray(np.clip(tint + coarse + fine[..., None], 0, 255), np.uint8)


def _draw(image: NDArray[np.float32], label: NDArray[np.int32], k: int, actor: Actor, at: int, left: float) -> int:
    """Paint one actor over what is there; how many pixels they would show if nobody were in front."""
    x, y = actor.path[at]
    ahead = actor.path.get(at + 1, actor.path.get(at - 1, (x, y)))[0]
    mirrored = ahead < x if at + 1 in actor.path else ahead > x
    moving = abs(ahead - x) > 0.2
    body = actor.figure.pose(
        (actor.step + at // 2) if moving else actor.step, height=round(actor.height), mirrored=mirrored
    )
    tall, wide = body.shape[:2]
    top, start = round(y) - tall, round(x - left - wide / 2)
    rows = slice(max(0, top), max(0, min(image.shape[0], top + tall)))
    columns = slice(max(0, start), max(0, min(image.shape[1], start + wide)))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return int(np.count_nonzero(body[..., 3] > 127))
    part = body[rows.start - top : rows.stop - top, columns.start - start : columns.stop - start].astype(np.float32)
    alpha = part[..., 3:] / 255.0
    image[rows, columns] = part[..., :3] * alpha + image[rows, columns] * (1 - alpha)
    label[rows, columns][part[..., 3] > 127] = k
    return int(np.count_nonzero(body[..., 3] > 127))


Where = Callable[[int], float]


def _walk(frames: range, x: Where, y: float) -> dict[int, tuple[float, float]]:
    return {at: (x(at), y) for at in frames}


def _straight(start: float, end: float, frames: range) -> Where:
    return lambda at: start + (end - start) * (at - frames.start) / max(1, len(frames) - 1)


def _there_and_back(start: float, turn: float, frames: range) -> Where:
    half = (len(frames) - 1) / 2
    return lambda at: start + (turn - start) * (1 - abs(at - frames.start - half) / half)


def crowd_shot(
    level: str, *, figures: Sequence[Figure] = (), seed: int = 0, size: tuple[int, int] = (384, 216), frames: int = 60
) -> CrowdShot:
    """Build one shot of a level of `LEVELS` with drawn people, or with `figures` as far as they go.

    `size` is (width, height). Raises ValueError for an unknown level.
    """
    if level not in LEVELS:
        raise ValueError(f"There is no level '{level}'; there are: {', '.join(LEVELS)}.")
    rng = np.random.default_rng((seed, LEVELS.index(level)))
    order = rng.permutation(len(figures)) if figures else ()
    looks = [figures[int(k)] for k in order] + [drawn_figure(100 * seed + k) for k in range(40)]
    stage = _Stage(looks, size[0], size[1], frames, rng)
    build: Mapping[str, Callable[[_Stage], list[tuple[int, list[Actor]]]]] = {
        "easy": _easy,
        "crossing": _crossing,
        "hiding": _hiding,
        "returning": _returning,
        "look-alikes": _look_alikes,
        "cut": _cut,
        "crowd": _crowd,
    }
    pan = {"crossing": 0.6, "look-alikes": -0.4}.get(level, 0.0) * size[0] / 384
    return film(level, build[level](stage), width=size[0], height=size[1], frames=frames, pan=pan, seed=seed)


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    looks: Sequence[Figure]
    width: int
    height: int
    frames: int
    rng: np.random.Generator

    def actor(
        self,
        who: int,
        x: Where,
        *,
        look: int | None = None,
        y: float = 0.9,
        tall: float = 0.5,
        depth: float = 0.0,
        during: range | None = None,
    ) -> Actor:
        """Somebody; x, y, tall as shares of the picture."""
        path = _walk(during or range(self.frames), lambda at: x(at) * self.width, y * self.height)
        figure = self.looks[who if look is None else look]
        return Actor(
            name=f"person_{who:02d}",
            figure=figure,
            path=path,
            height=tall * self.height,
            depth=depth,
            step=int(self.rng.integers(8)),
        )

    def scenery(self, x: float, *, wide: float, tall: float = 0.95, depth: float = 0.5) -> Actor:
        """A pillar."""
        figure = pillar(aspect=wide * self.width / (tall * self.height))
        path = dict.fromkeys(range(self.frames), (x * self.width, 0.97 * self.height))
        return Actor(name=None, figure=figure, path=path, height=tall * self.height, depth=depth)


def _easy(s: _Stage) -> list[tuple[int, list[Actor]]]:
    all_ = range(s.frames)
    return [(0, [s.actor(k, _straight(0.15 + 0.3 * k, 0.25 + 0.3 * k, all_)) for k in range(3)])]


def _crossing(s: _Stage) -> list[tuple[int, list[Actor]]]:
    all_ = range(s.frames)
    return [
        (
            0,
            [
                s.actor(0, _straight(0.15, 0.95, all_), depth=0, y=0.88),
                s.actor(1, _straight(1.05, 0.3, all_), depth=1, y=0.93),
                s.actor(2, _there_and_back(0.9, 0.55, all_), depth=2, y=0.96, tall=0.55),
                s.actor(3, _there_and_back(0.25, 0.6, all_), depth=3, y=0.98, tall=0.55),
            ],
        )
    ]


def _hiding(s: _Stage) -> list[tuple[int, list[Actor]]]:
    all_ = range(s.frames)
    return [
        (
            0,
            [
                s.scenery(0.42, wide=0.2),
                s.actor(0, _straight(0.1, 0.78, all_), y=0.88, tall=0.45),
                s.actor(1, _straight(0.85, 0.05, all_), y=0.9, tall=0.45, depth=0.1),
                s.actor(2, _there_and_back(0.15, 0.42, all_), y=0.92, tall=0.45, depth=0.2),
                s.actor(3, _straight(0.8, 0.82, all_), y=0.99, tall=0.75, depth=1),
                s.actor(4, _straight(0.62, 1.02, all_), y=0.85, tall=0.38, depth=-1),
            ],
        )
    ]


def _returning(s: _Stage) -> list[tuple[int, list[Actor]]]:
    n = s.frames
    first, last = range(n // 3), range(2 * n // 3, n)
    paths = [(0.3, -0.2, 1.15, 0.7), (0.75, 1.2, 1.2, 0.55), (0.55, -0.15, -0.15, 0.3)]
    actors: list[Actor] = []
    for k, (a, b, c, d) in enumerate(paths):
        go, come = _straight(a, b, first), _straight(c, d, last)
        out = s.actor(k, go, depth=k, during=first)
        back = s.actor(k, come, depth=k, during=last)
        actors += [out, back]
    between = range(n // 4, n)
    return [(0, [*actors, s.actor(3, _straight(1.1, 0.45, between), depth=5, y=0.95, during=between)])]


def _look_alikes(s: _Stage) -> list[tuple[int, list[Actor]]]:
    all_ = range(s.frames)
    return [
        (
            0,
            [
                s.actor(0, _straight(0.0, 0.62, all_), look=0, depth=0, y=0.86),
                s.actor(1, _straight(0.75, 0.05, all_), look=0, depth=1, y=0.95),
                s.actor(2, _there_and_back(0.5, 0.68, all_), look=1, depth=2, y=0.9),
                s.actor(3, _there_and_back(0.95, 0.74, all_), look=1, depth=3, y=0.96),
                s.actor(4, _straight(0.12, 0.3, all_), look=1, depth=4, y=0.99),
            ],
        )
    ]


def _cut(s: _Stage) -> list[tuple[int, list[Actor]]]:
    n = s.frames
    a, b = n // 3, 2 * n // 3
    one, two, three = range(a), range(a, b), range(b, n)
    wide = [
        s.actor(0, _straight(0.15, 0.25, one), during=one),
        s.actor(1, _straight(0.5, 0.45, one), during=one),
        s.actor(2, _straight(0.85, 0.75, one), during=one),
    ]
    close = [
        s.actor(1, _straight(0.3, 0.33, two), during=two, tall=0.8, y=1.1),
        s.actor(0, _straight(0.75, 0.7, two), during=two, tall=0.8, y=1.1),
        s.actor(3, _straight(0.52, 0.5, two), during=two, tall=0.6, y=1.0, depth=-1),
    ]
    again = [
        s.actor(2, _straight(0.6, 0.5, three), during=three),
        s.actor(0, _straight(0.3, 0.4, three), during=three, depth=1),
        s.actor(1, _straight(0.85, 0.8, three), during=three),
    ]
    return [(0, wide), (a, close), (b, again)]


def _crowd(s: _Stage) -> list[tuple[int, list[Actor]]]:
    all_ = range(s.frames)
    actors: list[Actor] = []
    for k in range(30):
        row = k % 3
        start = (k // 3 + s.rng.uniform(0.1, 0.9)) / 10
        end = start + s.rng.uniform(0.1, 0.35) * s.rng.choice([-1, 1])
        way = _straight(start, end, all_) if k % 5 else _there_and_back(start, 0.5 * (start + end), all_)
        actors.append(
            s.actor(
                k, way, y=0.5 + 0.22 * row + s.rng.uniform(-0.03, 0.03), tall=0.26 + 0.06 * row, depth=row + 0.01 * k
            )
        )
    return [(0, actors)]
