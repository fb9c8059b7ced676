"""Candidates: the pose detector over a whole picture and over square tiles of several sizes.

Detector and anchors: BlazePose (Bazarevsky et al. 2020, arXiv:2006.10204); SSD anchors of strides 8, 16, 32, 32, 32.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from vimatte.engine.vis.blazepose.bodies import Body
from vimatte.engine.vis.blazepose.lots import lots
from vimatte.engine.vis.blazepose.network import Network
from vimatte.engine.vis.flow import WorkingImage

__all__ = ["Candidate", "Tile", "detect", "thin", "tiles_of"]

_SIZE = 224
_GRIDS = ((28, 2), (14, 2), (7, 6))

Tile = tuple[float, float, float]
"""Left, top, side of a square in pixels; it may reach beyond the picture."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody may stand here."""

    body: Body
    score: float
    """0 to 1."""


def _anchors() -> NDArray[np.float32]:
    rows = []
    for cells, each in _GRIDS:
        y, x = np.mgrid[:cells, :cells]
        centres = np.stack([x, y], axis=-1).reshape(-1, 2)
        rows.append(np.repeat((centres + 0.5) / cells, each, axis=0))
    return np.concatenate(rows).astype(np.float32)


_ANCHORS = _anchors()


def tiles_of(width: int, height: int, *, shares: Sequence[float]) -> tuple[Tile, ...]:
    """The whole picture letterboxed, then half-overlapping squares of these shares of the short side."""
    longest, shortest = max(width, height), min(width, height)
    tiles: list[Tile] = [((width - longest) / 2, (height - longest) / 2, float(longest))]
    for share in shares:
        side = shortest * share
        tiles += [(x, y, side) for y in _starts(height, side) for x in _starts(width, side)]
    return tuple(tiles)


def _starts(length: int, side: float) -> list[float]:
    room = length - side
    if room <= 0.05 * side:
        return [room / 2]
    count = int(np.ceil(room / (side / 2) - 1e-6)) + 1
    return [float(v) for v in np.linspace(0.0, room, count)]


def detect(
    picture: WorkingImage,
    network: Network,
    *,
    tiles: Sequence[Tile],
    threshold: float,
    device: torch.device,
    crew: Executor,
) -> list[Candidate]:
    """All candidates of (h, w, 3), 8 bit, with a score of at least `threshold`, best first, not yet thinned.

    They are looked at in batches; on a CPU each of the crew has its share.
    """

    def candidates(part: Sequence[Tile]) -> list[Candidate]:
        found: list[Candidate] = []
        batch = np.stack([_cut(picture, t) for t in part]).astype(np.float32) / 127.5 - 1.0
        regressed, logits = (v.cpu().numpy() for v in network(torch.from_numpy(batch).to(device)))
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits[..., 0], -50.0, 50.0)))
        for (left, top, side), numbers, score in zip(part, regressed, scores, strict=True):
            for i in np.flatnonzero(score >= threshold):
                points = (numbers[i, 4:8].reshape(2, 2) / _SIZE + _ANCHORS[i]) * side + (left, top)
                found.append(Candidate(Body(*points.reshape(-1).tolist()), float(score[i])))
        return found

    parts = lots(tiles, device=device)
    found = [one for part in crew.map(candidates, parts) for one in part]
    return sorted(found, key=lambda c: (-c.score, c.body.numbers))


def thin(candidates: Sequence[Candidate], *, near: float = 0.25, like: float = 1.5) -> list[Candidate]:
    """Drop each whose hip lies within `near` of a better one's reach x 2, at a size within a factor `like`."""
    kept: list[Candidate] = []
    for one in candidates:
        if one.body.reach >= 4.0 and not any(_same(one.body, k.body, near, like) for k in kept):
            kept.append(one)
    return kept


def _same(one: Body, other: Body, near: float, like: float) -> bool:
    ratio = one.reach / other.reach
    distance = np.hypot(one.x - other.x, one.y - other.y)
    return bool(distance < near * 2.0 * min(one.reach, other.reach) and 1.0 / like < ratio < like)


def _cut(picture: WorkingImage, tile: Tile) -> NDArray[np.uint8]:
    left, top, side = tile
    height, width = picture.shape[:2]
    x0, y0 = int(np.floor(left)), int(np.floor(top))
    x1, y1 = x0 + int(np.ceil(side)), y0 + int(np.ceil(side))
    piece = picture[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
    if piece.shape[0] != y1 - y0 or piece.shape[1] != x1 - x0:
        piece = cv2.copyMakeBorder(
            piece,
            max(-y0, 0),
            max(y1 - height, 0),
            max(-x0, 0),
            max(x1 - width, 0),
            cv2.BORDER_CONSTANT,
            value=(0, 0, 0),
        )
    method = cv2.INTER_AREA if side > _SIZE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(piece, (_SIZE, _SIZE), interpolation=method), np.uint8)
