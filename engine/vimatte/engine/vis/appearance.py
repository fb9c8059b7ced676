"""What people and background look like: colours near a place, against a small palette.

Colours are CIE (L, a, b), L from 0 to 100, of 8-bit working copies. A palette chosen once for a shot makes a colour one
number, so that local histograms are small tables, and "similar colour" is a matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.vis.flow import WorkingImage

__all__ = ["Lab", "LocalColours", "Looks", "Palette", "colour_gap", "lab_of"]

Lab = NDArray[np.float32]
"""(h, w, 3): L 0..100, a and b about -128..127."""
Planes = NDArray[np.float32]
"""(n, h, w): one plane a class; class 0 is the background."""


def lab_of(image: WorkingImage) -> Lab:
    """CIE Lab (D65) of sRGB codes."""
    codes = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    codes *= np.array((100 / 255, 1, 1), np.float32)
    codes -= np.array((0, 128, 128), np.float32)
    return np.asarray(codes)


_SUM = np.ones((1, 3), np.float32)


def colour_gap(one: Lab, two: Lab) -> NDArray[np.float32]:
    """(h, w) squared distance of two pictures' colours."""
    gap = cv2.absdiff(one, two)
    gap *= gap
    return np.asarray(cv2.transform(gap, _SUM))


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """A few colours that stand for all of a shot's, and how alike they are."""

    colours: NDArray[np.float32]
    """(n, 3) Lab."""
    alike: NDArray[np.float32]
    """(n, n) rows sum to 1: a Gaussian of the colour distance."""
    _table: NDArray[np.uint8]

    @classmethod
    def choose(cls, images: Sequence[WorkingImage], *, size: int = 192, width: float = 5.0) -> Palette:
        """Median cut (Heckbert, SIGGRAPH 1982) over every 7th pixel of `images`; `size` at most 256."""
        samples = np.concatenate([lab_of(image).reshape(-1, 3)[::7] for image in images])
        boxes = [samples]
        spread = [float(samples.var(axis=0).max() * len(samples))]
        while len(boxes) < size:
            at = int(np.argmax(spread))
            box = boxes[at]
            axis = int(np.argmax(box.var(axis=0)))
            cut = box[:, axis].mean()
            low, high = box[box[:, axis] <= cut], box[box[:, axis] > cut]
            if not len(low) or not len(high):
                break
            boxes[at], spread[at] = low, float(low.var(axis=0).max() * len(low) ** 0.5)
            boxes.append(high)
            spread.append(float(high.var(axis=0).max() * len(high) ** 0.5))
        colours = np.stack([box.mean(axis=0) for box in boxes]).astype(np.float32)
        gaps = ((colours[:, None] - colours[None]) ** 2).sum(axis=2)
        alike = np.exp(-gaps / (2 * width**2))
        codes = np.stack(np.meshgrid(*[np.arange(32) * 8 + 4] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        cells = ((codes - (0, 128, 128)) * (100 / 255, 1, 1)).astype(np.float32)
        table = ((colours**2).sum(axis=1) - 2 * cells @ colours.T).argmin(axis=1)
        return cls(colours, (alike / alike.sum(axis=1, keepdims=True)).astype(np.float32), table.astype(np.uint8))

    def index(self, lab: Lab) -> NDArray[np.uint8]:
        """(h, w) number of the nearest palette colour."""
        light = (lab[..., 0] * np.float32(2.55 / 8) + np.float32(1e-3)).astype(np.int32)
        one, two = ((lab[..., c] + np.float32(128)).astype(np.int32) >> 3 for c in (1, 2))
        return np.asarray(self._table[(light << 10) + (one << 5) + two])


class LocalColours:
    """Histograms of palette colours for each class in overlapping cells of the picture (after Bai et al., SnapCut)."""

    def __init__(self, palette: Palette, height: int, width: int, *, cell: int = 16) -> None:
        self._palette, self._cell = palette, cell
        self._rows, self._cols = height // cell + 2, width // cell + 2

    def gather(
        self, index: NDArray[np.uint8], planes: Planes, x: NDArray[np.float32], y: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """(n, rows, cols, colours) counts of `index` (h, w) weighted by `planes` (n, h, w), put down at (x, y)."""
        size = len(self._palette.colours)
        row = np.clip(np.rint(y / self._cell), 0, self._rows - 1).astype(np.int32)
        col = np.clip(np.rint(x / self._cell), 0, self._cols - 1).astype(np.int32)
        key = ((row * self._cols + col) * size + index).ravel()
        length = self._rows * self._cols * size
        counts = np.stack([np.bincount(key, weights=plane.ravel(), minlength=length) for plane in planes])
        return counts.reshape(len(planes), self._rows, self._cols, size).astype(np.float32)

    def likelihood(self, counts: NDArray[np.float32], index: NDArray[np.uint8], *, floor: float = 2e-3) -> Planes:
        """(n, h, w): how usual each pixel's colour is near it within each class.

        Where a class has few pixels nearby its colours of the whole picture stand in.
        """
        near = _blur(counts, self._rows, self._cols)
        total = near.sum(axis=3, keepdims=True)
        whole = counts.sum(axis=(1, 2))
        whole = whole / np.maximum(whole.sum(axis=1, keepdims=True), 1.0)
        stand_in = 0.25 * self._cell**2
        chance = (near + stand_in * whole[:, None, None]) / (total + stand_in)
        chance = chance @ self._palette.alike + floor / len(self._palette.colours)
        height, width = index.shape
        y = np.arange(height, dtype=np.float32) / self._cell
        x = np.arange(width, dtype=np.float32) / self._cell
        y0, x0 = y.astype(np.int32), x.astype(np.int32)
        fy, fx = (y - y0)[:, None], (x - x0)[None]
        here = index.astype(np.int32)
        size = chance.shape[3]
        out = np.zeros((len(counts), *here.shape), np.float32)
        flat = chance.reshape(len(counts), -1)
        for dy, wy in ((0, 1 - fy), (1, fy)):
            for dx, wx in ((0, 1 - fx), (1, fx)):
                row = np.minimum(y0 + dy, self._rows - 1)[:, None]
                col = np.minimum(x0 + dx, self._cols - 1)[None]
                at = (row * self._cols + col) * size + here
                weight = (wy * wx).astype(np.float32)
                for plane, table in zip(out, flat, strict=True):
                    plane += weight * table[at]
        return out


def _blur(counts: NDArray[np.float32], rows: int, cols: int, *, sigma: float = 1.2) -> NDArray[np.float32]:
    def kernel(size: int) -> NDArray[np.float32]:
        gap = np.arange(size)[:, None] - np.arange(size)[None]
        return np.exp(-(gap**2) / (2 * sigma**2)).astype(np.float32)

    classes, _, _, size = counts.shape
    down = (kernel(rows) @ counts.reshape(classes, rows, cols * size)).reshape(classes, rows, cols, size)
    return np.asarray(kernel(cols) @ down)


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What somebody looked like where their mask was known: palette histograms from head to foot."""

    rows: NDArray[np.float32]
    """(bands, colours): one histogram a band of height; each sums to 1."""

    @classmethod
    def learn(cls, palette: Palette, index: NDArray[np.uint8], mask: NDArray[np.float32], *, bands: int = 8) -> Looks:
        """From a known mask (h, w)."""
        size = len(palette.colours)
        place = _height_within(mask, bands)
        counts = np.zeros((bands, size), np.float64)
        lower = np.clip(np.floor(place), 0, bands - 1).astype(np.int32)
        upper = np.clip(lower + 1, 0, bands - 1)
        share = np.clip(place - lower, 0, 1)
        for band, weight in ((lower, 1 - share), (upper, share)):
            key = np.broadcast_to(band[:, None] * size, index.shape) + index
            counts += np.bincount(
                key.ravel(), weights=(mask * weight[:, None]).ravel(), minlength=bands * size
            ).reshape(bands, size)
        gap = np.arange(bands)[:, None] - np.arange(bands)[None]
        near = np.exp(-(gap**2) / 2.0) @ counts
        near /= np.maximum(near.sum(axis=1, keepdims=True), 1e-9)
        whole = counts.sum(axis=0) / max(float(counts.sum()), 1e-9)
        return cls(((0.75 * near + 0.25 * whole) @ palette.alike).astype(np.float32))

    def mixed(self, other: Looks, share: float) -> Looks:
        """With `share` of another's."""
        return Looks((1 - share) * self.rows + share * other.rows)

    def likelihood(
        self, index: NDArray[np.uint8], where: NDArray[np.float32], *, floor: float = 2e-3
    ) -> NDArray[np.float32]:
        """(h, w): how usual each pixel's colour is at its height within `where` (h, w), the person as a whole."""
        bands, size = self.rows.shape
        table = self.rows + floor / size
        place = np.clip(_height_within(where, bands), 0, bands - 1)
        lower = np.floor(place).astype(np.int32)
        upper = np.minimum(lower + 1, bands - 1)
        share = (place - lower).astype(np.float32)[:, None]
        by_row = (1 - share) * table[lower] + share * table[upper]
        return np.asarray(np.take_along_axis(by_row, index.astype(np.intp), axis=1))


def _height_within(mask: NDArray[np.float32], bands: int) -> NDArray[np.float64]:
    rows = np.flatnonzero((mask > 0.5).sum(axis=1) > 1)
    if rows.size == 0:
        return np.full(mask.shape[0], (bands - 1) / 2)
    return np.asarray((np.arange(mask.shape[0]) - rows[0]) / max(1, rows[-1] - rows[0]) * (bands - 1))
