"""The tracker: masks found on single frames become people of the whole shot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.errors import ConfigError
from vimatte.engine.masks import BoolMask, Rle
from vimatte.engine.vis.backend import MIN_DURATION
from vimatte.engine.vis.flow import WorkingImage
from vimatte.engine.vis.identity.link import SETTINGS, link, mixed, recognise, tracklets, weave
from vimatte.engine.vis.identity.looks import appearance
from vimatte.engine.vis.identity.motion import Overlap, ShotMotion
from vimatte.engine.vis.identity.settle import settle
from vimatte.engine.vis.identity.sight import Chain, Sight

__all__ = ["Detection", "Identity", "IdentityOptions", "IdentityTracker", "identify"]


@dataclass(frozen=True, slots=True)
class Detection:
    """A mask on one frame, and how sure its finder is, 0 to 1."""

    mask: Rle
    score: float = 1.0
    colour: NDArray[np.float32] | None = None
    """The mask's `looks.appearance` in the picture, where somebody has worked it out already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityOptions:
    """What is kept and what is filled in."""

    max_instances: int | None = None
    """Keep those who cover most pixels over the shot."""
    min_area: float = 0.0
    """Smallest median mask, as a share of the picture."""
    min_duration: int = MIN_DURATION
    """Fewest frames somebody must be seen on (all of a shorter shot)."""
    every: int = 1
    """Somebody looked on every n-th frame only."""
    fill: int = 3
    """Longest gap in frames that is filled in by moving the nearer mask; a longer one may be a hiding place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One person of a shot."""

    seen: Mapping[int, int]
    """Place of a frame -> index among its detections, ascending."""
    masks: Mapping[int, Rle]
    """Place -> mask, of the detection or filled in, ascending."""
    score: float
    """Best score of their detections."""


def identify(
    detections: Sequence[Sequence[Detection]],
    pictures: Iterable[WorkingImage],
    *,
    options: IdentityOptions | None = None,
) -> list[Identity]:
    """Everybody of a shot, by first appearance, then left to right, whatever the order of the detections.

    `detections` are by frame, masks of one size throughout; a frame without any is one on which nobody looked or was
    found. `pictures` are (h, w, 3) sRGB codes in the shot's order, of the masks' shape of picture at any size; they are
    read once and not kept. Raises ConfigError when there are not as many pictures as frames.
    """
    tracker = IdentityTracker(options)
    count = 0
    for image in pictures:
        if count < len(detections):
            tracker.add(image, detections[count])
        count += 1
    if count != len(detections):
        raise ConfigError(
            f"There are detections for {len(detections)} frames and {count} pictures; give one list a frame."
        )
    return tracker.people()


class IdentityTracker:
    """The same, frame by frame: `add` each in the order of the shot, then ask for `people`.

    What the masks of a frame have to do with those before is worked out on a thread while the next frame is taken in.
    """

    def __init__(self, options: IdentityOptions | None = None) -> None:
        self._options = options or IdentityOptions()
        self._frames: list[Sequence[Detection]] = []
        self._sights: list[list[Sight]] = []
        self._overlaps: dict[tuple[int, int], Overlap] = {}
        self._motion: ShotMotion | None = None
        self._back = max(int(SETTINGS["near"]), min(2 * self._options.every, 16))
        self._under_way: Future[None] | None = None

    def add(self, image: WorkingImage, detections: Sequence[Detection]) -> None:
        """Take in the next frame; the picture is not kept."""
        at = len(self._frames)
        if self._motion is None:
            self._motion = ShotMotion(image.shape[1], image.shape[0], kept=self._back + 4)
        masks = [one.mask.decode() for one in detections]
        small = self._motion.add(image, masks)
        self._frames.append(tuple(detections))
        self._finish()
        beside = ThreadPoolExecutor(1, thread_name_prefix="vimatte-identity")
        self._under_way = beside.submit(self._compare, self._motion, at, masks, small, image)
        beside.shutdown(wait=False)  # its thread ends with the work, whatever becomes of this tracker

    def _compare(
        self,
        motion: ShotMotion,
        at: int,
        masks: Sequence[BoolMask],
        small: Sequence[BoolMask],
        image: WorkingImage,
    ) -> None:
        self._sights.append(_sights(at, self._frames[at], masks, small, image))
        self._overlaps.update({(s, at): lap for s, lap in motion.overlaps(at, back=self._back).items()})

    def _finish(self) -> None:
        if self._under_way is not None:
            self._under_way.result()
            self._under_way = None

    def people(self) -> list[Identity]:
        """Everybody, by first appearance, then left to right."""
        if self._motion is None:
            return []
        self._finish()
        frames, options = self._frames, self._options
        count = len(frames)
        swallowing = mixed(
            [len(f) for f in frames], self._overlaps, [self._motion.own(at) for at in range(count)], every=options.every
        )
        clean = [[s for s in frame if (s.at, s.index) not in swallowing] for frame in self._sights]
        scene = [self._motion.scene(at) for at in range(count)]
        # Where somebody looked seldom, or the shot is short, a sight says more.
        trust = options.every * max(1.0, 24 / count)
        chains = self._linked(clean, scene, trust=trust)
        chains = settle(self._with_scraps(clean, chains, scene, trust=trust), scene=scene, every=options.every)
        chains = recognise([c for c in chains if _lasts(c, options, count)], scene=scene)
        return _kept([_identity(c, frames, chains, options) for c in chains], options)

    def _linked(self, sights: Sequence[Sequence[Sight]], scene: Sequence[int], *, trust: float) -> list[Chain]:
        """Tracklets, and what becomes of them over longer and longer gaps."""
        every, count = self._options.every, len(self._frames)
        chains = tracklets(sights, self._overlaps, every=every)
        for gap, least in ((6, 1), (15, 2), (int(SETTINGS["link_gap"]), 3)):
            chains = [c for c in chains if len(c) >= min(least, _least(self._options, count))]
            woven = weave(chains, self._overlaps)
            chains = link(woven, self._overlaps, scene=scene, gap=max(gap, 3 * every), trust=trust)
        return chains

    def _with_scraps(
        self, sights: Sequence[Sequence[Sight]], chains: Sequence[Chain], scene: Sequence[int], *, trust: float
    ) -> list[Chain]:
        """And whoever is seen often, but in scraps, as in a crowd: among the sights that are left each says more."""
        least = max(2, int(SETTINGS["scraps_least"]) // self._options.every)
        used = {(s.at, s.index) for c in chains if len(c) >= least for s in c.sights}
        rest = [[s for s in frame if (s.at, s.index) not in used] for frame in sights]
        more = self._linked(rest, scene, trust=float(SETTINGS["scraps_trust"]) * trust)
        more = [c for c in more if len(c) >= least]
        taken = {(s.at, s.index) for c in more for s in c.sights}
        return [*more, *(c for c in chains if not any((s.at, s.index) in taken for s in c.sights))]


def _sights(
    at: int, frame: Sequence[Detection], masks: Sequence[BoolMask], small: Sequence[BoolMask], image: WorkingImage
) -> list[Sight]:
    """Detections of one frame, left to right, so that nothing depends on the order they were found in."""
    out: list[Sight] = []
    for k, one in enumerate(frame):
        rows, columns = np.nonzero(small[k])
        if not rows.size:
            continue
        mask = masks[k]
        if mask.shape != image.shape[:2]:
            shape = (image.shape[1], image.shape[0])
            mask = np.asarray(cv2.resize(mask.astype(np.uint8), shape, interpolation=cv2.INTER_NEAREST) > 0)
        out.append(
            Sight(
                at=at,
                index=k,
                score=one.score,
                area=int(rows.size),
                x=float(columns.mean()),
                y=float(rows.mean()),
                tall=float(np.ptp(rows)) + 1.0,
                colour=appearance(image, mask) if one.colour is None else one.colour,
            )
        )
    return sorted(out, key=lambda s: (s.x, s.y, s.area, s.score))


def _least(options: IdentityOptions, count: int) -> int:
    """On how many frames somebody must be seen."""
    return max(1, min(options.min_duration, count) // options.every)


def _lasts(chain: Chain, options: IdentityOptions, count: int) -> bool:
    """Whether somebody is more than a flicker: seen often enough, and the less sure the more often."""
    least = _least(options, count)
    sure = sum(s.score for s in chain.sights) >= 0.8 * least
    return len(chain) >= least and (sure or least == 1)


def _identity(
    chain: Chain, frames: Sequence[Sequence[Detection]], chains: Sequence[Chain], options: IdentityOptions
) -> Identity:
    masks = {s.at: frames[s.at][s.index].mask for s in chain.sights}
    for a, b in pairwise(chain.sights):
        if 1 < b.at - a.at <= options.fill + 1:
            for at in range(a.at + 1, b.at):
                near, far = (a, b) if at - a.at <= b.at - at else (b, a)
                share = (at - near.at) / (far.at - near.at)
                mask = _moved(masks[near.at], _centre(masks[near.at]), _centre(masks[far.at]), share)
                for other in chains:
                    if other is not chain:
                        for s in other.sights:
                            if s.at == at:
                                mask &= ~frames[at][s.index].mask.decode()
                if np.count_nonzero(mask) > 0.3 * masks[near.at].area:
                    masks[at] = Rle.encode(mask)
    return Identity(
        seen={s.at: s.index for s in chain.sights},
        masks=dict(sorted(masks.items())),
        score=max(s.score for s in chain.sights),
    )


def _centre(mask: Rle) -> tuple[float, float]:
    rows, columns = np.nonzero(mask.decode())
    return float(columns.mean()), float(rows.mean())


def _moved(mask: Rle, start: tuple[float, float], end: tuple[float, float], share: float) -> BoolMask:
    dx, dy = ((b - a) * share for a, b in zip(start, end, strict=True))
    move = np.array([[1, 0, round(dx)], [0, 1, round(dy)]], np.float32)
    return np.asarray(cv2.warpAffine(mask.decode().astype(np.uint8), move, (mask.width, mask.height)) > 0)


def _kept(people: Sequence[Identity], options: IdentityOptions) -> list[Identity]:
    """Those large enough, the largest where too many are left, in the order of their names."""
    large = [
        p
        for p in people
        if float(np.median([m.area for m in p.masks.values()]))
        >= options.min_area * next(m.width * m.height for m in p.masks.values())
    ]
    order = sorted(large, key=_place)
    if options.max_instances is not None:
        cover = sorted(range(len(order)), key=lambda k: (-sum(m.area for m in order[k].masks.values()), k))
        chosen = set(cover[: options.max_instances])
        order = [p for k, p in enumerate(order) if k in chosen]
    return order


def _place(one: Identity) -> tuple[int, float, float]:
    at = min(one.seen)
    return (at, *_centre(one.masks[at]))
