"""Draw matting models side by side at 100 %: hair, motion blur, a crossing. Writes a PNG.

    python tests/bench/picture_matting.py OUT.png [--rows classical,rvm,lite]

Each line is one place of a shot: the plate, the truth, then every model's matte of that person, from masks made wrong
as in bench_matting.py.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import bench_matting
import bench_rvm
import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.testing.shots import MemoryShot

SIDE = 220


@dataclass(frozen=True)
class Place:
    """Where to look."""

    shot: str
    frame: int
    person: int
    what: str
    shift: tuple[int, int] = (0, 0)
    """Down and right from the top of the person's head."""


PLACES = (
    Place("example", 4, 0, "hair"),
    Place("example", 20, 2, "hair, crossing"),
    Place("composite", 18, 2, "motion blur", (0, -60)),
    Place("composite", 18, 1, "crossing"),
)
ROWS = bench_rvm.ROWS


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("out", type=Path)
    options.add_argument("--rows", default="classical,rvm,lite")
    chosen = options.parse_args()
    models = {name: ROWS[name]() for name in chosen.rows.split(",")}
    lines = []
    for place in PLACES:
        make = {"composite": bench_matting.composite, "example": bench_matting.example}[place.shot]
        pictures, truth = make(place.frame + 4)
        shot = MemoryShot(pictures, first=bench_matting.FIRST)
        tracks = bench_matting.wrong_tracks(truth, 3, 11)
        true = truth[place.frame, place.person]
        part = _part(true, place.shift)
        cells = [pictures[place.frame][part], _grey(true[part])]
        for model in models.values():
            mattes = next(model.mattes(shot, tracks, [bench_matting.FIRST + place.frame]))
            cells.append(_grey(mattes.alphas[place.person][part]))
        names = ("plate: " + place.what, "truth", *models)
        lines.append(np.hstack([_named(cell, name) for cell, name in zip(cells, names, strict=True)]))
    cv2.imwrite(str(chosen.out), np.vstack(lines)[..., ::-1])


def _part(true: NDArray[np.float32], shift: tuple[int, int]) -> tuple[slice, slice]:
    rows, columns = np.nonzero(true > 0.5)
    top = min(max(0, int(rows.min()) - SIDE // 6 + shift[0]), true.shape[0] - SIDE)
    head = columns[rows < rows.min() + 12]
    left = min(max(0, int(head.mean()) - SIDE // 2 + shift[1]), true.shape[1] - SIDE)
    return slice(top, top + SIDE), slice(left, left + SIDE)


def _grey(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.repeat(alpha[..., None], 3, axis=2)


def _named(cell: NDArray[np.float32], name: str) -> NDArray[np.uint8]:
    out = (np.clip(cell, 0, 1) * 255).round().astype(np.uint8)
    cv2.putText(out, name, (5, SIDE - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 200, 60), 1, cv2.LINE_AA)
    return out


if __name__ == "__main__":
    main()
