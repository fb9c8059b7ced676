"""Masks that a finder is sure of, given clean edges by MobileSAM before they are carried through the shot."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.events import Progress
from vimatte.engine.masks import BoolMask, Rle, mask_iou
from vimatte.engine.shot import Picture, Shot
from vimatte.engine.vis.mobile_sam import Point, Segmenter
from vimatte.engine.vis.mobile_sam.places import inner_places, rough_prior

__all__ = ["SETTINGS", "Landmarks", "refine_keys", "refine_picture"]

SETTINGS: Mapping[str, str | int | float] = {
    "refine": "mobile_sam 1",
    "refine_inside": 4,
    "refine_outside": 3,
    "refine_agree": 0.6,
    "refine_score": 0.6,
}
"""What changes a refined mask, beside the weights: points on the person and on neighbours; what is taken at all."""

_ROOM = 0.06
"""Of the box, on each side, as a share of its own side."""

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
    count = int(SETTINGS["refine_inside"])
    places = {one: inner_places(_alone(one, masks), count=count, points=(points or {}).get(one)) for one in masks}
    soft: dict[int, NDArray[np.float32]] = {}
    for one, mask in masks.items():
        if one in fixed or not places[one]:
            soft[one] = mask.astype(np.float32) * (2.0 if one in fixed else 1.0)
            continue
        box = _box(mask)
        own: list[Point] = [(x, y, True) for x, y in places[one]]
        others = [p for other, at in places.items() if other != one for p in at if _within(p, box)]
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        others.sort(key=lambda p: (np.hypot(p[0] - middle[0], p[1] - middle[1]), p))
        away: list[Point] = [(x, y, False) for x, y in others[: int(SETTINGS["refine_outside"])]]
        found, score = segmenter.mask(seen, points=[*own, *away], box=box, prior=rough_prior(mask))
        agrees = mask_iou(found > 0.5, mask) >= float(SETTINGS["refine_agree"])
        soft[one] = found if agrees and score >= float(SETTINGS["refine_score"]) else mask.astype(np.float32)
    ids = sorted(soft)
    stack = np.stack([soft[one] for one in ids])
    owner, best = stack.argmax(axis=0), stack.max(axis=0)
    return {one: masks[one] if one in fixed else (owner == at) & (best > 0.5) for at, one in enumerate(ids)}


def _within(point: tuple[float, float], box: tuple[float, float, float, float]) -> bool:
    return box[0] <= point[0] < box[2] and box[1] <= point[1] < box[3]


def _box(mask: BoolMask) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 around a mask, with room for what it lacks, within the picture."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x0, y0, x1, y1 = float(cols[0]), float(rows[0]), float(cols[-1]) + 1, float(rows[-1]) + 1
    wide, high = _ROOM * (x1 - x0), _ROOM * (y1 - y0)
    height, width = mask.shape
    return max(0.0, x0 - wide), max(0.0, y0 - high), min(float(width), x1 + wide), min(float(height), y1 + high)


def _alone(one: int, masks: Mapping[int, BoolMask]) -> BoolMask:
    """Somebody's mask where nobody else claims it."""
    alone = masks[one].copy()
    for other, theirs in masks.items():
        if other != one:
            alone &= ~theirs
    return alone
