"""The fine network over a whole plate: run only where the coarse alphas are unsure, strip by strip.

Memory goes with the plate's width and the people, never with its height; the result is that of one pass over
everything, but for tiles where nobody is unsure, which keep the coarse alpha enlarged.
"""

# ruff: noqa: N803, N806 - names carry shapes: P people, C channels, h w the coarse size, H W the plate's

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor

from vimatte.engine.matting.lite.network import Fine, alphas_of, shares_of

__all__ = ["TILE", "refined"]

TILE = 64
"""Side of what is decided on at once, in the plate's pixels."""
_UNSURE = 0.01
"""Coarse alphas within this of 0 and 1 are kept."""
_AT_ONCE = 16
"""Tiles in one batch: more do not stay in the processor's cache."""
_JOINED = 4
"""Tiles beside one another are worked on as one, up to so many: what surrounds them is looked at once."""


def refined(fine: Fine, picture_3HW: Tensor, logits_P1hw: Tensor, context_PChw: Tensor) -> Tensor:
    """Return alphas (p, H, W) of everybody on a frame; H and W are the same even multiple of h and w."""
    P = len(logits_P1hw)
    H, W = picture_3HW.shape[1:]
    scale = H // logits_P1hw.shape[2]
    detail = fine.context(context_PChw)
    logits_P1hw = logits_P1hw.to(picture_3HW.dtype)
    out = picture_3HW.new_empty((P, H, W))
    for strip in _strips(H, reach=fine.reach):
        logits = _enlarged(logits_P1hw, strip, scale=scale)[:, 0]
        own = shares_of(logits[None])[0]
        rest = own.sum(dim=0, keepdim=True) - own
        tiles = _unsure(own, strip, width=W, reach=fine.reach)
        if tiles:
            context = _Context(detail, strip.halved(), scale=scale // 2)
            rows = picture_3HW[:, strip.top : strip.bottom]
            _correct(fine, logits, tiles, rows, torch.stack([own, rest], dim=1), context)
        core = logits[:, strip.first - strip.top : strip.last - strip.top]
        out[:, strip.first : strip.last] = alphas_of(core[None])[0]
    return out


@dataclass(frozen=True, slots=True)
class _Strip:
    """Rows of the plate."""

    first: int
    """Of those decided on."""
    last: int
    """Behind them."""
    top: int
    """Of those looked at."""
    bottom: int
    """Behind them."""

    def halved(self) -> _Strip:
        return _Strip(self.first // 2, self.last // 2, self.top // 2, self.bottom // 2)


@dataclass(frozen=True, slots=True)
class _Tile:
    """Somebody's columns of a strip."""

    row: int
    """Of the person."""
    first: int
    last: int
    left: int
    right: int


def _strips(height: int, *, reach: int) -> Iterator[_Strip]:
    """Cut rows; what is looked at is equally high in all of them, moved inwards at the plate's ends."""
    high = min(height, TILE + 2 * reach)
    for first in range(0, height, TILE):
        top = min(max(0, first - reach), height - high)
        yield _Strip(first, min(first + TILE, height), top, top + high)


def _enlarged(x_PChw: Tensor, strip: _Strip, *, scale: int) -> Tensor:
    """Rows of `x` enlarged, bilinearly, as if all of it were."""
    rows = _rows(x_PChw.shape[2], strip, scale=scale)
    part = F.interpolate(x_PChw[:, :, rows], scale_factor=float(scale), mode="bilinear", align_corners=False)
    return part[:, :, strip.top - rows.start * scale : strip.bottom - rows.start * scale]


def _rows(height: int, strip: _Strip, *, scale: int) -> slice:
    """Of something `scale` times smaller, those that a strip of it enlarged is made of."""
    return slice(max(0, strip.top // scale - 1), min(height, -(-strip.bottom // scale) + 1))


class _Context:
    """Rows of the coarse features, enlarged only where tiles lie."""

    def __init__(self, detail_PChw: Tensor, strip: _Strip, *, scale: int) -> None:
        self._rows = _rows(detail_PChw.shape[2], strip, scale=scale)
        self._detail = detail_PChw[:, :, self._rows]
        self._strip, self._scale = strip, scale

    def of(self, tiles: list[_Tile]) -> Tensor:
        """(t, c, ·, ·) at half the plate's size, of tiles of one width, as if all of it were enlarged."""
        scale, width = self._scale, self._detail.shape[3]
        halves = [(tile.left // 2, tile.right // 2) for tile in tiles]
        wide = halves[0][1] - halves[0][0]
        # One column more on either side, moved inwards at the ends.
        many = min(width, wide // scale + 3)
        firsts = [min(max(0, left // scale - 1), width - many) for left, _ in halves]
        parts = torch.stack(
            [self._detail[tile.row, :, :, at : at + many] for tile, at in zip(tiles, firsts, strict=True)]
        )
        large = F.interpolate(parts, scale_factor=float(scale), mode="bilinear", align_corners=False)
        top = self._strip.top - self._rows.start * scale
        large = large[:, :, top : top + self._strip.bottom - self._strip.top]
        starts = [left - at * scale for (left, _), at in zip(halves, firsts, strict=True)]
        return torch.stack([one[:, :, start : start + wide] for one, start in zip(large, starts, strict=True)])


def _unsure(own_PHW: Tensor, strip: _Strip, *, width: int, reach: int) -> list[_Tile]:
    """Tiles in which, or right beside which, somebody's alpha is neither 0 nor 1; neighbours are joined."""
    core = own_PHW[:, strip.first - strip.top : strip.last - strip.top]
    unsure_PW = ((core > _UNSURE) & (core < 1 - _UNSURE)).any(dim=1)
    firsts = range(0, width, TILE)
    beside = [unsure_PW[:, max(0, x - reach // 2) : min(x + TILE, width) + reach // 2].any(dim=1) for x in firsts]
    tiles = []
    for row, hits in enumerate(torch.stack(beside, dim=1).tolist()):
        first = 0
        while first < len(hits):
            if not hits[first]:
                first += 1
                continue
            last = first + 1
            while last < len(hits) and hits[last] and last - first < _JOINED:
                last += 1
            tiles.append(_tile(row, first * TILE, min(last * TILE, width), width=width, reach=reach))
            first = last
    return sorted(tiles, key=lambda t: t.right - t.left)


def _tile(row: int, first: int, last: int, *, width: int, reach: int) -> _Tile:
    """Columns with what surrounds them; tiles of as many columns look at as many, moved inwards at the plate's ends."""
    wide = min(width, -(-(last - first) // TILE) * TILE + 2 * reach)
    left = min(max(0, first - reach), width - wide)
    return _Tile(row, first, last, left, left + wide)


def _correct(
    fine: Fine, logits_PHW: Tensor, tiles: list[_Tile], rows_3HW: Tensor, coarse_P2HW: Tensor, context: _Context
) -> None:
    """Add the fine network's corrections to a strip's logits, in place."""
    for batch in _batches(tiles):
        found = fine(
            torch.stack([rows_3HW[:, :, t.left : t.right] for t in batch]),
            torch.stack([coarse_P2HW[t.row, :, :, t.left : t.right] for t in batch]),
            context.of(batch),
        )
        for tile, correction in zip(batch, found, strict=True):
            into = logits_PHW[tile.row, :, tile.first : tile.last]
            into += correction[0, :, tile.first - tile.left : tile.last - tile.left]


def _batches(tiles: list[_Tile]) -> Iterator[list[_Tile]]:
    """Tiles of one width together."""
    for wide, alike in groupby(tiles, key=lambda t: t.right - t.left):
        together, many = list(alike), max(1, _AT_ONCE * TILE // wide)
        yield from (together[start : start + many] for start in range(0, len(together), many))
