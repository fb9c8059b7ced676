"""What the metrics cost: `python tests/bench/bench_metrics.py`.

Seconds of one processor for one frame of one person (VIMQ and IMQ: of three people), the matte about a sixth of the
picture wide, and the most memory the process held.
"""

from __future__ import annotations

import resource
import time

import torch

from vimatte.engine.metrics import ImqMeter, MatteErrorMeter, ReleasedErrorMeter, VimqMeter

SIZES = ((540, 960), (1080, 1920), (2160, 3840))
FRAMES = 4


def person(height: int, width: int, *, left: float) -> torch.Tensor:
    """A soft-edged upright box."""
    alpha = torch.zeros(height, width)
    start = round(left * width)
    alpha[height // 6 : height * 5 // 6, start : start + width // 6] = 1
    return torch.nn.functional.avg_pool2d(alpha[None], 9, 1, 4)[0]


def seconds(meter: MatteErrorMeter | ReleasedErrorMeter | VimqMeter | ImqMeter, truth: torch.Tensor) -> float:
    """Processor seconds a frame, once there are enough before it that each is scored as it comes."""
    for _ in range(4):
        meter.add(0.95 * truth, truth=truth)
    started = time.process_time()
    for t in range(1, FRAMES + 1):
        moved = truth.roll(t, -1)
        meter.add(0.95 * moved.roll(1, -1), truth=moved)
    return (time.process_time() - started) / FRAMES


def main() -> None:
    torch.set_num_threads(1)
    print("size        errors  released  VIMQ   IMQ    memory so far")
    for height, width in SIZES:
        crowd = torch.stack([person(height, width, left=x) for x in (0.1, 0.4, 0.7)])
        found = (
            seconds(MatteErrorMeter(), crowd[0]),
            seconds(ReleasedErrorMeter(), crowd[:1]),
            seconds(VimqMeter("as_paper"), crowd),
            seconds(ImqMeter("as_paper"), crowd),
        )
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{width}x{height}".ljust(12) + "  ".join(f"{s:5.2f}" for s in found) + f"  {held:.1f} GiB")


if __name__ == "__main__":
    main()
