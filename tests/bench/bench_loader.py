"""How many composited frames a core makes for training in a second: python tests/bench/bench_loader.py [--profile]

    OMP_NUM_THREADS=1 python tests/bench/bench_loader.py [--people DIR] [--backgrounds DIR] [--protocol vim50 …]
                                [--size 512] [--frames 8] [--clips 12] [--profile]

Counts processor time of this process and its one thread, not the clock's: other work on the machine shows less.
Reading the footage is in it. Without --backgrounds all stand before dead leaves.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import time
from pathlib import Path

import cv2

from vimatte.engine.training.data import PROTOCOLS, Settings, TrainingClips

ROOT = Path(__file__).resolve().parents[2]
HUMANS = Path(os.environ.get("VIMATTE_HUMANS", ROOT.parent / "shared" / "data" / "humans" / "train"))


def measure(clips: TrainingClips) -> str:
    """One row of the table."""
    clips[len(clips) - 1]  # tables of curves are made once
    people, started = 0, time.process_time()
    for index in range(len(clips) - 1):
        people += clips[index].alphas.shape[1]
    spent, made = time.process_time() - started, len(clips) - 1
    frames = made * clips.settings.frames
    return f"{frames} | {people / made:.1f} | {1000 * spent / frames:.0f} | {frames / spent:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=Path, default=HUMANS)
    parser.add_argument("--backgrounds", type=Path, action="append", default=[])
    parser.add_argument("--protocol", nargs="+", default=["vim50"], choices=list(PROTOCOLS))
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--layers", action="store_true", help="with everybody's colours and the background")
    parser.add_argument("--profile", action="store_true", help="show what takes the time")
    asked = parser.parse_args()
    cv2.setNumThreads(0)
    print("| protocol | frames | people a clip | ms a frame | frames a second and core |\n|---|---|---|---|---|")
    for name in asked.protocol:
        settings = Settings(
            protocol=PROTOCOLS[name], frames=asked.frames, height=asked.size, width=asked.size, layers=asked.layers
        )
        clips = TrainingClips(asked.people, asked.backgrounds, settings=settings, seed=1, length=asked.clips + 1)
        with cProfile.Profile() as profile:
            if not asked.profile:
                profile.disable()
            print(f"| {name} | {measure(clips)} |", flush=True)
        if asked.profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
