"""One sweep through time: soft masks carried from frame to frame, set right wherever a mask is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.vis.appearance import LocalColours, Looks, Palette, lab_of
from vimatte.engine.vis.flow import camera_field, camera_homography, consistency, flow_between, warp
from vimatte.engine.vis.propagation.frames import WorkingFrames
from vimatte.engine.vis.propagation.layer import Layer
from vimatte.engine.vis.propagation.order import FrontOrder, stacked
from vimatte.engine.vis.propagation.plate import Plate
from vimatte.engine.vis.propagation.wholes import make_whole
from vimatte.engine.vis.propagation.snap import snap
from vimatte.engine.vis.propagation.soft import Probability, SoftMask

__all__ = ["Known", "sweep"]

Known = Mapping[int, Mapping[int, Probability | None]]
"""Frame number -> instance id -> coverage at working size, None for absent."""
import os
W_PRIOR, W_COLOUR, W_PLATE, W_LOOKS, W_TEX, FLOWSHARE, W_MOT, W_WHO = [float(v) for v in os.environ.get("WW","1.0,0.5,0.7,0.35,1.0,0.5,1.5,0.4").split(",")]


def sweep(frames: WorkingFrames, numbers: Sequence[int], *, known: Known) -> Iterator[tuple[int, dict[int, SoftMask]]]:
    """Carry `known` masks along `numbers` (ascending or descending), yielding (number, id -> soft mask) for each.

    Somebody who has not been met yet has no entry.
    """
    if not numbers:
        return
    picks = sorted({numbers[i] for i in np.linspace(0, len(numbers) - 1, 6).astype(int)})
    palette = Palette.choose([frames.get(n, ahead=numbers[:48]) for n in picks])
    tracker = Tracker(palette, frames.height, frames.width)
    for at, number in enumerate(numbers):
        masks = tracker.step(frames.get(number, ahead=numbers[at : at + 48]), known.get(number, {}))
        yield number, masks


class Tracker:
    """State of a sweep."""

    def __init__(self, palette: Palette, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.palette = palette
        self.local = LocalColours(palette, height, width)
        self.plate = Plate(height, width)
        self.order = FrontOrder()
        self.layers: dict[int, Layer] = {}
        self.image: NDArray[np.uint8] | None = None
        self.lab = np.zeros((height, width, 3), np.float32)
        self.index = np.zeros((height, width), np.uint8)

    def step(self, now: NDArray[np.uint8], known: Mapping[int, Probability | None]) -> dict[int, SoftMask]:
        """Move to the next picture."""
        lab = lab_of(now)
        index = self.palette.index(lab)
        if self.image is not None and self.layers:
            self._carry(now, self.image, lab, index)
        for one, mask in known.items():
            seen = mask if mask is not None else np.zeros((self.height, self.width), np.float32)
            if one in self.layers:
                self.layers[one].seen = self.layers[one].shape = seen
                self.layers[one].texture = lab
            else:
                self.layers[one] = Layer(seen, seen, lab)
            layer = self.layers[one]
            if mask is not None and mask.sum() > 20:
                layer.area = float(mask.sum())
                looks = Looks.learn(self.palette, index, mask)
                layer.looks = layer.looks.mixed(looks, 0.6) if layer.looks is not None else looks
        given = np.zeros((self.height, self.width), np.float32)
        for mask in known.values():
            if mask is not None:
                given = np.maximum(given, mask)
        union = given
        for one, layer in self.layers.items():
            if one not in known:
                layer.seen = layer.seen * (1 - given)
                union = np.maximum(union, layer.seen)
        if self.layers:
            self.plate.learn(lab, 1.0 - cv2.dilate((union > 0.2).astype(np.float32), np.ones((7, 7))))
        self.image, self.lab, self.index = now, lab, index
        return {one: SoftMask.pack(self.layers[one].seen, trust=1.0) for one in sorted(self.layers)}

    def _carry(
        self, now: NDArray[np.uint8], before: NDArray[np.uint8], lab: NDArray[np.float32], index: NDArray[np.uint8]
    ) -> None:
        ids = sorted(self.layers)
        pair = flow_between(now, before)
        agree = consistency(pair)
        old = np.stack([self.layers[i].seen for i in ids])
        old_bg = np.clip(1.0 - old.sum(axis=0), 0.0, 1.0)
        homography = camera_homography(pair[0], old_bg)
        camera = camera_field(homography, self.height, self.width)
        self.plate.move(camera)
        evidence = self.plate.evidence(lab)
        planes = np.concatenate([old_bg[None], old])
        y, x = np.mgrid[0 : self.height, 0 : self.width].astype(np.float32)
        counts = self.local.gather(self.index, planes, x + pair[1][..., 0], y + pair[1][..., 1])
        full = (slice(0, self.height), slice(0, self.width))
        likely = self.local.likelihood(counts, index, window=full)
        moved = np.stack([warp(p, pair[0]) for p in planes]).astype(np.float32)
        # a pixel nobody came to was hidden before; one that changed its colour on the way did not come from there
        landed = np.bincount(
            (np.clip(np.rint(y + pair[1][..., 1]), 0, self.height - 1) * self.width + np.clip(np.rint(x + pair[1][..., 0]), 0, self.width - 1)).astype(np.int64).ravel(),
            minlength=self.height * self.width).reshape(self.height, self.width).astype(np.float32)
        landed = np.clip(cv2.GaussianBlur(landed, (0, 0), 1.5) * 1.6 - 0.4, 0, 1)
        gap = ((cv2.blur(lab - warp(self.lab, pair[0]), (3, 3))) ** 2).sum(axis=2)
        agree = agree * landed * np.exp(-gap / (2 * 8.0**2))
        own = {}
        none = np.zeros((self.height, self.width), np.float32)
        for n, one in enumerate(ids):
            rest = np.delete(moved[1:], n, axis=0).max(axis=0) if len(ids) > 1 else none
            clear = 1.0 - cv2.dilate(rest, np.ones((13, 13), np.uint8))
            layer = self.layers[one].move(pair[0], agree * clear, moved[n + 1], lab)
            if layer is not None:
                own[one] = layer
        self.order.watch(own, self.height, self.width)
        seen, shapes = stacked(own, self.order, self.height, self.width)
        none = np.zeros((self.height, self.width), np.float32)
        layered = np.stack([seen.get(one, none) for one in ids])
        hidden = np.stack([shapes.get(one, none) for one in ids])
        layered = np.concatenate([np.clip(1 - hidden.max(axis=0), 0, 1)[None], layered])
        g = FLOWSHARE * agree
        prior = g * moved + (1 - g) * layered
        flat = np.clip(1.0 - agree, 0.1, 0.5)
        prior = (1 - flat) * prior + flat / len(planes)
        prior = np.clip(prior, 0.02, None)
        prior /= prior.sum(axis=0)
        globally = counts[0].sum(axis=(0, 1))
        globally = (globally / max(float(globally.sum()), 1.0)) @ self.palette.alike + 2e-3 / len(globally)
        looks = [globally.astype(np.float32)[index]]
        for n, one in enumerate(ids):
            known = self.layers[one].looks
            looks.append(known.likelihood(index, hidden[n]) if known is not None else likely[n + 1])
        colour = W_COLOUR * np.log(likely) + W_LOOKS * np.log(np.stack(looks))
        near = np.stack([cv2.dilate(np.maximum(m, h), np.ones((17, 17))) > 0.3 for m, h in zip(moved[1:], hidden)])
        best = np.where(near, colour[1:], -99.0).max(axis=0)
        colour[1:] = best + W_WHO * (colour[1:] - best)
        logit = W_PRIOR * np.log(prior) + colour
        logit[1:][~near] = -30.0
        logit[0] += W_PLATE * evidence
        if len(ids) > 1:
            gaps = np.full((len(ids), self.height, self.width), np.nan, np.float32)
            gaps[:] = 600.0
            for n, one in enumerate(ids):
                if one in own:
                    gaps[n][own[one].window] = np.where(own[one].shape > 0.2, own[one].mismatch, 600.0)
            gaps = np.minimum(gaps, 600.0) / (2 * 10.0**2)
            logit[1:] -= W_TEX * (gaps - gaps.min(axis=0))
        still = cv2.blur(((warp(self.lab, camera) - lab) ** 2).sum(axis=2), (3, 3))
        for n, one in enumerate(ids):
            if one in own:
                w = own[one].window
                apart = np.sqrt(((own[one].stride - camera[w]) ** 2).sum(axis=2))
                gy, gx = np.mgrid[w[0].start : w[0].start + apart.shape[0], w[1].start : w[1].start + apart.shape[1]].astype(np.float32)
                came = cv2.remap(self.lab, gx + own[one].stride[..., 0], gy + own[one].stride[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
                going = cv2.blur(((came - lab[w]) ** 2).sum(axis=2), (3, 3))
                cue = np.clip((still[w] - going) / 150.0, -1, 0) * np.clip(apart - 0.7, 0, 1)
                logit[n + 1][w] += W_MOT * cue
        logit -= logit.max(axis=0)
        odds = np.exp(logit)
        post = odds / odds.sum(axis=0)
        result = snap(post[1:], lab)
        if not os.environ.get("NOWHOLE"):
            result = make_whole(result, np.array([self.layers[i].area for i in ids]))
        for n, one in enumerate(ids):
            others = np.delete(result, n, axis=0).max(axis=0) if len(ids) > 1 else none
            self.layers[one].settle(result[n], others, own.get(one), lab)
