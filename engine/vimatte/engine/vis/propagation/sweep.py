"""One sweep through time: soft masks carried from frame to frame, set right wherever a mask is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.vis.appearance import Lab, Looks, Palette, lab_of
from vimatte.engine.vis.cuts import is_cut
from vimatte.engine.vis.flow import WorkingImage
from vimatte.engine.vis.propagation.decide import Scene, decide
from vimatte.engine.vis.propagation.frames import WorkingFrames
from vimatte.engine.vis.propagation.layer import Layer, Window
from vimatte.engine.vis.propagation.motion import measure_motion
from vimatte.engine.vis.propagation.order import FrontOrder
from vimatte.engine.vis.propagation.plate import Plate
from vimatte.engine.vis.propagation.rim import looseness, tightened
from vimatte.engine.vis.propagation.soft import Probability, SoftMask

__all__ = ["Known", "sweep"]

Known = Mapping[int, Mapping[int, Probability | None]]
"""Frame number -> instance id -> coverage at working size, None for absent."""


def sweep(frames: WorkingFrames, numbers: Sequence[int], *, known: Known) -> Iterator[tuple[int, dict[int, SoftMask]]]:
    """Carry `known` masks along `numbers` (ascending or descending), yielding (number, id -> soft mask) for each.

    Somebody who has not been met yet has no entry.
    """
    if not numbers:
        return
    picks = sorted({numbers[i] for i in np.linspace(0, len(numbers) - 1, 6).astype(int)})
    palette = Palette.choose([frames.get(n, ahead=numbers[:48]) for n in picks])
    tracker = _Tracker(palette, frames.height, frames.width)
    for at, number in enumerate(numbers):
        masks = tracker.step(frames.get(number, ahead=numbers[at : at + 48]), known.get(number, {}))
        yield number, masks


class _Tracker:
    """State of a sweep: the picture before, the people as layers, the clean plate, who is in front."""

    def __init__(self, palette: Palette, height: int, width: int) -> None:
        self._height, self._width = height, width
        self._palette = palette
        self._plate = Plate(height, width)
        self._order = FrontOrder()
        self._layers: dict[int, Layer] = {}
        self._image: WorkingImage | None = None
        self._lab = np.zeros((height, width, 3), np.float32)
        self._index = np.zeros((height, width), np.uint8)

    def step(self, now: WorkingImage, known: Mapping[int, Probability | None]) -> dict[int, SoftMask]:
        """Move to the next picture."""
        lab = lab_of(now)
        index = self._palette.index(lab)
        if self._image is not None and self._layers:
            self._carry(now, self._image, lab, index)
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
        if self._layers:
            people = cv2.dilate((union > 0.2).astype(np.uint8), np.ones((7, 7), np.uint8))
            self._plate.learn(lab, people == 0)
        self._image, self._lab, self._index = now, lab, index
        return {one: SoftMask.pack(layer.seen, trust=layer.trust) for one, layer in sorted(self._layers.items())}

    def _carry(self, now: WorkingImage, before: WorkingImage, lab: Lab, index: NDArray[np.uint8]) -> None:
        present = {one: window for one in sorted(self._layers) if (window := self._layers[one].window()) is not None}
        everybody = np.zeros((self._height, self._width), np.float32)
        for layer in self._layers.values():
            everybody += layer.seen
        background = np.clip(1.0 - everybody, 0.0, 1.0)
        motion = measure_motion(now, before, lab=lab, lab_before=self._lab, background=background)
        if is_cut(float(motion.agree.mean()), before=_colours(self._index), now=_colours(index)):
            # nothing here was there before: better nobody than somebody painted on strangers
            self._plate = Plate(self._height, self._width)
            for layer in self._layers.values():
                layer.seen, layer.shape = np.zeros_like(layer.seen), np.zeros_like(layer.shape)
            return
        self._plate.move(motion.camera)
        if not present:
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
        for window, members in _groups(present):
            layers = {one: self._layers[one] for one in members}
            result = decide(window, layers, scene=scene, palette=self._palette, order=self._order)
            for one, (seen, moved) in result.items():
                rest = [other for two, (other, _) in result.items() if two != one]
                others = np.max(rest, axis=0) if rest else np.zeros_like(seen)
                layer = layers[one]
                part = float(seen.sum()) / max(1.0, float(layer.shape.sum()))
                layer.trust *= 0.97 * (0.8 + 0.2 * min(1.0, part))
                layer.settle(window=window, seen=seen, others=others, moved=moved, lab=lab)


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
