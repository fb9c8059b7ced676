"""Score who-is-who where the truth is known: python tests/bench/bench_identity.py [--people DIR] [--seeds N] [--speed]

Prints, for each level of `vimatte.engine.testing.crowds`, identity switches, IDF1, J and F of four trackers given the
same degraded detections. `--people` (or VIMATTE_HUMANS) adds rendered people. `--speed` times 30 people at 1080p.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from vimatte.engine.masks import Rle, mask_iou
from vimatte.engine.metrics.boundary import boundary_f
from vimatte.engine.metrics.idf1 import Idf1Meter
from vimatte.engine.metrics.mask_overlap import OverlapMeter
from vimatte.engine.testing.crowds import LEVELS, CrowdShot, crowd_shot
from vimatte.engine.testing.detector import SimulatedDetection, SimulatedDetector
from vimatte.engine.testing.figures import Figure, rendered_figures
from vimatte.engine.vis.identity import Detection, identify

Found = list[list[SimulatedDetection]]
Tracks = Sequence[Mapping[int, Rle]]
"""Person -> place -> mask."""
LEAST = 0.1
"""Overlap from which the two rivals go on; of 0.1, 0.2 and 0.3 the one with which they switch least on `crossing`."""


def frame_by_frame(found: Found, match: Callable[[np.ndarray], list[tuple[int, int]]], patience: int = 5) -> Tracks:
    """Last masks against new ones, one frame after the other."""
    tracks: list[dict[int, Rle]] = []
    for at, frame in enumerate(found):
        running = [k for k, t in enumerate(tracks) if at - max(t) <= patience]
        last = [tracks[k][max(tracks[k])].decode() for k in running]
        masks = [d.mask.decode() for d in frame]
        iou = np.array([[mask_iou(a, b) for b in masks] for a in last]).reshape(len(last), len(masks))
        taken = set()
        for r, c in match(iou):
            if iou[r, c] >= LEAST:
                tracks[running[r]][at] = frame[c].mask
                taken.add(c)
        tracks += [{at: d.mask} for c, d in enumerate(frame) if c not in taken]
    return [t for t in tracks if len(t) >= 3]


def greedy(iou: np.ndarray) -> list[tuple[int, int]]:
    out, rows, columns = [], set(), set()
    for r, c in sorted(np.ndindex(iou.shape), key=lambda p: (-iou[p], p)):
        if r not in rows and c not in columns:
            out.append((r, c))
            rows.add(r)
            columns.add(c)
    return out


def hungarian(iou: np.ndarray) -> list[tuple[int, int]]:
    rows, columns = linear_sum_assignment(-iou)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def oracle(found: Found) -> Tracks:
    """Every detection to whom it really shows; ghosts to nobody."""
    names = sorted({d.truth for frame in found for d in frame if d.truth})
    return [{at: d.mask for at, frame in enumerate(found) for d in frame if d.truth == n} for n in names]


def ours(shot: CrowdShot, found: Found) -> Tracks:
    detections = [[Detection(d.mask, d.score) for d in frame] for frame in found]
    return [p.masks for p in identify(detections, shot.pictures)]


@dataclass(frozen=True, slots=True)
class Row:
    switches: int
    idf1: float
    j: float
    f: float
    people: int


def score(shot: CrowdShot, tracks: Tracks) -> Row:
    names = [str(k) for k in range(len(tracks))]
    overlap, identity = OverlapMeter(shot.names, tracks=names), Idf1Meter(shot.names, tracks=names)
    for at, truth in enumerate(shot.truth):
        real = {n: m.decode() for n, m in truth.items()}
        got = {n: t[at].decode() for n, t in zip(names, tracks, strict=True) if at in t}
        overlap.add(real, tracks=got)
        identity.add(real, tracks=got)
    people = overlap.result()
    edges = []
    for name, one in people.items():
        track = tracks[int(one.matched)] if one.matched is not None else {}
        places = [at for at, t in enumerate(shot.truth) if name in t or at in track]
        empty = np.zeros(shot.pictures[0].shape[:2], bool)
        each = [
            boundary_f(track[at].decode() if at in track else empty,
                       truth=shot.truth[at][name].decode() if name in shot.truth[at] else empty)
            for at in places
        ]  # fmt: skip
        edges.append(float(np.mean(each)) if each else 0.0)
    return Row(
        switches=sum(p.switches for p in people.values()),
        idf1=identity.result().idf1,
        j=float(np.mean([p.j for p in people.values()])),
        f=float(np.mean(edges)),
        people=len(tracks),
    )


def bench(level: str, seed: int, figures: Sequence[Figure]) -> dict[str, Row]:
    size = (640, 360) if level == "crowd" else (384, 216)
    shot = crowd_shot(level, figures=figures, seed=seed, size=size)
    found = SimulatedDetector(seed=seed).detect(shot.truth)
    return {
        "greedy IoU": score(shot, frame_by_frame(found, greedy)),
        "Hungarian per pair": score(shot, frame_by_frame(found, hungarian)),
        "ours": score(shot, ours(shot, found)),
        "oracle": score(shot, oracle(found)),
    }


def speed() -> str:
    shot = crowd_shot("crowd", size=(1920, 1080), frames=24)
    found = SimulatedDetector().detect(shot.truth)
    detections = [[Detection(d.mask, d.score) for d in frame] for frame in found]
    start, wall = time.process_time(), time.perf_counter()
    people = identify(detections, shot.pictures)
    cost = (time.process_time() - start) / len(found)
    return (
        f"30 people at 1920x1080: {cost:.3f} s of processor a frame, "
        f"{(time.perf_counter() - wall) / len(found):.3f} s on the clock, {len(people)} people"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=Path, default=os.environ.get("VIMATTE_HUMANS"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--levels", nargs="*", default=LEVELS)
    parser.add_argument("--speed", action="store_true")
    args = parser.parse_args()
    kinds = [("drawn", [])]
    if args.people:
        kinds.append(("rendered", rendered_figures(Path(args.people), count=36)))
    for kind, figures in kinds:
        print(f"\n{kind} people, {args.seeds} shots a level\n")
        print("| level | tracker | ID switches | IDF1 | J | F | tracks |\n|---|---|---|---|---|---|---|")
        for level in args.levels:
            rows = [bench(level, seed, figures) for seed in range(args.seeds)]
            for name in rows[0]:
                r = [row[name] for row in rows]
                means = " | ".join(f"{np.mean([getattr(x, k) for x in r]):.3f}" for k in ("idf1", "j", "f"))
                print(
                    f"| {level} | {name} | {sum(x.switches for x in r)} | {means} | {sum(x.people for x in r)} |",
                    flush=True,
                )
    if args.speed:
        print(f"\n{speed()}")


if __name__ == "__main__":
    main()
