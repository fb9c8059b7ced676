"""Masks that a finder is sure of, given clean edges by MobileSAM before they are carried through the shot."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.events import Progress
from vimatte.engine.masks import BoolMask, Rle, mask_iou
from vimatte.engine.shot import Picture, Shot
from vimatte.engine.vis.mobile_sam import Point, Segmenter

__all__ = ["SETTINGS", "Landmarks", "refine_keys", "refine_picture"]

SETTINGS: Mapping[str, str | int | float] = {
    "refine": "mobile_sam 1",
    "refine_inside": 4,
    "refine_outside": 3,
    "refine_agree": 0.6,
    "refine_score": 0.6,
}
"""What changes a refined mask, beside the weights: points on the person and on neighbours; what is taken at all."""

Landmarks = Mapping[int, Mapping[int, NDArray[np.float32]]]
"""Instance id -> frame number -> (k, 3): x, y in pixels of the shot, and how visible that point is, 0..1."""
Anchors = Mapping[int, Mapping[int, Rle | None]]


def refine_keys(
    shot: Shot,
    anchors: Anchors,
    *,
    segmenter: Segmenter,
    landmarks: Landmarks | None = None,
    given: Collection[tuple[int, int]] = (),
) -> Generator[Progress, None, dict[int, dict[int, Rle | None]]]:
    """Sharpen every mask of `anchors` (instance id -> frame -> mask at the shot's size, None: absent).

    `landmarks` are body points; without them points are set into the masks. `given` are (id, frame) that an
    artist painted: they stay as they are, and so does a mask the network is unsure of or sees quite differently.
    One look a frame (seconds on a CPU) and a moment a person. Yields progress, returns anchors of the same frames.
    """
    refined: dict[int, dict[int, Rle | None]] = {one: dict(by_frame) for one, by_frame in anchors.items()}
    frames = sorted({f for by_frame in anchors.values() for f, rle in by_frame.items() if rle is not None})
    frames = [f for f in frames if any(by.get(f) is not None and (one, f) not in given for one, by in anchors.items())]
    for done, (number, picture) in enumerate(shot.pictures(frames), start=1):
        masks = {
            one: rle.decode() for one, by in sorted(anchors.items()) if (rle := by.get(number)) is not None and rle.area
        }
        points = {one: p for one, by in (landmarks or {}).items() if (p := by.get(number)) is not None}
        fixed = {one for one in masks if (one, number) in given}
        for one, mask in refine_picture(picture, masks, segmenter=segmenter, points=points, fixed=fixed).items():
            refined[one][number] = Rle.encode(mask)
        yield Progress(phase="find", done=done, total=len(frames), detail=f"edges, frame {number}")
    return refined


def refine_picture(
    picture: Picture,
    masks: Mapping[int, BoolMask],
    *,
    segmenter: Segmenter,
    points: Mapping[int, NDArray[np.float32]] | None = None,
    fixed: Collection[int] = (),
) -> dict[int, BoolMask]:
    """Sharpen the masks (h, w) of one picture; pixels that two people claim go to the surer one, to `fixed` first."""
    seen = segmenter.look(picture)
    places = {one: _places(mask, (points or {}).get(one), masks, one) for one, mask in masks.items()}
    soft: dict[int, NDArray[np.float32]] = {}
    for one, mask in masks.items():
        if one in fixed or not places[one]:
            soft[one] = mask.astype(np.float32) * (2.0 if one in fixed else 1.0)
            continue
        rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box = (float(cols[0]), float(rows[0]), float(cols[-1]) + 1, float(rows[-1]) + 1)
        own: list[Point] = [(x, y, True) for x, y in places[one]]
        others = [p for other, at in places.items() if other != one for p in at if _within(p, box)]
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        others.sort(key=lambda p: (np.hypot(p[0] - middle[0], p[1] - middle[1]), p))
        away: list[Point] = [(x, y, False) for x, y in others[: int(SETTINGS["refine_outside"])]]
        prior = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(1.0, 0.02 * float(np.sqrt(mask.sum()))))
        found, score = segmenter.mask(seen, points=[*own, *away], box=box, prior=prior)
        agrees = mask_iou(found > 0.5, mask) >= float(SETTINGS["refine_agree"])
        soft[one] = found if agrees and score >= float(SETTINGS["refine_score"]) else mask.astype(np.float32)
    ids = sorted(soft)
    stack = np.stack([soft[one] for one in ids])
    owner, best = stack.argmax(axis=0), stack.max(axis=0)
    return {one: masks[one] if one in fixed else (owner == at) & (best > 0.5) for at, one in enumerate(ids)}


def _within(point: tuple[float, float], box: tuple[float, float, float, float]) -> bool:
    return box[0] <= point[0] < box[2] and box[1] <= point[1] < box[3]


def _places(
    mask: BoolMask, points: NDArray[np.float32] | None, masks: Mapping[int, BoolMask], one: int
) -> list[tuple[float, float]]:
    """A few pixels that are surely this person: visible body points well within the mask, else its deepest places."""
    alone = mask.copy()
    for other, theirs in masks.items():
        if other != one:
            alone &= ~theirs
    depth = cv2.distanceTransform(np.pad(alone, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    if not alone.any():
        return []
    count = int(SETTINGS["refine_inside"])
    deep = 0.15 * float(depth.max())
    chosen: list[tuple[float, float]] = []
    if points is not None:
        apart = 0.5 * float(np.sqrt(np.count_nonzero(alone)))
        inside = [
            (x, y)
            for x, y, visible in sorted(points.tolist(), key=lambda p: -p[2])
            if visible > 0.5
            and 0 <= round(y) < mask.shape[0]
            and 0 <= round(x) < mask.shape[1]
            and depth[round(y), round(x)] > deep
        ]
        for x, y in inside:
            if len(chosen) < count and all(np.hypot(x - u, y - v) > apart for u, v in chosen):
                chosen.append((x, y))
    rest = depth.copy()
    for x, y in chosen:
        cv2.circle(rest, (round(x), round(y)), max(1, int(2 * depth.max())), 0.0, -1)
    while len(chosen) < count and rest.max() > 0.3 * depth.max():
        row, col = np.unravel_index(int(rest.argmax()), rest.shape)
        chosen.append((float(col), float(row)))
        cv2.circle(rest, (int(col), int(row)), max(1, int(2 * depth.max())), 0.0, -1)
    return chosen
