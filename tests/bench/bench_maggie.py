"""Time MaGGIe's video network over people and region to refine, with peak memory: prints a table.

    python tests/bench/bench_maggie.py [--threads 2] [--repeats 3]

Coarse alphas are replaced by soft ellipses whose edges are as wide as the region asks for, so that the work does not
hang on untrained weights. Ratios are over `calibration.py`; processor time is distorted less by other people's work, so
on a busy machine take that one with `--threads 1`. Peak memory is the process's own so far: rows come in growing order.
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from calibration import calibration, in_turns
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from vimatte.engine.matting.common.unknown import unknown
from vimatte.engine.matting.maggie.network import Coarse, Maggie
from vimatte.engine.matting.maggie.regions import boxes
from vimatte.engine.matting.maggie.weights import prepared

from support.maggie_weights import settled_weights

FRAMES, HEIGHT, WIDTH = 5, 288, 512
CASES = ((1, 0.04), (8, 0.04), (8, 0.36))


class Staged(Maggie):
    """The network with coarse alphas from outside."""

    alphas: Tensor

    def coarse(self, *args: object, **options: object) -> Coarse:
        return dataclasses.replace(super().coarse(*args, **options), alpha_os8_FNHW=self.alphas)


def scene(people: int, edge: float, *, frames: int = FRAMES) -> tuple[Tensor, Tensor]:
    """Masks and alphas (frames, people, h, w) of upright ellipses side by side, edges `edge` pixels wide."""
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    inside = torch.stack(
        [
            torch.stack(
                [
                    34 - ((x - c - 2 * t) ** 2 + ((y - HEIGHT / 2) / 2.2) ** 2).sqrt()
                    for c in torch.linspace(60, 450, people)
                ]
            )
            for t in range(frames)
        ]
    )
    return (inside > 0).float(), (inside / edge + 0.5).clamp(0, 1)


def region_of(alphas: Tensor) -> float:
    return float((unknown(alphas, 15, ends=False) & boxes(alphas)).float().mean())


def edge_for(people: int, share: float) -> float:
    low, high = 0.1, 120.0
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (middle, high) if region_of(scene(people, middle, frames=1)[1]) < share else (low, middle)
    return middle


def maggie() -> Iterator[tuple[str, Callable[[], object]]]:
    """Five frames of 288x512 through the video network, folded; as stored for comparison."""
    network = Staged(video=True).eval()
    network.load_state_dict(settled_weights(video=True))
    torch.manual_seed(1)
    images = torch.randn(1, FRAMES, 3, HEIGHT, WIDTH)

    def call(people: int, share: float) -> Callable[[], object]:
        masks, alphas = scene(people, edge_for(people, share))

        @torch.inference_mode()
        def run() -> None:
            network.alphas = alphas
            network(images, masks[None])

        return run

    yield "1 person, 4 % of the maps refined, as stored", call(1, 0.04)
    prepared(network)
    for people, share in CASES:
        yield f"{people} people, {100 * share:.0f} % of the maps refined", call(people, share)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print("| what | s | calibration s | ratio | processor ratio | peak GB |\n|---|---|---|---|---|---|", flush=True)
    for what, run in maggie():
        measure, took = in_turns([calibration(), run], repeats=given.repeats)
        ratio = took / measure
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"| {what} | {took.wall:.2f} | {measure.wall:.3f} | {ratio.wall:.1f} | {ratio.processor:.1f} | "
            f"{peak:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
