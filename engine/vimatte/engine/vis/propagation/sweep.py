"""One sweep through time: soft masks carried from frame to frame, set right wherever a mask is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.vis.appearance import Lab, Looks, Palette, lab_of
from vimatte.engine.vis.cuts import is_cut
from vimatte.engine.vis.flow import FlowPair, WorkingImage, flow_between
from vimatte.engine.vis.propagation.decide import Scene, decide
from vimatte.engine.vis.propagation.frames import WorkingFrames
from vimatte.engine.vis.propagation.layer import Layer, Moved, Window
from vimatte.engine.vis.propagation.motion import measure_motion
from vimatte.engine.vis.propagation.order import FrontOrder
from vimatte.engine.vis.propagation.plate import Plate
from vimatte.engine.vis.propagation.rim import looseness, tightened
from vimatte.engine.vis.propagation.shared_flows import SharedFlows
from vimatte.engine.vis.propagation.soft import Probability, SoftMask

__all__ = ["Claims", "Judge", "Known", "Planes", "Tracker", "sweep"]

Known = Mapping[int, Mapping[int, Probability | None]]
"""Frame number -> instance id -> coverage at working size, None for absent."""
Planes = Mapping[int, Probability]
"""Instance id -> (h, w) of the whole picture."""
_Decided = list[tuple[Window, dict[int, tuple[Probability, Moved]]]]
"""What `decide` says of each group's window."""
_LOST, _RETURN = 0.05, 0.15
"""Share of somebody's usual size below which they are lost, and from which what is surely them is their return."""
_SURE = 0.7
"""Probability from which it is surely them."""
_STRANGE = 600.0
"""Squared colour distance from which a place looks like somebody else's."""


@dataclass(frozen=True, slots=True, eq=False)
class Claims:
    """What layers and colours say of a picture, for a judge."""

    seen: Planes
    """Where everybody is seen."""
    shape: Planes
    """Where they are, behind others too."""
    mismatch: Planes
    """0 to 1: how far the picture there is from what they looked like."""
    agree: Probability
    """(h, w): how surely pixels were followed from the picture before."""
    lost: frozenset[int] = frozenset()
    """Who was hardly seen on the picture before: they may come back anywhere."""


class Judge(Protocol):
    """Has the last word on who is where; what it says is carried on."""

    def decide(self, image: WorkingImage, claims: Claims) -> Planes:
        """Say where everybody of `claims` is seen."""
        ...

    def mend(self, image: WorkingImage, given: Planes) -> Planes:
        """Improve masks that are evidence only, on their own picture."""
        ...

    def remember(self, image: WorkingImage, seen: Planes, *, given: bool) -> None:
        """Learn what everybody looks like; `given` where masks of this picture were known."""
        ...

    def forget(self) -> None:
        """Another scene begins."""
        ...


def sweep(
    frames: WorkingFrames,
    numbers: Sequence[int],
    *,
    known: Known,
    judge: Judge | None = None,
    exact: bool = True,
    flows: SharedFlows | None = None,
) -> Iterator[tuple[int, dict[int, SoftMask]]]:
    """Carry `known` masks along `numbers` (ascending or descending), yielding (number, id -> soft mask) for each.

    Somebody who has not been met yet has no entry. A `judge` has the last word on each picture, and where masks are not
    `exact`, on those that are known, too. `flows` are those of another sweep along the same frames, too.
    """
    if not numbers:
        return
    picks = sorted({numbers[i] for i in np.linspace(0, len(numbers) - 1, 6).astype(int)})
    palette = Palette.choose([frames.get(n, ahead=numbers[:48]) for n in picks])
    tracker = Tracker(palette, frames.height, frames.width, judge=judge, exact=exact)
    before: tuple[int, WorkingImage] | None = None
    for at, number in enumerate(numbers):
        now = number, frames.get(number, ahead=numbers[at : at + 48])
        flow = None if flows is None or before is None else partial(flows.between, now, before)
        yield number, tracker.step(now[1], known.get(number, {}), flow=flow)
        before = now


class Tracker:
    """State of a sweep: the picture before, the people as layers, the clean plate, who is in front."""

    def __init__(
        self, palette: Palette, height: int, width: int, *, judge: Judge | None = None, exact: bool = True
    ) -> None:
        self._height, self._width = height, width
        self._palette = palette
        self._judge, self._exact = judge, exact
        self._plate = Plate(height, width)
        self._order = FrontOrder()
        self._layers: dict[int, Layer] = {}
        self._image: WorkingImage | None = None
        self._lab = np.zeros((height, width, 3), np.float32)
        self._index = np.zeros((height, width), np.uint8)

    def step(
        self,
        now: WorkingImage,
        known: Mapping[int, Probability | None],
        *,
        flow: Callable[[], FlowPair] | None = None,
    ) -> dict[int, SoftMask]:
        """Move to the next picture; `flow` gives that between it and the one before, where somebody has it."""
        lab = lab_of(now)
        index = self._palette.index(lab)
        # A judge is asked once a picture: with what is known of it in mind, where that is evidence only.
        evidence = not self._exact and any(mask is not None for mask in known.values())
        away = {one for one, mask in known.items() if mask is None}
        if self._image is not None and self._layers:
            pair = flow() if flow is not None else flow_between(now, self._image)
            self._carry(now, pair, lab, index, judge=None if evidence else self._judge, away=away)
        given, tight = np.zeros((2, self._height, self._width), np.float32)
        for one, mask in known.items():
            seen = mask if mask is not None else np.zeros_like(given)
            given = np.maximum(given, seen)
            layer = self._layers.setdefault(one, Layer(seen, seen, lab))
            others = _union(m for two, m in known.items() if two != one)
            if seen.sum() > 400 and (slack := looseness(seen, lab)):
                seen = tightened(
                    seen,
                    slack=slack,
                    others=others if others is not None else np.zeros_like(seen),
                    lab=lab,
                    index=index,
                    palette=self._palette,
                    plate=self._plate.evidence(lab),
                )
            tight = np.maximum(tight, seen)
            layer.anchor(seen, lab=lab, others=others)
            if seen.sum() > 20:
                layer.area = max(0.9 * layer.area, float(seen.sum()))
                looks = Looks.learn(self._palette, index, seen)
                layer.looks = layer.looks.mixed(looks, 0.6) if layer.looks is not None else looks
        union = given
        for one, layer in self._layers.items():
            if one not in known:
                layer.seen = layer.seen * (1 - tight)
                union = np.maximum(union, layer.seen)
        if self._judge is not None and self._layers:
            if evidence:
                self._mend(now, self._judge, away=away)
            self._judge.remember(now, {one: layer.seen for one, layer in self._layers.items()}, given=bool(known))
        if self._layers:
            people = cv2.dilate((union > 0.2).astype(np.uint8), np.ones((7, 7), np.uint8))
            self._plate.learn(lab, people == 0)
        self._image, self._lab, self._index = now, lab, index
        return {one: SoftMask.pack(layer.seen, trust=layer.trust) for one, layer in sorted(self._layers.items())}

    def _mend(self, now: WorkingImage, judge: Judge, *, away: Set[int]) -> None:
        """Let masks that are evidence only be mended, with everybody else's."""
        mended = judge.mend(now, {one: layer.seen for one, layer in self._layers.items()})
        for one, layer in self._layers.items():
            layer.seen = np.zeros_like(layer.seen) if one in away else mended[one]
            layer.shape = np.maximum(layer.shape, layer.seen)

    def _carry(
        self,
        now: WorkingImage,
        flow: FlowPair,
        lab: Lab,
        index: NDArray[np.uint8],
        *,
        judge: Judge | None,
        away: Set[int],
    ) -> None:
        present = {one: window for one in sorted(self._layers) if (window := self._layers[one].window()) is not None}
        everybody = np.zeros((self._height, self._width), np.float32)
        for layer in self._layers.values():
            everybody += layer.seen
        background = np.clip(1.0 - everybody, 0.0, 1.0)
        motion = measure_motion(flow, lab=lab, lab_before=self._lab, background=background)
        if is_cut(float(motion.agree.mean()), before=_colours(self._index), now=_colours(index)):
            # nothing here was there before: better nobody than somebody painted on strangers
            self._plate = Plate(self._height, self._width)
            for layer in self._layers.values():
                layer.seen, layer.shape = np.zeros_like(layer.seen), np.zeros_like(layer.shape)
            if self._judge is not None:
                self._judge.forget()
            return
        self._plate.move(motion.camera)
        if not present and self._judge is None:
            return
        size = len(self._palette.colours)
        counts = np.bincount(self._index.ravel(), weights=background.ravel(), minlength=size)
        usual = (counts / max(float(counts.sum()), 1.0)) @ self._palette.alike + 2e-3 / size
        scene = Scene(
            lab=lab,
            lab_before=self._lab,
            index=index,
            index_before=self._index,
            motion=motion,
            background=background,
            usual=usual.astype(np.float32),
            plate=self._plate.evidence(lab),
        )
        groups: _Decided = []
        for window, members in _groups(present):
            layers = {one: self._layers[one] for one in members}
            groups.append((window, decide(window, layers, scene=scene, palette=self._palette, order=self._order)))
        returned: Planes = {}
        if judge is not None:
            groups, returned = self._decided(now, groups, agree=motion.agree, judge=judge, away=away)
        for window, result in groups:
            for one, (seen, moved) in result.items():
                rest = [other for two, (other, _) in result.items() if two != one]
                others = np.max(rest, axis=0) if rest else np.zeros_like(seen)
                layer = self._layers[one]
                part = float(seen.sum()) / max(1.0, float(layer.shape.sum()))
                layer.trust *= 0.97 * (0.8 + 0.2 * min(1.0, part))
                layer.settle(window=window, seen=seen, others=others, moved=moved, lab=lab)
        for one, seen in returned.items():
            self._layers[one].come_back(seen, lab=lab)

    def _decided(
        self, now: WorkingImage, groups: _Decided, *, agree: Probability, judge: Judge, away: Set[int]
    ) -> tuple[_Decided, Planes]:
        """Put a judge's word in the place of what was decided; who was lost may have come back, who is away has not."""
        seen, shape, mismatch = ({one: np.zeros_like(agree) for one in sorted(self._layers)} for _ in range(3))
        for window, result in groups:
            for one, (values, moved) in result.items():
                seen[one][window], shape[one][window] = values, moved.shape
                mismatch[one][window] = np.minimum(moved.mismatch / _STRANGE, 1.0)
        usual = {one: max(layer.area, 1.0) for one, layer in self._layers.items()}
        lost = frozenset(
            one for one, layer in self._layers.items() if one not in away and layer.seen.sum() < _LOST * usual[one]
        )
        planes = judge.decide(now, Claims(seen, shape, mismatch, agree, lost))
        decided = [
            (window, {one: (planes[one][window], moved) for one, (_, moved) in result.items()})
            for window, result in groups
        ]
        sure = {one: np.where(planes[one] > _SURE, planes[one], np.float32(0)) for one in sorted(lost)}
        return decided, {one: planes[one] for one, plane in sure.items() if plane.sum() > _RETURN * usual[one]}


def _union(masks: Iterable[Probability | None]) -> Probability | None:
    """The most of several masks; None for none."""
    present = [mask for mask in masks if mask is not None]
    return np.max(present, axis=0) if present else None


def _colours(index: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How often each palette colour occurs."""
    return np.bincount(index.ravel(), minlength=256).astype(np.float64)


def _groups(windows: Mapping[int, Window]) -> list[tuple[Window, list[int]]]:
    """Join people whose windows overlap; each group's window holds those of its members."""
    groups: list[tuple[Window, list[int]]] = []
    for one, window in sorted(windows.items()):
        members = [one]
        merged = True
        while merged:
            merged = False
            for at, (other, people) in enumerate(groups):
                if all(a.start < b.stop and b.start < a.stop for a, b in zip(window, other, strict=True)):
                    window = (
                        slice(min(window[0].start, other[0].start), max(window[0].stop, other[0].stop)),
                        slice(min(window[1].start, other[1].start), max(window[1].stop, other[1].stop)),
                    )
                    members += people
                    del groups[at]
                    merged = True
                    break
        groups.append((window, sorted(members)))
    return groups
