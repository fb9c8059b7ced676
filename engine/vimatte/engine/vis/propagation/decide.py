"""Every cue put together: which person, or nobody, each pixel of a window shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.vis.appearance import Lab, LocalColours, Palette, colour_gap
from vimatte.engine.vis.flow import sample_grid, warp
from vimatte.engine.vis.propagation.layer import Layer, Moved, Window
from vimatte.engine.vis.propagation.motion import Motion
from vimatte.engine.vis.propagation.order import FrontOrder
from vimatte.engine.vis.propagation.snap import snap
from vimatte.engine.vis.propagation.soft import Probability
from vimatte.engine.vis.propagation.wholes import make_whole

__all__ = ["Scene", "decide"]

# Weights of the cues' log odds, found on three shots; docs/decisions/0003-propagation.md has the figures.
_PRIOR, _COLOUR, _LOOKS, _PLATE, _TEXTURE, _STILL = 1.0, 0.5, 0.35, 0.7, 1.0, 1.5
_FLOW_SHARE = 0.5
"""How far flow is believed over the people's own motion where it returns to its start."""
_WHO_SHARE = 0.4
"""How much of the colours' say on people counts in who of them it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Two pictures and what lies between them."""

    lab: Lab
    lab_before: Lab
    index: NDArray[np.uint8]
    """(h, w) palette colours now."""
    index_before: NDArray[np.uint8]
    motion: Motion
    background: Probability
    """(h, w): where nobody was on the picture before."""
    usual: NDArray[np.float32]
    """(colours,): how usual each palette colour is in the background."""
    plate: NDArray[np.float32]
    """(h, w): log odds for background from the clean plate."""


def decide(
    window: Window, layers: Mapping[int, Layer], *, scene: Scene, palette: Palette, order: FrontOrder
) -> dict[int, tuple[Probability, Moved]]:
    """Id -> (probability of being seen (h, w) of the window, the layer as predicted)."""
    ids = sorted(layers)
    lab, motion = scene.lab[window], scene.motion
    back, agree = motion.back[window], motion.agree[window]
    planes = np.stack([scene.background, *(layers[one].seen for one in ids)])
    carried = np.stack([warp(plane, back, window=window) for plane in planes])
    moved: dict[int, Moved] = {}
    for n, one in enumerate(ids, 1):
        weight = carried[n] * agree
        if len(ids) > 1:
            weight = weight * (1.0 - cv2.dilate(np.delete(carried[1:], n - 1, axis=0).max(axis=0), _square(13)))
        moved[one] = layers[one].move(window=window, back=back, weight=weight, lab=lab)
    order.watch(moved)
    stack = order.stack(moved)
    shapes = np.stack([moved[one].shape for one in ids])

    layered = np.stack([1.0 - shapes.max(axis=0), *(stack[one] for one in ids)])
    share = _FLOW_SHARE * agree
    flat = np.clip(1.0 - agree, 0.1, 0.5)
    prior = (1 - flat) * (share * carried + (1 - share) * layered) + flat / len(planes)
    prior = np.maximum(prior, 0.02)
    logit = _PRIOR * np.log(prior / prior.sum(axis=0))
    near = np.stack([cv2.dilate(p, _square(17)) > 0.3 for p in np.maximum(carried[1:], shapes)])
    logit += _colours(window, layers, scene=scene, palette=palette, planes=planes, shapes=shapes, near=near)
    logit[0] += _PLATE * scene.plate[window]
    if len(ids) > 1:
        gaps = np.stack([np.where(moved[o].shape > 0.2, np.minimum(moved[o].mismatch, 600.0), 600.0) for o in ids])
        logit[1:] -= _TEXTURE * (gaps - gaps.min(axis=0)) / 200.0
    camera = motion.camera[window]
    still = cv2.blur(colour_gap(warp(scene.lab_before, camera, window=window, border=None), lab), (3, 3))
    for n, one in enumerate(ids, 1):
        stride = moved[one].stride
        apart = np.clip(np.hypot(stride[..., 0] - camera[..., 0], stride[..., 1] - camera[..., 1]) - 0.7, 0, 1)
        if apart.any():
            came = warp(scene.lab_before, stride, window=window, border=None)
            going = cv2.blur(colour_gap(came, lab), (3, 3))
            logit[n] += _STILL * np.clip((still - going) / 150.0, -1, 0) * apart
    logit[1:][~near] = -30.0
    odds = np.exp(logit - logit.max(axis=0))
    result = snap(odds[1:] / odds.sum(axis=0), lab)
    result = make_whole(result, np.array([layers[one].area for one in ids]))
    return {one: (result[n], moved[one]) for n, one in enumerate(ids)}


def _colours(
    window: Window,
    layers: Mapping[int, Layer],
    *,
    scene: Scene,
    palette: Palette,
    planes: NDArray[np.float32],
    shapes: NDArray[np.float32],
    near: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """(1 + n, h, w) log likelihood of the colours: near the place on the picture before, and as first known."""
    x, y = sample_grid(window)
    x += scene.motion.forth[window][..., 0] - window[1].start
    y += scene.motion.forth[window][..., 1] - window[0].start
    index = scene.index[window]
    local = LocalColours(palette, *index.shape)
    counts = local.gather(scene.index_before[window], planes[(slice(None), *window)], x, y)
    likely = local.likelihood(counts, index)
    looks = [scene.usual[index]]
    for n, one in enumerate(sorted(layers)):
        known = layers[one].looks
        looks.append(known.likelihood(index, shapes[n]) if known is not None else likely[n + 1])
    logs = _COLOUR * np.log(likely) + _LOOKS * np.log(np.stack(looks))
    # who it is hangs less on colour than whether it is anybody: people in one room look more alike than they move
    best = np.where(near, logs[1:], -99.0).max(axis=0)
    logs[1:] = best + _WHO_SHARE * (logs[1:] - best)
    return np.asarray(logs, np.float32)


def _square(size: int) -> NDArray[np.uint8]:
    return np.ones((size, size), np.uint8)
