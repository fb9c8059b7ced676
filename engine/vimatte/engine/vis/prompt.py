"""An artist's clicks and boxes on one frame, made a mask."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vimatte.engine.errors import ConfigError
from vimatte.engine.masks import BoolMask
from vimatte.engine.shot import Picture
from vimatte.engine.vis.mobile_sam import Segmenter

__all__ = ["prompted_mask"]

_CRUMB = 0.02
"""Islands smaller than this share of the largest are dropped unless they were clicked on."""


def prompted_mask(
    segmenter: Segmenter,
    picture: Picture,
    *,
    clicks: Sequence[tuple[float, float]] = (),
    nots: Sequence[tuple[float, float]] = (),
    box: tuple[float, float, float, float] | None = None,
    before: BoolMask | None = None,
) -> tuple[BoolMask, float]:
    """Mask (h, w) of who was clicked on or framed, and how good the network expects it to be, 0..1.

    `clicks` are on the person, `nots` are not, in pixels of `picture` (h, w, 3). `before` is the mask the person has on
    this frame: it is a starting point where a click lies in it (it is partly right), and forgotten otherwise. Raises
    ConfigError without a click or a box, or when nothing is found there.
    """
    if not clicks and box is None:
        raise ConfigError("Say where the person is: --click X,Y or --box X0,Y0,X1,Y1; --not X,Y alone is not enough.")
    height, width = picture.shape[:2]
    told = [(x, y) for x, y in (*clicks, *nots) if 0 <= round(x) < width and 0 <= round(y) < height]
    partly = before is not None and box is None and any(before[round(y), round(x)] for x, y in told)
    soft, score = segmenter.mask(
        segmenter.look(picture),
        points=[*((x, y, True) for x, y in clicks), *((x, y, False) for x, y in nots)],
        box=box,
        prior=before.astype(np.float32) if before is not None and partly else None,
    )
    mask = _tidied(soft > 0.5, clicks)
    if not mask.any():
        raise ConfigError(
            "Nothing was found at these clicks; click on the middle of the person, add --box X0,Y0,X1,Y1, "
            "or paint the mask and give it with --mask."
        )
    return mask, score


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
                crumbs[islands[min(round(y), mask.shape[0] - 1), min(round(x), mask.shape[1] - 1)]] = False
        if count > 1:
            mask = np.where(crumbs[islands], not wanted, mask)
    return mask
