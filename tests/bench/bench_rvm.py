"""Score Robust Video Matting divided among people, on shots with exactly known mattes, beside simpler ways: a table.

    python tests/bench/bench_rvm.py [--frames 36] [--shots composite,example] [--rows split,classical,rvm]
                                   [--wrong 3-11]

`split` gives each pixel of the same alpha to whoever's mask is nearest. Masks are made wrong and mattes are scored as
in bench_matting.py. Needs `vimatte weights pull rvm`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Generator, Mapping, Sequence

import bench_matting
import numpy as np

from vimatte.engine.matte import MatteFrame
from vimatte.engine.matting.classical.consensus import signed_distance
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.matting.rvm import Rvm
from vimatte.engine.refine.couple import couple
from vimatte.engine.shot import Shot
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import TrackSet


class Split(Rvm):
    """The network's alpha, each pixel to the nearest mask: what dividing has to beat."""

    name = "split"

    def mattes(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[MatteFrame]:
        for number, _, alpha in self._everybody(shot, frames):
            distances = np.stack([signed_distance(tracks.mask(one, number)) for one in tracks.ids])
            nearest = distances.argmax(axis=0)
            alphas = np.stack([alpha * (nearest == row) for row in range(len(tracks.ids))])
            yield MatteFrame(number=number, ids=tracks.ids, alphas=couple(alphas))


ROWS: Mapping[str, type[MattingModel]] = {**bench_matting.ROWS, "split": Split, "rvm": Rvm}


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--frames", type=int, default=40)
    options.add_argument("--shots", default="composite,example")
    options.add_argument("--rows", default="split,classical,rvm")
    options.add_argument("--wrong", default="3-11")
    chosen = options.parse_args()
    low, high = (int(n) for n in chosen.wrong.split("-"))
    for name in chosen.shots.split(","):
        pictures, truth = {"composite": bench_matting.composite, "example": bench_matting.example}[name](chosen.frames)
        shot = MemoryShot(pictures, first=bench_matting.FIRST)
        tracks = bench_matting.wrong_tracks(truth, low, high)
        height, width = truth.shape[2:]
        print(f"\n{name}: {len(pictures)} frames {width}x{height}, masks wrong by {low}-{high} px brushes")
        print("| model | MAD | MSE | edge MAD | Grad | dtSSD | s/frame |\n|---|---|---|---|---|---|---|")
        for row in chosen.rows.split(","):
            mad, mse, edge, grad, flicker, seconds = bench_matting.score(ROWS[row](), shot, tracks, truth)
            print(f"| {row} | {mad:.2f} | {mse:.2f} | {edge:.0f} | {grad:.4f} | {flicker:.2f} | {seconds:.2f} |")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
