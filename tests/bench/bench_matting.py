"""Score matting models on shots with exactly known mattes, from masks made wrong: prints a table.

    python tests/bench/bench_matting.py [--frames 36] [--shots composite,example] [--rows masks,plain,classical,lite]
                                        [--wrong 3-11] [--same]

Each person's true mask (alpha > 0.5) is dilated or eroded by a round brush `--wrong` pixels across, another one on each
frame (with `--same` alike on all frames of a person), from a fixed seed. MAD, MSE and edge MAD are times 1000, dtSSD
times 100 (see vimatte.engine.metrics), means over people; seconds are CPU seconds for one frame.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.engine.masks import Rle
from vimatte.engine.matte import MatteFrame
from vimatte.engine.matting.classical import Classical
from vimatte.engine.matting.classical.solve import solve
from vimatte.engine.matting.lite import Lite
from vimatte.engine.matting.masks import MaskMattes
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.metrics.matte_errors import MatteErrorMeter
from vimatte.engine.refine.couple import couple
from vimatte.engine.refine.trimap import trimap
from vimatte.engine.shot import Picture, Shot
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import Instance, TrackSet

ROOT = Path(__file__).resolve().parents[2]
FOOTAGE = Path(os.environ.get("VIMATTE_FOOTAGE", ROOT.parent / "shared" / "data" / "footage"))
FIRST = 1001


class PlainClosedForm:
    """Closed form in a fixed band around the mask, each frame alone: what `Classical` has to beat."""

    name = "plain"

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        return {"matting": self.name}

    def mattes(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[MatteFrame]:
        for number, picture in shot.pictures(frames):
            masks = np.stack([tracks.mask(one, number) for one in tracks.ids])
            areas = trimap(masks, radii=[6.0] * len(masks))
            yield MatteFrame(
                number=number,
                ids=tracks.ids,
                alphas=couple(solve(picture, areas, prior=masks.astype(np.float32))),
            )


ROWS: Mapping[str, type[MattingModel]] = {
    "masks": MaskMattes,
    "plain": PlainClosedForm,
    "classical": Classical,
    "lite": Lite,
}


def composite(count: int) -> tuple[list[Picture], NDArray[np.float32]]:
    """Real people over a real room: pictures and truth (frames, people, h, w)."""
    folder = FOOTAGE / "composite_gt_share"
    names = sorted(p.name for p in (folder / "frames").glob("*.png"))[:count]
    truth = [[alpha(folder / "alpha_visible" / f"person{k}" / name) for k in (1, 2, 3)] for name in names]
    return [picture(cv2.imread(str(folder / "frames" / name))) for name in names], np.array(truth, np.float32)


def example(count: int) -> tuple[list[Picture], NDArray[np.float32]]:
    """The example shot: rendered people in a rendered room."""
    folder = ROOT / "tests" / "data" / "example"
    movie = cv2.VideoCapture(str(folder / "shot.mov"))
    pictures = []
    while len(pictures) < count:
        there, bgr = movie.read()
        if not there:
            break
        pictures.append(picture(bgr))
    movie.release()
    people = ("anna", "bruno", "carla")
    truth = [[alpha(folder / "truth" / who / f"{FIRST + i}.png") for who in people] for i in range(len(pictures))]
    return pictures, np.array(truth, np.float32)


def picture(bgr: NDArray[np.uint8]) -> Picture:
    return np.ascontiguousarray(bgr[..., ::-1], np.float32) / np.float32(255)


def alpha(path: Path) -> NDArray[np.float32]:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.float32) / np.float32(65535)


def wrong_tracks(truth: NDArray[np.float32], low: int, high: int, *, same: bool = False) -> TrackSet:
    """Dilate or erode each true mask, another way on each frame unless `same`."""
    frames, people, height, width = truth.shape
    masks: dict[int, dict[int, Rle]] = {k + 1: {} for k in range(people)}
    for k in range(people):
        for i in range(frames):
            chance = np.random.default_rng([7, k, 0 if same else i])
            size = int(chance.integers(low, high + 1))
            change = cv2.dilate if chance.random() < 0.5 else cv2.erode
            brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
            mask = change((truth[i, k] > 0.5).astype(np.uint8), brush).astype(bool)
            if mask.any():
                masks[k + 1][FIRST + i] = Rle.encode(mask)
    return TrackSet(
        width=width,
        height=height,
        frames=tuple(range(FIRST, FIRST + frames)),
        instances=tuple(Instance(id=k, name=f"person_{k:02d}") for k in masks),
        masks=masks,
    )


def score(model: MattingModel, shot: MemoryShot, tracks: TrackSet, truth: NDArray[np.float32]) -> list[float]:
    meters = [MatteErrorMeter() for _ in tracks.ids]
    seconds, before = 0.0, time.process_time()
    for mattes in model.mattes(shot, tracks, list(shot.frames)):
        seconds += time.process_time() - before
        for meter, matte, true in zip(meters, mattes.alphas, truth[mattes.number - FIRST], strict=True):
            meter.add(matte, truth=true)
        before = time.process_time()
    found = [m.result() for m in meters]
    columns = (
        [f.mad * 1e3 for f in found],
        [f.mse * 1e3 for f in found],
        [f.edge_mad * 1e3 for f in found],
        [f.grad for f in found],
        [f.dtssd * 1e2 for f in found],
    )
    return [*(float(np.nanmean(c)) for c in columns), seconds / len(truth)]


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--frames", type=int, default=40)
    options.add_argument("--shots", default="composite,example")
    options.add_argument("--rows", default=",".join(ROWS))
    options.add_argument("--wrong", default="3-11")
    options.add_argument("--same", action="store_true")
    chosen = options.parse_args()
    low, high = (int(n) for n in chosen.wrong.split("-"))
    for name in chosen.shots.split(","):
        pictures, truth = {"composite": composite, "example": example}[name](chosen.frames)
        shot, tracks = MemoryShot(pictures, first=FIRST), wrong_tracks(truth, low, high, same=chosen.same)
        height, width = truth.shape[2:]
        sys.stdout.write(f"\n{name}: {len(pictures)} frames {width}x{height}, masks wrong by {low}-{high} px brushes\n")
        sys.stdout.write("| model | MAD | MSE | edge MAD | Grad | dtSSD | s/frame |\n|---|---|---|---|---|---|---|\n")
        for row in chosen.rows.split(","):
            mad, mse, edge, grad, flicker, seconds = score(ROWS[row](), shot, tracks, truth)
            line = f"| {row} | {mad:.2f} | {mse:.2f} | {edge:.0f} | {grad:.4f} | {flicker:.2f} | {seconds:.2f} |\n"
            sys.stdout.write(line)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
