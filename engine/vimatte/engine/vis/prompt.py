"""An artist's clicks and boxes on one frame, made a mask."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vimatte.engine.errors import ConfigError
from vimatte.engine.masks import BoolMask
from vimatte.engine.shot import Picture
from vimatte.engine.vis.mobile_sam import Segmenter
from vimatte.engine.vis.mobile_sam.places import inner_places, rough_prior

__all__ = ["prompted_mask"]

_CRUMB = 0.02
"""Islands smaller than this share of the largest are dropped unless they were clicked on."""
_INSIDE = 3
"""Places in the mask before that are said to be the person."""
_AWAY = 3
"""Places on other people that are said not to be the person."""


def prompted_mask(
    segmenter: Segmenter,
    picture: Picture,
    *,
    clicks: Sequence[tuple[float, float]] = (),
    nots: Sequence[tuple[float, float]] = (),
    box: tuple[float, float, float, float] | None = None,
    before: BoolMask | None = None,
    others: Sequence[BoolMask] = (),
) -> tuple[BoolMask, float]:
    """Mask (h, w) of who was clicked on or framed, and how good the network expects it to be, 0..1.

    `clicks` are on the person, `nots` are not, in pixels of `picture` (h, w, 3). `before` is the mask the person has on
    this frame: clicks add what they point at and nots take away what they point at, the rest stays. A box starts
    anew, and so do clicks beside that mask together with nots on it. `others` are the masks of other people: who was
    not clicked on keeps their pixels, and tells the network where the person is not. Raises ConfigError without a click
    or a box, or when nothing is found there.
    """
    if not clicks and box is None:
        raise ConfigError("Say where the person is: --click X,Y or --box X0,Y0,X1,Y1; --not X,Y alone is not enough.")
    others = [m for m in others if not any(_on(m, place) for place in clicks)]
    away = _neighbours(others, clicks=clicks, box=box)
    start = before if before is not None and box is None and _is_start(before, clicks, nots) else None
    inside = [] if start is None else inner_places(start, count=_INSIDE)
    soft, score = segmenter.mask(
        segmenter.look(picture),
        points=[*((x, y, True) for x, y in (*clicks, *inside)), *((x, y, False) for x, y in (*nots, *away))],
        box=box,
        prior=None if start is None else rough_prior(start),
    )
    mask = soft > 0.5
    for other in others:
        mask &= ~other
    mask = _tidied(mask, clicks)
    if start is not None:
        mask = _edited(start, mask, clicks=clicks, nots=nots)
    for other in others:
        mask &= ~other
    if not mask.any():
        raise ConfigError(
            "Nothing was found at these clicks; click on the middle of the person, add --box X0,Y0,X1,Y1, "
            "or paint the mask and give it with --mask."
        )
    return mask, score


def _is_start(before: BoolMask, clicks: Sequence[tuple[float, float]], nots: Sequence[tuple[float, float]]) -> bool:
    """Whether a mask is partly right: not where clicks all lie beside it, and nots on it."""
    elsewhere = not any(_on(before, place) for place in clicks)
    return bool(before.any()) and not (elsewhere and any(_on(before, place) for place in nots))


def _edited(
    before: BoolMask, found: BoolMask, *, clicks: Sequence[tuple[float, float]], nots: Sequence[tuple[float, float]]
) -> BoolMask:
    """The mask before, with the islands found more where clicks are, and without those found less where nots are.

    All of what was found where no click says more and no not says less.
    """
    adding = [p for p in clicks if not _on(before, p)]
    taking = [p for p in nots if _on(before, p)]
    if not adding and not taking:
        return found
    more, less = _pointed_at(found & ~before, adding), _pointed_at(before & ~found, taking)
    return (before & ~less) | more


def _pointed_at(mask: BoolMask, places: Sequence[tuple[float, float]]) -> BoolMask:
    """The islands of a mask that hold one of these places."""
    _, islands = cv2.connectedComponents(mask.astype(np.uint8))
    wanted = {int(islands[round(y), round(x)]) for x, y in places if _on(mask, (x, y))}
    return np.isin(islands, sorted(wanted))


def _on(mask: BoolMask, place: tuple[float, float]) -> bool:
    """Whether the pixel nearest to (x, y) is there and set."""
    x, y = round(place[0]), round(place[1])
    return 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and bool(mask[y, x])


def _neighbours(
    others: Sequence[BoolMask],
    *,
    clicks: Sequence[tuple[float, float]],
    box: tuple[float, float, float, float] | None,
) -> list[tuple[float, float]]:
    """The few places on people nobody clicked on that are nearest to the clicks, or to the middle of the box."""
    at = list(clicks) if box is None else [*clicks, ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)]
    places = [place for mask in others for place in inner_places(mask, count=_AWAY)]
    if box is not None:
        places = [(x, y) for x, y in places if box[0] <= x < box[2] and box[1] <= y < box[3]]
    places.sort(key=lambda p: (min(np.hypot(p[0] - x, p[1] - y) for x, y in at), p))
    return places[:_AWAY]


def _tidied(mask: BoolMask, clicks: Sequence[tuple[float, float]]) -> BoolMask:
    """Without crumbs, and without pinholes as small."""
    largest = 0
    if not mask.any():
        return mask
    for wanted in (True, False):
        count, islands, stats, _ = cv2.connectedComponentsWithStats((mask == wanted).astype(np.uint8))
        areas = stats[:, cv2.CC_STAT_AREA].copy()
        areas[0] = 0
        largest = largest or int(areas.max(initial=0))
        crumbs = areas < _CRUMB * largest if wanted else areas < 0.1 * _CRUMB * largest
        crumbs[0] = False
        if wanted:
            for x, y in clicks:
                if _on(mask, (x, y)):
                    crumbs[islands[round(y), round(x)]] = False
        if count > 1:
            mask = np.where(crumbs[islands], not wanted, mask)
    return mask
