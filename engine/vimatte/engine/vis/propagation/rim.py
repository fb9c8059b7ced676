"""Known masks that are looser than the person: how loose they are, and where the person is within them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.vis.appearance import Lab, LocalColours, Palette
from vimatte.engine.vis.flow import sample_grid
from vimatte.engine.vis.propagation.snap import snap
from vimatte.engine.vis.propagation.soft import Probability

__all__ = ["looseness", "tightened"]

_STEPS = (-1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)


def looseness(mask: Probability, lab: Lab) -> float:
    """How many pixels inside a mask's outline (h, w) the picture's edges lie; 0 for a mask that follows them.

    The outline is moved inwards; where the picture changes clearly most across it, the person begins.
    """
    depth = _depth(mask)
    band = np.abs(depth) < _STEPS[-1] + 2
    smooth = cv2.GaussianBlur(lab, (0, 0), 1.0)
    slope = np.zeros(depth.shape, np.float32)
    for axis in ((1, 0), (0, 1)):
        edge = cv2.Sobel(smooth, cv2.CV_32F, *axis)
        slope += np.einsum("yxc,yxc->yx", edge, edge)
    slope = np.sqrt(slope)
    strength = []
    for step in _STEPS:
        ring = band & (np.abs(depth - step) < 0.8)
        strength.append(float(slope[ring].mean()) if np.count_nonzero(ring) > 50 else 0.0)
    best = int(np.argmax(strength))
    clear = strength[best] > 1.15 * max(strength[0], strength[1])
    return float(_STEPS[best]) if best > 1 and clear else 0.0


def tightened(
    mask: Probability,
    *,
    slack: float,
    others: Probability,
    lab: Lab,
    index: NDArray[np.uint8],
    palette: Palette,
    plate: NDArray[np.float32],
) -> Probability:
    """Where the person is (h, w) within a mask that is `slack` pixels loose, by colours and edges.

    What lies deep inside is the person, what lies outside the background; `others` (h, w) is where other people are,
    `plate` log odds for background.
    """
    rows, cols = np.flatnonzero((mask > 0.5).any(axis=1)), np.flatnonzero((mask > 0.5).any(axis=0))
    pad = 32
    window = (
        slice(max(0, int(rows[0]) - pad), min(mask.shape[0], int(rows[-1]) + pad + 1)),
        slice(max(0, int(cols[0]) - pad), min(mask.shape[1], int(cols[-1]) + pad + 1)),
    )
    depth = _depth(mask)[window]
    free = others[window] < 0.5
    core = ((depth > 2 * slack) & free).astype(np.float32)
    if core.sum() < 0.15 * float(mask.sum()):
        return mask
    outer = ((depth < 0) & free).astype(np.float32)
    x, y = sample_grid(window)
    here = index[window]
    local = LocalColours(palette, *here.shape)
    counts = local.gather(here, np.stack([outer, core]), x - window[1].start, y - window[0].start)
    likely = np.log(local.likelihood(counts, here))
    logit = (depth - slack) / max(0.6 * slack, 1.0) + 0.7 * (likely[1] - likely[0]) - 0.7 * plate[window]
    logit[(depth < -1) | ~free] = -8.0
    chance = 1.0 / (1.0 + np.exp(-np.clip(logit, -8, 8)))
    result = np.zeros_like(mask)
    result[window] = snap(chance[None].astype(np.float32), lab[window])[0]
    return result


def _depth(mask: Probability) -> NDArray[np.float32]:
    """Signed distance to the outline in pixels, positive inside."""
    inside = (mask > 0.5).astype(np.uint8)
    return np.asarray(
        cv2.distanceTransform(inside, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5), np.float32
    )
