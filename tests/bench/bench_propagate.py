"""How well masks are carried through shots: intersection over union by person, by all carriers and two simple ways.

    python tests/bench/bench_propagate.py [NAME ...] [--ways carried,lite] [--backgrounds DIR]

NAME is part of a case: `share`, `beach`, `example` or `crossings`, then `first`, `every8` or `blobs`; without one, all
cases run. Prints mean and worst frame for each person, and seconds of processor time a frame. `crossings` are clips of
rendered people that training never saw, with `--backgrounds` (a folder of pictures) behind them or dead leaves.

`found` looks for people on each frame by itself; of what it finds the best counts, as if a perfect tracker chose.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from vimatte.engine.masks import BoolMask, Rle, mask_iou
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.training.data.crossings import make_crossing, skipping
from vimatte.engine.training.data.footage import Footage
from vimatte.engine.training.data.protocols import PROTOCOLS
from vimatte.engine.training.data.settings import Settings
from vimatte.engine.vis.blazepose.look import Finder
from vimatte.engine.vis.blazepose.search import Search
from vimatte.engine.vis.carriers import Carrier
from vimatte.engine.vis.flow import flow_between, warp
from vimatte.engine.vis.propagate import propagate
from vimatte.engine.vis.propagation.frames import WorkingFrames

ROOT = Path(__file__).resolve().parents[2]
FOOTAGE = Path(os.environ.get("VIMATTE_FOOTAGE", ROOT.parent / "shared" / "data" / "footage"))
HELD_BACK = FOOTAGE.parent / "humans" / "val"
EXAMPLE = ROOT / "tests" / "data" / "example"
FIRST = 1001

Codes = NDArray[np.uint8]
Truth = dict[int, list[BoolMask]]
Anchors = dict[int, dict[int, BoolMask]]
Shot = tuple[list[Codes], Truth]
_LEAST = 50
"""Pixels from which somebody is there."""


def movie(path: Path) -> list[Codes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def alphas(folder: Path) -> list[BoolMask]:
    return [cv2.imread(str(f), cv2.IMREAD_UNCHANGED) / 65535.0 > 0.5 for f in sorted(folder.glob("*.png"))]


def share() -> Shot:
    folder = FOOTAGE / "composite_gt_share"
    frames = [np.ascontiguousarray(cv2.imread(str(f))[..., ::-1]) for f in sorted((folder / "frames").glob("*.png"))]
    return frames, {n: alphas(folder / "alpha_visible" / f"person{n}") for n in (1, 2, 3)}


def beach() -> Shot:
    folder = FOOTAGE / "clip_boys_beach"
    masks = {n + 1: [m[..., 0] >= 128 for m in movie(folder / f"mask_0{n}.mp4")] for n in (0, 1)}
    return movie(folder / "input_video.mp4"), masks


def example() -> Shot:
    truth = {n: alphas(EXAMPLE / "truth" / name) for n, name in enumerate(("anna", "bruno", "carla"), 1)}
    return movie(EXAMPLE / "shot.mov"), truth


def crossings(backgrounds: Path | None, *, clips: int = 10) -> Iterator[Shot]:
    """Clips of 8 frames as `lite.propagate` learns from, of people whom it has never seen."""
    people = skipping(Footage.of(HELD_BACK))
    behind = Footage.of(backgrounds) if backgrounds else None
    settings = Settings(protocol=PROTOCOLS["crossings"], frames=8, height=384, width=384, guidance=0.0)
    for index in range(clips):
        sample = make_crossing(people, behind, settings=settings, seed=99, index=index)
        masks = {n: [m > 0.5 for m in sample.alphas[:, n]] for n in range(sample.alphas.shape[1])}
        seen = {n + 1: m for n, m in masks.items() if max(map(np.count_nonzero, m)) >= _LEAST}
        yield [np.rint(picture * 255).astype(np.uint8) for picture in sample.pictures], seen


def first(truth: Truth) -> Anchors:
    """One mask each, on the first frame somebody is there."""
    starts = {one: next(t for t, m in enumerate(masks) if m.sum() >= _LEAST) for one, masks in truth.items()}
    return {one: {t: truth[one][t]} for one, t in starts.items()}


def every8(truth: Truth) -> Anchors:
    return {one: {t: masks[t] for t in range(0, len(masks), 8)} for one, masks in truth.items()}


def blobs(truth: Truth) -> Anchors:
    """A people finder's masks: dilated and blurred in a 256-pixel crop, every 6th frame, a fifth of them missing."""
    chance = np.random.default_rng(0)
    anchors: Anchors = {one: {} for one in truth}
    for one, masks in truth.items():
        for t in range(0, len(masks), 6):
            missed = chance.random() < 0.2 and t > 0
            if missed or np.count_nonzero(masks[t]) < 50:
                continue
            y, x = np.nonzero(masks[t])
            scale = 256 / (max(np.ptp(x), np.ptp(y)) * 1.25 + 8)
            crop = np.array([[scale, 0, 128 - x.mean() * scale], [0, scale, 128 - y.mean() * scale]], np.float32)
            small = cv2.warpAffine(masks[t].astype(np.float32), crop, (256, 256), flags=cv2.INTER_AREA)
            small = cv2.GaussianBlur(cv2.dilate(small, np.ones((5, 5), np.uint8)), (0, 0), 4)
            size = masks[t].shape[::-1]
            back = cv2.warpAffine(small, crop, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
            anchors[one][t] = back > 0.5
    return anchors


def held(frames: list[Codes], anchors: Anchors) -> Truth:
    """Keep the last known mask still."""
    result: Truth = {}
    for one, known in anchors.items():
        masks = []
        for t in range(len(frames)):
            before = [f for f in known if f <= t]
            masks.append(known[max(before)] if before else known[min(known)])
        result[one] = masks
    return result


def flowed(frames: list[Codes], anchors: Anchors) -> Truth:
    """Warp the last known mask along flow, and nothing else."""
    result: Truth = {one: [] for one in anchors}
    soft: dict[int, NDArray[np.float32]] = {}
    for t, now in enumerate(frames):
        if t:
            back = flow_between(now, frames[t - 1])[0]
            soft = {one: warp(mask, back) for one, mask in soft.items()}
        for one, known in anchors.items():
            if t in known:
                soft[one] = known[t].astype(np.float32)
            mask = soft.get(one)
            result[one].append(mask > 0.5 if mask is not None else np.zeros(now.shape[:2], bool))
    return result


def carried(frames: list[Codes], anchors: Anchors, *, exact: bool = True, carrier: Carrier = "classical") -> Truth:
    """The real thing."""
    shot = MemoryShot([frame.astype(np.float32) / 255 for frame in frames], first=FIRST)
    steps = propagate(
        shot,
        anchors={one: {FIRST + t: Rle.encode(m) for t, m in known.items()} for one, known in anchors.items()},
        exact=exact,
        carrier=carrier,
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found = end.value
            break
    none = Rle.encode(np.zeros(frames[0].shape[:2], bool))
    return {one: [found[one].get(FIRST + t, none).decode() for t in range(len(frames))] for one in anchors}


def evidence(frames: list[Codes], anchors: Anchors) -> Truth:
    """The real thing, where known masks may be mended too."""
    return carried(frames, anchors, exact=False)


def lite(frames: list[Codes], anchors: Anchors) -> Truth:
    """The network that comes with the program."""
    return carried(frames, anchors, carrier="lite")


def found(frames: list[Codes], anchors: Anchors, *, truth: Truth) -> Truth:
    """People found on each frame by itself."""
    shot = MemoryShot([frame.astype(np.float32) / 255 for frame in frames], first=FIRST)
    search = Search(WorkingFrames(shot), shot.frames.numbers, Finder(torch.device("cpu")))
    for _ in search.run(1):
        pass
    height, width = frames[0].shape[:2]
    result: Truth = {one: [] for one in anchors}
    for t, finds in enumerate(search.finds):
        masks = [cv2.resize(f.mask.decode().astype(np.uint8), (width, height)) > 0 for f in finds]
        for one in anchors:
            fits = [mask_iou(mask, truth[one][t]) for mask in masks]
            result[one].append(masks[int(np.argmax(fits))] if masks else np.zeros((height, width), bool))
    return result


WAYS: dict[str, Callable[[list[Codes], Anchors], Truth]] = {
    "held": held,
    "flow": flowed,
    "carried": carried,
    "evidence": evidence,
    "lite": lite,
}
SHOTS: dict[str, Callable[[], Shot]] = {"share": share, "beach": beach, "example": example}
GIVEN = {"first": first, "every8": every8, "blobs": blobs}


def rows(names: list[str], ways: list[str], backgrounds: Path | None) -> Iterator[str]:
    """One line a case and way."""
    yield f"{'case':16s} {'way':8s} {'mean':>6s} {'s/frame':>8s}   person: mean (worst @ frame)"
    cases = {f"{shot}-{given}": (shot, given) for shot in (*SHOTS, "crossings") for given in GIVEN}
    for case, (name, given) in cases.items():
        if names and not any(n in case for n in names):
            continue
        shots = [SHOTS[name]()] if name in SHOTS else list(crossings(backgrounds))
        for way in ways:
            if way == "evidence" and given != "blobs":
                continue
            scores, seconds = [], 0.0
            for frames, truth in shots:
                anchors = GIVEN[given](truth)
                follow = partial(found, truth=truth) if way == "found" else WAYS[way]
                start = time.process_time()
                masks = follow(frames, anchors)
                seconds += time.process_time() - start
                for one, true in truth.items():
                    begins = min(anchors[one])
                    scores.append([mask_iou(a, b) for a, b in zip(masks[one][begins:], true[begins:], strict=True)])
            people = [f"{n}: {np.mean(s):.3f} ({min(s):.3f} @ {int(np.argmin(s))})" for n, s in enumerate(scores, 1)]
            mean = np.mean([np.mean(s) for s in scores])
            spent = seconds / sum(len(frames) for frames, _ in shots)
            yield f"{case:16s} {way:8s} {mean:6.3f} {spent:8.3f}   " + "  ".join(people)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--ways", default=",".join([*WAYS, "found"]), help="of these, with commas")
    parser.add_argument("--backgrounds", type=Path, help="pictures to stand behind the people of `crossings`")
    options = parser.parse_args()
    for row in rows(options.names, options.ways.split(","), options.backgrounds):
        print(row, flush=True)


if __name__ == "__main__":
    main()
