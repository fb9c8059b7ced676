"""Score the people finder where the truth is known.

    python tests/bench/bench_people.py [--footage DIR] [--propagate lite] [--real]

Prints a table: people found, mean IoU over person-frames (misses count 0), person-frames above 0.5, identity switches,
false people, seconds of finding and in all (processor time). `--real` adds counts on clips without truth.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageSequence
from scipy.optimize import linear_sum_assignment

from vimatte.engine.events import Progress
from vimatte.engine.masks import mask_iou
from vimatte.engine.shot import Picture
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import TrackSet
from vimatte.engine.vis.backend import VisOptions
from vimatte.engine.vis.blazepose import BlazePose
from vimatte.engine.vis.carriers import CARRIERS, Carrier

ROOT = Path(__file__).resolve().parents[2]
Truth = list[list[NDArray[np.bool_]]]
"""Person -> frame -> (h, w)."""


@dataclass(frozen=True, slots=True)
class Score:
    """What the table says of one shot."""

    people: int
    mean_iou: float
    each: tuple[float, ...]
    above_half: float
    switches: int
    false_people: int


def score(tracks: TrackSet, truth: Truth, *, least: int = 200) -> Score:
    """Match each true person to one track of the shot; frames with fewer than `least` true pixels are left out."""
    ious = np.zeros((len(truth), max(len(tracks.ids), 1), len(tracks.frames)))
    for f, number in enumerate(tracks.frames):
        for j, one in enumerate(tracks.ids):
            mask = tracks.mask(one, number)
            for k, person in enumerate(truth):
                ious[k, j, f] = mask_iou(mask, person[f]) if mask.any() or person[f].any() else 0.0
    rows, columns = linear_sum_assignment(-ious.mean(axis=2))
    own = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    visible = np.array([[m.sum() >= least for m in person] for person in truth])
    each = [ious[k, own[k]][visible[k]] if k in own else np.zeros(visible[k].sum()) for k in range(len(truth))]
    switches = 0
    for k in range(len(truth)):
        best = ious[k].argmax(axis=0)[(ious[k].max(axis=0) > 0.3) & visible[k]]
        switches += int(np.count_nonzero(best[1:] != best[:-1]))
    values = np.concatenate(each)
    found = sum(k in own and ious[k, own[k]].mean() > 0.1 for k in range(len(truth)))
    return Score(
        people=found,
        mean_iou=float(values.mean()),
        each=tuple(float(v.mean()) for v in each),
        above_half=float((values > 0.5).mean()),
        switches=switches,
        false_people=len(tracks.ids) - found,
    )


def track(pictures: list[Picture], *, carrier: Carrier, fps: int = 24) -> tuple[TrackSet, float, float]:
    """Tracks, processor seconds of finding, processor seconds in all."""
    start, found = time.process_time(), 0.0
    running = BlazePose().track(MemoryShot(pictures, fps=fps), keys=None, options=VisOptions(propagation=carrier))
    while True:
        try:
            event = next(running)
        except StopIteration as stop:
            return stop.value, found or time.process_time() - start, time.process_time() - start
        if isinstance(event, Progress) and event.phase == "propagate" and not found:
            found = time.process_time() - start


def movie(path: Path, step: int = 1) -> list[Picture]:
    """Every `step`-th frame, sRGB codes in [0, 1]."""
    with av.open(str(path)) as container:
        frames = [f.to_ndarray(format="rgb24") for i, f in enumerate(container.decode(video=0)) if i % step == 0]
    return [f.astype(np.float32) / 255 for f in frames]


def gif(path: Path, step: int = 1) -> list[Picture]:
    """Every `step`-th frame of an animation."""
    with Image.open(path) as image:
        frames = [np.asarray(f.convert("RGB")) for i, f in enumerate(ImageSequence.Iterator(image)) if i % step == 0]
    return [f.astype(np.float32) / 255 for f in frames]


def stills(folder: Path) -> list[Picture]:
    """All PNG files of a folder."""
    return [np.asarray(Image.open(p).convert("RGB"), np.float32) / 255 for p in sorted(folder.glob("*.png"))]


def mattes(*folders: Path) -> Truth:
    """16-bit mattes above a half."""
    return [
        [np.asarray(cv2.imread(str(p), cv2.IMREAD_UNCHANGED)) > 32767 for p in sorted(folder.glob("*.png"))]
        for folder in folders
    ]


def composite(footage: Path) -> tuple[list[Picture], Truth]:
    """Three filmed people composited: alphas exact by construction."""
    folder = footage / "composite_gt_share"
    return stills(folder / "frames"), mattes(*(folder / "alpha_visible" / f"person{i}" for i in (1, 2, 3)))


def example() -> tuple[list[Picture], Truth]:
    """The example shot of this repository."""
    folder = ROOT / "tests" / "data" / "example"
    return movie(folder / "shot.mov"), mattes(*(folder / "truth" / n for n in ("anna", "bruno", "carla")))


def real(footage: Path) -> dict[str, tuple[int, int, Callable[[], list[Picture]]]]:
    """Clips without truth: how many people a viewer counts, frames a second, and how to read them."""
    previews = footage / "clip_intel_previews"
    return {
        "bedroom (every 2nd)": (2, 15, lambda: movie(footage / "clip_sam2_bedroom" / "bedroom.mp4", 2)),
        "chaplin (every 3rd)": (2, 8, lambda: movie(footage / "clip_chaplin" / "chaplin.mp4", 3)),
        "boys_beach": (2, 16, lambda: movie(footage / "clip_boys_beach" / "input_video.mp4")),
        "classroom": (4, 15, lambda: gif(previews / "classroom.gif")),
        "walking": (2, 12, lambda: gif(previews / "face-demographics-walking.gif")),
        "walking-and-pause": (3, 12, lambda: gif(previews / "face-demographics-walking-and-pause.gif")),
        "head-pose (every 2nd)": (2, 6, lambda: gif(previews / "head-pose-face-detection-female-and-male.gif", 2)),
    }


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--footage", type=Path, default=os.environ.get("VIMATTE_FOOTAGE", ROOT.parent / "shared/data/footage")
    )
    parser.add_argument("--propagate", choices=CARRIERS, default=VisOptions().propagation, help="who carries masks")
    parser.add_argument("--real", action="store_true", help="also count people on clips without truth")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| shot | people | mean IoU | each | > 0.5 | switches | false | find s | all s |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    for name, read in {"composite": lambda: composite(options.footage), "example": example}.items():
        pictures, truth = read()
        tracks, finding, total = track(pictures, carrier=options.propagate)
        s = score(tracks, truth)
        each = " ".join(f"{v:.3f}" for v in s.each)
        print(
            f"| {name} | {s.people} of {len(truth)} | {s.mean_iou:.3f} | {each} | {s.above_half:.0%} | {s.switches} "
            f"| {s.false_people} | {finding:.1f} | {total:.1f} |",
            flush=True,
        )
    if options.real:
        print("\n| clip | people | found | s a frame, finding |\n|---|---|---|---|")
        for name, (people, fps, frames) in real(options.footage).items():
            pictures = frames()
            tracks, finding, _ = track(pictures, carrier=options.propagate, fps=fps)
            print(f"| {name} | {people} | {len(tracks.ids)} | {finding / len(pictures):.2f} |", flush=True)


if __name__ == "__main__":
    main()
