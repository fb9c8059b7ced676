"""The people finder: BlazePose on single frames, association over the whole shot, propagation in between."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar

import cv2
import numpy as np
import torch

from vimatte.engine.events import Warned
from vimatte.engine.masks import Rle
from vimatte.engine.shot import Shot
from vimatte.engine.threads import shared_cores
from vimatte.engine.tracks import Instance, TrackSet
from vimatte.engine.vis import identity, propagate, refine_keys
from vimatte.engine.vis.backend import KeyMasks, Tracking, VisOptions
from vimatte.engine.vis.blazepose import again, anchors, look, search
from vimatte.engine.vis.blazepose.keys import Cast, cast
from vimatte.engine.vis.blazepose.look import Finder
from vimatte.engine.vis.blazepose.lots import HANDS
from vimatte.engine.vis.blazepose.people import people_of
from vimatte.engine.vis.blazepose.search import Search
from vimatte.engine.vis.mobile_sam import Segmenter
from vimatte.engine.vis.propagation.frames import WorkingFrames
from vimatte.engine.weights import locate, weight_set

__all__ = ["BlazePose"]

_EVERY = 8
_OFTEN_ENOUGH = 11
"""Looks a second: from 23.976 frames a second on every second frame is looked at, at 15 all of them."""
_SHORT = 24
"""Frames; of fewer all are looked at."""
_LONG_SIDE = 960


class BlazePose:
    """Finds people with BlazePose (Apache-2.0 weights) and follows them through the shot."""

    name: ClassVar[str] = "blazepose"

    def __init__(self) -> None:
        """Raises BackendError when the weights are missing."""
        locate(self.name)

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Everything that changes a track."""
        hashes = {f"weights.{f.name}": f.sha256 for f in weight_set(self.name).files}
        own: dict[str, str | int | float] = {"finder": "blazepose 3", "long_side": _LONG_SIDE, "detect_every": _EVERY}
        parts = (
            look.SETTINGS,
            search.SETTINGS,
            again.SETTINGS,
            identity.SETTINGS,
            anchors.SETTINGS,
            propagate.SETTINGS,
        )
        return {**own, **{k: v for part in parts for k, v in part.items()}, **hashes}

    def track(self, shot: Shot, *, keys: KeyMasks | None, options: VisOptions) -> Tracking:
        """Find everybody in `shot.frames`, then fill in their masks; `keys` are extra anchors whose names win."""
        numbers = shot.frames.numbers
        every = max(1, options.detect_every or _EVERY)
        frames = WorkingFrames(shot, long_side=_LONG_SIDE)
        prepared = propagate.Prepared(shot, frames)
        beside = prepared.add if options.propagation == "lite" and keys is None else None
        with shared_cores(HANDS), Finder(torch.device(options.device)) as finder:
            for stride in sorted({_stride(shot, every=every), 1}, reverse=True):
                finding = Search(frames, numbers, finder, stride=stride, beside=beside)
                beside = None
                yield from finding.run(every)
                people = yield from people_of(finding, min_duration=options.min_duration)
                kept = anchors.choose(
                    people,
                    finding.thumbs,
                    count=len(numbers),
                    stride=stride,
                    area=finding.thumbs.width * finding.thumbs.height,
                    options=options,
                )
                if not anchors.in_doubt(kept):
                    break
            kept = again.leave_contested(finding, again.look_again(finding, kept))
        width, height = shot.info.width, shot.info.height
        found = [
            Cast(
                name=None,
                masks={numbers[s.at]: _enlarge(finding.finds[s.at][s.index].mask, width, height) for s in one.sightings}
                | {numbers[at]: None for at in one.absent},
                score=one.score,
                best=frozenset(numbers[s.at] for s in anchors.spread(one.sightings)),
            )
            for one in kept
        ]
        everybody = cast(found, keys)
        source = {"backend": self.name, **self.settings, "detect_every": every}
        if not everybody:
            yield Warned(message=f"No people were found in {shot.info.path.name}.")
            masks: dict[int, dict[int, Rle]] = {}
        else:
            known = {i: one.anchors for i, one in enumerate(everybody, start=1)}
            if options.clean_edges:
                painted = [
                    (i, n)
                    for i, one in enumerate(everybody, start=1)
                    if keys is not None and one.name in keys.names
                    for n in keys.of(one.name)
                ]
                segmenter = Segmenter.open(device=options.device)
                known = yield from refine_keys.refine_keys(shot, known, segmenter=segmenter, given=painted)
                source |= {**refine_keys.SETTINGS, **segmenter.settings}
            source |= propagate.settings(options.propagation, device=options.device)
            masks = yield from propagate.propagate(
                shot,
                anchors=known,
                exact=keys is not None,
                carrier=options.propagation,
                device=options.device,
                prepared=prepared,
            )
        return TrackSet(
            width=width,
            height=height,
            frames=numbers,
            instances=tuple(
                Instance(id=i, name=one.name or f"person_{i:02d}", score=one.score)
                for i, one in enumerate(everybody, start=1)
            ),
            masks=masks,
            keys={
                i: tuple(sorted(n for n, m in one.anchors.items() if m is not None and n in masks.get(i, {})))
                for i, one in enumerate(everybody, start=1)
            },
            source=source,
        )


def _stride(shot: Shot, *, every: int) -> int:
    """Every how many frames anybody is looked for; all where the shot is short or slow, or `every` is odd."""
    numbers = shot.frames.numbers
    step = min((b - a for a, b in pairwise(numbers)), default=1)
    often = shot.info.fps >= 2 * step * _OFTEN_ENOUGH
    return 2 if often and len(numbers) >= _SHORT and every % 2 == 0 else 1


def _enlarge(rle: Rle, width: int, height: int) -> Rle:
    """A mask of working size at the shot's size, with smooth borders."""
    if (rle.width, rle.height) == (width, height):
        return rle
    soft = cv2.resize(rle.decode().astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return Rle.encode(np.asarray(soft > 0.5))
