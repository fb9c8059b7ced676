"""One alpha of everybody divided among the tracked people, each of whom has a rough mask.

Neither is right alone. The alpha knows soft edges and limbs the masks forgot, but not who is who, not what people
carry, and it shows people nobody tracks. The masks know who is who, but their edges are wrong by many pixels. So:

1. A person is certain deep inside their own mask, unless the alpha says background there and the colours around agree
   (a gap between the legs that a blobby mask covers; an axe that the alpha left out stays).
2. A person may be in a band around the mask's edge, and beyond it as far as the alpha goes on unbroken from the mask: a
   forgotten hand, hair. Elsewhere the alpha belongs to nobody tracked and is dropped.
3. In between everybody is solved together by closed-form matting (Levin et al. 2008): the picture's own edges, pulled
   towards the alpha, split by distance to the masks, and towards the people whose colours a pixel has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from vimatte.engine.masks import BoolMask
from vimatte.engine.matting.classical.colours import colour_vote
from vimatte.engine.matting.classical.consensus import signed_distance
from vimatte.engine.matting.classical.picture import band_radius
from vimatte.engine.matting.classical.solve import solve
from vimatte.engine.refine.couple import couple
from vimatte.engine.refine.crops import groups
from vimatte.engine.refine.trimap import Trimap, disc, trimap
from vimatte.engine.shot import Picture

__all__ = ["divide"]

_ALPHA_PULL = 0.02
"""Weight of the alpha against the picture's own structure; a little more where it is 0 or 1 for certain."""
_ALPHA_SURE_PULL = 0.01
_BEYOND_PULL = 0.1
"""Beyond the band there is nothing but the alpha to go by."""
_COLOUR_PULL = 0.012
"""Weight of a unanimous colour vote."""
_MARGIN = 32
_BEYOND = 0.15
"""A limb goes on beyond the mask for this part of the person's size at most; further off it is somebody else."""
_BEYOND_LEAST = 12.0
_GOES_ON = 0.1
"""What goes on from the mask is at least so opaque."""
_RIM = 3
_CONTESTED = 2.0
"""Into the masks of people whose colours differ a band is so many times as wide."""
_APART_FROM, _APART_TO = 0.9, 0.98
"""Parts of the certain pixels that colour gives to the right person: too few to be asked, and enough to be followed."""
_BETWEEN = 1.0
"""Pixels over which two people's shares change where nothing but distance tells."""
_GAP_RING = 24
"""Colours of certain background this near a gap are asked."""
_GAP_COLOUR = 0.03
"""Colours (1 is black to white) this much alike are the same background."""
_GAP_BLUR = 2.5
_GAP_EDGE = 4
_SAMPLES = 4000
_NEIGHBOURS = 4

Alpha = NDArray[np.float32]


def divide(picture: Picture, alpha: Alpha, masks: BoolMask) -> NDArray[np.float32]:
    """Return the alphas (n, h, w) of n people from everybody's `alpha` (h, w) and their rough `masks` (n, h, w).

    `picture` is (h, w, 3), display-referred in [0, 1], finite. The alphas sum to at most 1; whoever has an empty mask
    gets zeros.
    """
    out = np.zeros(masks.shape, np.float32)
    limits = [_limit(mask) for mask in masks]
    for rows, (x0, y0, x1, y1) in groups(masks, margin=_MARGIN + int(max(limits, default=0.0))):
        place = np.s_[y0:y1, x0:x1]
        crop = np.ascontiguousarray(picture[place])
        out[rows, y0:y1, x0:x1] = _divide(
            crop, np.ascontiguousarray(alpha[place]), masks[rows, y0:y1, x0:x1], [limits[row] for row in rows]
        )
    return couple(out)


def _limit(mask: BoolMask) -> float:
    """How many pixels beyond the mask a person may go on."""
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if ys.size == 0:
        return 0.0
    return float(max(_BEYOND_LEAST, _BEYOND * max(ys[-1] - ys[0], xs[-1] - xs[0])))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claims:
    """Who may be where, and who gets the alpha there if nothing else is known."""

    areas: Trimap
    shares: NDArray[np.float32]
    """(n, h, w), over n at most 1."""
    beyond: BoolMask
    """(h, w): outside everybody's band."""
    apart: float
    """How well colours tell these people apart: 0 not at all, 1 without fail."""


def _divide(picture: Picture, alpha: Alpha, masks: BoolMask, limits: Sequence[float]) -> NDArray[np.float64]:
    claims = _claims(picture, alpha, masks, limits)
    areas = _with_gaps(picture, alpha, claims.areas)
    vote = colour_vote(picture, areas)
    sure = np.abs(2.0 * alpha - 1.0) ** 8
    pull = np.where(claims.beyond, _BEYOND_PULL, _ALPHA_PULL + _ALPHA_SURE_PULL * sure)
    colour = np.where(claims.beyond, 0.0, _COLOUR_PULL * vote.sure)
    prior = (pull * alpha * _shares(claims, vote.alphas) + colour * vote.alphas) / (pull + colour)
    return solve(picture, areas, prior=prior, pull=pull + colour)


def _shares(claims: _Claims, votes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Let colour say who gets the alpha as far as it can tell people apart, and distance as far as it cannot."""
    if claims.apart == 0.0:
        return claims.shares
    total = np.maximum(votes.sum(axis=0), np.float32(1e-3))
    ranked = np.sort(votes, axis=0)
    told = np.where(claims.beyond, 0.0, claims.apart * (ranked[-1] - ranked[-2]) / total)
    return np.asarray(claims.shares + told * (votes / total - claims.shares), np.float32)


def _claims(picture: Picture, alpha: Alpha, masks: BoolMask, limits: Sequence[float]) -> _Claims:
    """Bands around the masks, and beyond them what goes on from the masks in the alpha."""
    radii = [band_radius(mask, 0.0) for mask in masks]
    near = trimap(masks, radii=radii)
    apart = _told_apart(picture, near)
    if apart > 0.0:
        near = _contested(near, masks, [radius * (1.0 + (_CONTESTED - 1.0) * apart) for radius in radii])
    inside = 1.0 / (1.0 + np.exp(-np.stack([signed_distance(m) for m in masks]) / np.float32(_BETWEEN)))
    shares = inside / inside.sum(axis=0)
    on = _gone_on(alpha > _GOES_ON, masks, limits) & ~near.reach.any(axis=0)
    rim = np.stack([cv2.dilate(limb.astype(np.uint8), disc(_RIM)) for limb in on]).astype(bool)
    beyond = rim.any(axis=0) & ~near.reach.any(axis=0)
    owners = np.where(on.any(axis=0), on, rim / np.maximum(rim.sum(axis=0), 1))
    reach = near.reach | (rim & beyond)
    return _Claims(
        areas=Trimap(core=near.core, reach=reach, open=np.asarray(reach.any(axis=0) & ~near.core.any(axis=0))),
        shares=np.where(beyond, owners, shares).astype(np.float32),
        beyond=np.asarray(beyond),
        apart=apart,
    )


def _told_apart(picture: Picture, near: Trimap) -> float:
    """Ask certain pixels around where people meet whose colours they have, as if it were not known: 0 to 1.

    Two people in the same shirt are told apart by place alone; asking colours there would draw the seam anywhere.
    """
    meet = near.open & (near.reach.sum(axis=0) > 1)
    if not meet.any():
        return 0.0
    ring = cv2.dilate(meet.astype(np.uint8), disc(_GAP_RING)).astype(bool)
    known = [_thinned(picture[ring & core]) for core in near.core]
    known = [colours for colours in known if len(colours) > 2 * _NEIGHBOURS]
    if len(known) < 2:
        return 0.0
    trees = [cKDTree(colours) for colours in known]
    right = []
    for row, colours in enumerate(known):
        # The nearest of one's own is the pixel itself.
        own = np.asarray(trees[row].query(colours, k=_NEIGHBOURS + 1)[0])[:, 1:].mean(axis=1)
        others = [np.asarray(t.query(colours, k=_NEIGHBOURS)[0]).mean(axis=1) for t in trees if t is not trees[row]]
        right.append(float((own < np.min(others, axis=0)).mean()))
    return float(np.clip((min(right) - _APART_FROM) / (_APART_TO - _APART_FROM), 0.0, 1.0))


def _contested(near: Trimap, masks: BoolMask, radii: Sequence[float]) -> Trimap:
    """Let everybody reach `radii` pixels into the masks of others: what one has too much, another lacks."""
    reach = near.reach.copy()
    for row, (mask, radius) in enumerate(zip(masks, radii, strict=True)):
        others = np.delete(masks, row, axis=0).any(axis=0)
        reach[row] |= others & (signed_distance(mask) > -radius)
    core = near.core & (reach.sum(axis=0) == 1)[None]
    return Trimap(core=core, reach=reach, open=np.asarray(reach.any(axis=0) & ~core.any(axis=0)))


def _gone_on(opaque: BoolMask, masks: BoolMask, limits: Sequence[float]) -> BoolMask:
    """Grow everybody at the same pace through `opaque` (h, w) that nobody's mask covers; who comes first has it."""
    free = (opaque & ~masks.any(axis=0)).astype(np.uint8)
    fronts = [mask.astype(np.uint8) for mask in masks]
    grown = np.zeros(masks.shape, np.uint8)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    for step in range(int(max(limits))):
        # A cross and a square by turns make an octagon: near enough to a circle.
        brush = np.ones((3, 3), np.uint8) if step % 2 else cross
        for row, limit in enumerate(limits):
            fronts[row] = (cv2.dilate(fronts[row], brush) & free) if step < limit else np.zeros_like(free)
            free &= 1 - fronts[row]
            grown[row] |= fronts[row]
        if not any(front.any() for front in fronts):
            break
    return grown.astype(bool)


def _with_gaps(picture: Picture, alpha: Alpha, areas: Trimap) -> Trimap:
    """Open what a mask holds to be certain where the alpha says background and the background around looks alike."""
    certain = areas.core.any(axis=0)
    doubted = certain & (alpha < 0.5)
    if not doubted.any():
        return areas
    calm = cv2.GaussianBlur(picture, (0, 0), 0.6)
    near = cv2.dilate(doubted.astype(np.uint8), disc(_GAP_RING)).astype(bool)
    to_background = _colour_distance(calm, doubted, near & (alpha < 0.1) & ~areas.reach.any(axis=0))
    alike = np.zeros(alpha.shape, np.float32)
    alike[doubted] = np.exp(-np.square(to_background / _GAP_COLOUR))
    share = cv2.GaussianBlur(doubted.astype(np.float32), (0, 0), _GAP_BLUR)
    gap = doubted & (cv2.GaussianBlur(alike, (0, 0), _GAP_BLUR) > 0.5 * share)
    opened = cv2.dilate(gap.astype(np.uint8), disc(2)).astype(bool)
    opened |= (alpha < 0.98) & cv2.dilate(gap.astype(np.uint8), disc(_GAP_EDGE)).astype(bool)
    opened &= certain
    return Trimap(core=areas.core & ~opened, reach=areas.reach, open=areas.open | opened)


def _colour_distance(calm: Picture, asked: BoolMask, known: BoolMask) -> NDArray[np.float64]:
    """Mean distance of each asked pixel's colour to the nearest known ones; 1 where too few are known."""
    colours = _thinned(calm[known])
    if len(colours) < _NEIGHBOURS:
        return np.ones(np.count_nonzero(asked))
    found = cKDTree(colours).query(calm[asked], k=_NEIGHBOURS)
    return np.asarray(np.asarray(found[0], np.float64).mean(axis=1))


def _thinned(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    return colours[:: max(1, -(-len(colours) // _SAMPLES))]
