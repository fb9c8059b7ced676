"""Time the published matting networks: python tests/bench/bench_published.py [NAME ...] [--threads 2] [--repeats 5]

Each row is timed in turns with the calibration (`calibration.py`), the least of the repeats counts, and the last column
is their ratio: what to compare between machines, or on a busy one (then the processor's ratio, with --threads 1).
Weights are random, generated from names; how much of a picture the coarse scales leave open, and so how much work there
is at full size, depends on real ones: the rows with 'open' and 'shut' are the two ends.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import torch
from bench_maggie import maggie
from calibration import calibration, in_turns

sys.path.insert(0, str(Path(__file__).parents[1]))

from vimatte.engine.matting.common.fold import fold
from vimatte.engine.matting.common.pictures import RIM
from vimatte.engine.matting.instmatt.infer import infer
from vimatte.engine.matting.instmatt.network import InstMatt
from vimatte.engine.matting.instmatt.tri_masks import united_tri_masks
from vimatte.engine.matting.instmatt.weights import open_network
from vimatte.engine.matting.msg_vim.evaluation import Evaluation
from vimatte.engine.matting.msg_vim.network import Network
from vimatte.engine.matting.oavm.network import OavmNetwork

from support.recipe_weights import INSTMATT, MSG_VIM, recipe_weights

Row = tuple[str, Callable[[], object]]
"""What is timed, and how to run it once."""


def msg_vim() -> Iterator[Row]:
    """One person, five frames of 288x512 as the network sees them."""
    height, width = 288, 512
    network = Network().eval()
    network.load_state_dict(recipe_weights({k: tuple(v.shape) for k, v in network.state_dict().items()}, MSG_VIM))
    torch.manual_seed(1)
    x = torch.randn(1, 5, 5, height, width)
    folded = fold(deepcopy(network))
    yield "as stored, one call, all maps everywhere", torch.inference_mode()(lambda: network(x))
    yield "folded, one call, all maps everywhere", torch.inference_mode()(lambda: folded(x))

    def frames(evaluation: Evaluation) -> Callable[[], object]:
        def run() -> None:
            state = None
            for frame in x[0].split(1):
                _, state = evaluation.frame(frame, state, height=height - 2 * RIM, width=width - 2 * RIM)

        return run

    yield "frame by frame, open nearly everywhere", frames(Evaluation.of(deepcopy(network)))
    with torch.no_grad():
        for head in (network.decoder.refine_OS8, network.decoder.refine_OS4):
            head[-1].weight.zero_()
            head[-1].bias.fill_(-20.0)
    yield "frame by frame, shut everywhere", frames(Evaluation.of(network))


def oavm() -> Iterator[Row]:
    """A frame of 288x512 after the first, of one person and of five."""
    network = OavmNetwork().eval()
    torch.manual_seed(1)
    picture = torch.randn(1, 3, 288, 512)
    for people, words in ((1, "one person"), (5, "five people")):
        with torch.inference_mode():
            _, state = network(network.encode(picture), network.start(torch.rand(1, people, 288, 512)))
        yield (
            f"a frame, {words}",
            torch.inference_mode()(lambda state=state: network(network.encode(picture), state)),
        )


def instmatt() -> Iterator[Row]:
    """One person, five frames of 288x512 as the network sees them; then several people on one such frame."""
    height, width = 288, 512
    stored = InstMatt().eval()
    weights = recipe_weights({k: tuple(v.shape) for k, v in stored.state_dict().items()}, INSTMATT)
    stored.load_state_dict(weights)
    torch.manual_seed(1)
    picture = torch.randn(3, height, width)
    masks = torch.zeros(5, height, width)
    for row, mask in enumerate(masks):
        mask[40:260, 20 + 95 * row : 110 + 95 * row] = 1.0

    def frames(network: InstMatt, *, people: int, count: int) -> Callable[[], object]:
        tri_masks = united_tri_masks(masks[:people])
        return torch.inference_mode()(lambda: [infer(network, picture, tri_masks) for _ in range(count)])

    yield "as stored", frames(stored, people=1, count=5)
    folded, _ = open_network(weights, device="cpu")
    guided = torch.cat([picture[None], united_tri_masks(masks[:1])], dim=1)
    yield "folded, without the refiner", torch.inference_mode()(lambda: [folded(guided) for _ in range(5)])
    yield "folded, open nearly everywhere", frames(folded, people=1, count=5)
    for people in (2, 5):
        yield f"folded, open, {people} people, one frame", frames(folded, people=people, count=1)
    for head in ("refine_OS8", "refine_OS4"):
        weights[f"decoder.{head}.3.weight"].zero_()
        weights[f"decoder.{head}.3.bias"].fill_(-20.0)
    yield "folded, shut everywhere", frames(open_network(weights, device="cpu")[0], people=1, count=5)


NAMES: dict[str, Callable[[], Iterator[Row]]] = {
    "instmatt": instmatt,
    "maggie": maggie,
    "msg_vim": msg_vim,
    "oavm": oavm,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=sorted(NAMES), metavar="NAME", help=", ".join(sorted(NAMES)))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(
        "| network | what | s | processor s | calibration s | ratio | processor ratio |\n|---|---|---|---|---|---|---|"
    )
    for name in args.names:
        for what, run in NAMES[name]():
            measure, took = in_turns([calibration(), run], repeats=args.repeats)
            ratio = took / measure
            print(
                f"| {name} | {what} | {took.wall:.2f} | {took.processor:.2f} | {measure.wall:.3f} | "
                f"{ratio.wall:.1f} | {ratio.processor:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
