"""How fast this machine is right now: python tests/bench/calibration.py [--threads 2]

Ten 3x3 convolutions of 64 to 64 channels on a 64x144x256 map, one after the other, in float32: 13.6 billion
multiply-adds. A time divided by this one says the same on a slow machine as on a fast one, and on a busy one as on an
idle one, as long as both were taken in turns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

__all__ = ["Seconds", "calibration", "in_turns"]


@dataclass(frozen=True, slots=True)
class Seconds:
    """The least of several runs, so that what others did on the machine counts for little."""

    wall: float
    processor: float
    """Over all threads, those that wait for others included."""

    def __truediv__(self, other: Seconds) -> Seconds:
        return Seconds(self.wall / other.wall, self.processor / other.processor)


def calibration() -> Callable[[], object]:
    """Return what is timed."""
    torch.manual_seed(1)
    layers = nn.Sequential(*(nn.Conv2d(64, 64, 3, padding=1) for _ in range(10)))
    x = torch.randn(1, 64, 144, 256)

    @torch.inference_mode()
    def run() -> object:
        return layers(x)

    return run


def in_turns(runs: Sequence[Callable[[], object]], *, repeats: int) -> list[Seconds]:
    """Time each of `runs` `repeats` times, in turns, after one run of each that does not count."""
    for run in runs:
        run()
    least = [Seconds(float("inf"), float("inf"))] * len(runs)
    for _ in range(repeats):
        for at, run in enumerate(runs):
            wall, processor = time.perf_counter(), time.process_time()
            run()
            took = Seconds(time.perf_counter() - wall, time.process_time() - processor)
            least[at] = Seconds(min(least[at].wall, took.wall), min(least[at].processor, took.processor))
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    (took,) = in_turns([calibration()], repeats=args.repeats)
    print(f"{took.wall:.3f} s on the clock, {took.processor:.3f} s of processor, {args.threads} threads")


if __name__ == "__main__":
    main()
