"""What a matting model costs on this machine: milliseconds a frame and peak memory by size and number of people.

Every case runs in a process of its own (`python -m vimatte.engine.bench`), so that its peak is its own and one that
runs out of memory takes nothing with it. The shot is made up: people drawn at random walk over a patterned wall.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from vimatte.engine.checkpoints.fit import new_network
from vimatte.engine.checkpoints.sets import NETWORKS
from vimatte.engine.device import choose_device
from vimatte.engine.errors import BackendError, ConfigError, DeviceError, VimatteError
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.registry import MATTING
from vimatte.engine.testing.crowds import Actor, film
from vimatte.engine.testing.figures import drawn_figure
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import Instance, TrackSet

__all__ = [
    "RANDOM",
    "Case",
    "Cost",
    "Outcome",
    "Weights",
    "crossing_people",
    "kinds_of",
    "measure",
    "random_weights",
    "run_case",
    "run_cases",
]

RANDOM: Mapping[str, tuple[str, ...]] = {
    "instmatt": ("instmatt",),
    "maggie": ("maggie_image", "maggie_video"),
    "msg-vim": ("msg_vim",),
    "oavm": ("oavm",),
}
"""Matting model -> the sets of weights that can be made up for it."""
Weights = Literal["own", "made up", "sure", "unsure"]
"""The user's; or made up, so that before refinement every alpha is unsure, or every one sure."""
_HEADS = ("decoder.refine_OS8.3.bias", "decoder.refine_OS4.3.bias", "decoder.refine_OS1.3.bias")
_MAGGIE: Mapping[Weights, Mapping[str, tuple[float, ...]]] = {
    "sure": {
        "decoder.refine_OS8.conv.4.weight": (0.0,),
        "decoder.refine_OS8.conv.4.bias": (1.0,),
        "decoder.refine_OS8.decoder_norm.weight": (0.0,),
        "decoder.refine_OS8.decoder_norm.bias": (-1.0,),
    },
    "unsure": {},
}
_SHAPED: Mapping[str, Mapping[Weights, Mapping[str, tuple[float, ...]]]] = {
    # Unsure: targets of 0.006, which is more than 1/255, and less than what makes two people one and leaves both out.
    "instmatt": {"sure": {_HEADS[0]: (-20.0, -20.0, 20.0)}, "unsure": dict.fromkeys(_HEADS, (-2.555, 0.0, 0.0))},
    "maggie_image": _MAGGIE,
    "maggie_video": _MAGGIE,
    "msg_vim": {"sure": {_HEADS[0]: (-20.0, -20.0)}, "unsure": {}},
}
"""Set of a network that refines where it is unsure -> what its random weights are overwritten with, for one or each
channel. Alphas of weights drawn at random are near 0.5."""
_FIRST = 1001
_POWER_STEPS = 20
_FAULT = Literal["memory", "time", "not ready", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row to be measured."""

    matting: str
    width: int
    height: int
    people: int
    frames: int = 5
    device: str = "cpu"
    weights: Weights = "own"

    def __post_init__(self) -> None:
        for what, value in (("width", self.width), ("height", self.height), ("people", self.people)):
            if value < 1:
                raise ConfigError(f"The {what} to measure at must be 1 or more, found {value}.")
        if self.frames < 1:
            raise ConfigError(f"--frames must be 1 or more, found {self.frames}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What was measured at one precision."""

    ms_per_frame: float
    """Wall clock, the model ready and warm."""
    cpu_ms_per_frame: float
    """Time of all processor cores together; much less than the wall clock's says that others kept the machine busy."""
    peak_mb: float | None
    """Million bytes: on a GPU what the model allocated there; else of the whole process. None: cannot be told here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a case."""

    case: Case
    cost: Cost | None = None
    """In float32; None where there is a fault."""
    half: Cost | None = None
    """In half precision where it is safe (autocast); GPUs only."""
    half_error: float | None = None
    """Largest difference of any alpha between the two precisions."""
    fault: _FAULT | None = None
    reason: str = ""
    """Of the fault, or of half precision's; a sentence."""

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Undo `to_json`."""
        found = json.loads(text)
        costs = {name: None if found[name] is None else Cost(**found[name]) for name in ("cost", "half")}
        return cls(**found | costs | {"case": Case(**found["case"])})


def run_cases(
    cases: Sequence[Case], *, random: Path | None = None, limit: float = 600.0
) -> Generator[tuple[int, Outcome]]:
    """Yield (place, outcome) of each case; the rest of a model that is not ready is left out.

    `random` is the folder that `random_weights` filled for the cases that do not take the user's own.
    """
    lost: set[str] = set()
    for place, case in enumerate(cases):
        if case.matting not in lost:
            outcome = run_case(case, random=random, limit=limit)
            if outcome.fault == "not ready":
                lost.add(case.matting)
            yield place, outcome


def run_case(case: Case, *, random: Path | None = None, limit: float = 600.0) -> Outcome:
    """Measure a case in a process of its own; whatever happens to it is in the outcome. `limit` in seconds."""
    environment = dict(os.environ)
    if random is not None and case.weights != "own":
        environment["VIMATTE_WEIGHTS"] = str(random / case.weights)
    command = [sys.executable, "-m", "vimatte.engine.bench", json.dumps(asdict(case))]
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=limit, env=environment
        )
    except subprocess.TimeoutExpired:
        return Outcome(case=case, fault="time", reason=f"longer than {limit:g} s")
    return _outcome(case, ran.returncode, ran.stdout, ran.stderr)


def _outcome(case: Case, code: int, out: str, err: str) -> Outcome:
    lines = out.strip().splitlines()
    if code == 0 and lines:
        return Outcome.from_json(lines[-1])
    if code in {-9, 137}:
        return Outcome(case=case, fault="memory", reason="out of memory (the system stopped it)")
    said = err.strip().splitlines()
    return Outcome(case=case, fault="failed", reason=said[-1] if said else f"exit code {code}")


def measure(case: Case) -> Outcome:
    """Measure a case in this process, whose peak memory should be young. Faults are in the outcome."""
    try:
        shot, tracks = crossing_people(case)
        _forget_peak()
        model: MattingModel = MATTING.load(case.matting)(device=case.device)
        gpu = torch.device(case.device).type == "cuda"
        # The first frames are never timed: libraries choose their ways, and GPUs wake up.
        for _ in model.mattes(shot, tracks, list(shot.frames) if gpu else [_FIRST]):
            pass
        cost, full = _timed(model, shot, tracks, case, half=False, keep=gpu)
        if not gpu:
            return Outcome(case=case, cost=cost)
        return _with_half(Outcome(case=case, cost=cost), full, model, shot, tracks)
    except BackendError as error:
        return Outcome(case=case, fault="not ready", reason=str(error))
    except (VimatteError, MemoryError, RuntimeError) as error:
        if _is_memory(error):
            return Outcome(case=case, fault="memory", reason="out of memory")
        return Outcome(case=case, fault="failed", reason=_first_line(error))


def _with_half(
    outcome: Outcome, full: list[NDArray[np.float32]], model: MattingModel, shot: MemoryShot, tracks: TrackSet
) -> Outcome:
    """Add what half precision costs and how far its alphas are from `full`; where it fails, why."""
    try:
        half, coarse = _timed(model, shot, tracks, outcome.case, half=True, keep=True)
    except RuntimeError as error:
        return replace(outcome, reason=f"half precision: {_first_line(error)}")
    largest = max((float(np.abs(a - b).max()) for a, b in zip(full, coarse, strict=True)), default=0.0)
    return replace(outcome, half=half, half_error=largest)


def _timed(
    model: MattingModel, shot: MemoryShot, tracks: TrackSet, case: Case, *, half: bool, keep: bool
) -> tuple[Cost, list[NDArray[np.float32]]]:
    """Time all frames; also give the alphas where they are to be compared."""
    gpu = torch.device(case.device).type == "cuda"
    if gpu:
        torch.cuda.synchronize(case.device)
        torch.cuda.reset_peak_memory_stats(case.device)
    alphas: list[NDArray[np.float32]] = []
    with torch.autocast("cuda", torch.float16) if half else nullcontext():
        started, busy = time.perf_counter(), time.process_time()
        for mattes in model.mattes(shot, tracks, list(shot.frames)):
            if keep:
                alphas.append(mattes.alphas)
        seconds, busy = time.perf_counter() - started, time.process_time() - busy
    peak = torch.cuda.max_memory_allocated(case.device) if gpu else _peak_bytes()
    cost = Cost(
        ms_per_frame=1e3 * seconds / len(shot.frames),
        cpu_ms_per_frame=1e3 * busy / len(shot.frames),
        peak_mb=None if peak is None else peak / 1e6,
    )
    return cost, alphas


def crossing_people(case: Case) -> tuple[MemoryShot, TrackSet]:
    """Make the case's shot, people side by side and as tall as fits (ten: half of the picture), and its tracks."""
    tall = case.height * min(0.8, 1.6 / math.sqrt(case.people))
    step = case.width / case.people
    actors = [
        Actor(
            name=f"person_{k + 1:02d}",
            figure=drawn_figure(k),
            path={at: ((k + 0.5) * step + 0.004 * case.width * at, 0.97 * case.height) for at in range(case.frames)},
            height=tall,
            depth=k % 2,
            step=k,
        )
        for k in range(case.people)
    ]
    crowd = film("bench", [(0, actors)], width=case.width, height=case.height, frames=case.frames)
    shot = MemoryShot([picture.astype(np.float32) / 255.0 for picture in crowd.pictures], first=_FIRST)
    names = [actor.name for actor in actors if actor.name is not None]
    tracks = TrackSet(
        width=case.width,
        height=case.height,
        frames=tuple(shot.frames),
        instances=tuple(Instance(id=k, name=name) for k, name in enumerate(names, start=1)),
        masks={
            k: {_FIRST + at: seen[name] for at, seen in enumerate(crowd.truth) if name in seen}
            for k, name in enumerate(names, start=1)
        },
    )
    return shot, tracks


def kinds_of(matting: str, *, random: bool) -> tuple[Weights, ...]:
    """With which weights a model is measured."""
    if not random or matting not in RANDOM:
        return ("own",)
    refines = any(name in _SHAPED for name in RANDOM[matting])
    return ("sure", "unsure") if refines else ("made up",)


def random_weights(name: str, kind: Weights, *, into: Path) -> None:
    """Write made-up weights for the set `name` to `into`/`kind`, laid out as in the cache."""
    torch.manual_seed(0)
    tensors = {key: tensor.detach().clone() for key, tensor in new_network(NETWORKS[name]).state_dict().items()}
    _settle(tensors)
    for key, values in _SHAPED.get(name, {}).get(kind, {}).items():
        tensors[key].copy_(torch.tensor(values))
    (into / kind / name).mkdir(parents=True)
    save_file(tensors, into / kind / name / "model.safetensors")


def _settle(tensors: dict[str, Tensor]) -> None:
    """Bring spectral norms to their fixed point: with vectors drawn at random they would blow the weights up."""
    for key in [k for k in tensors if k.endswith("weight_bar")]:
        stem = key.removesuffix("weight_bar")
        matrix, u = tensors[key].flatten(1), tensors[f"{stem}weight_u"]
        for _ in range(_POWER_STEPS):
            v = torch.nn.functional.normalize(matrix.T @ u, dim=0)
            u = torch.nn.functional.normalize(matrix @ v, dim=0)
        tensors[f"{stem}weight_u"], tensors[f"{stem}weight_v"] = u.contiguous(), v.contiguous()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _is_memory(error: BaseException) -> bool:
    # The device was there when the case began, so what a model says of it later is that its memory is full.
    words = ("out of memory", "can't allocate memory", "not enough memory", "nsufficient memory")
    return isinstance(error, MemoryError | DeviceError) or any(w in str(error) for w in words)


def _forget_peak() -> None:
    """Start the count of peak memory anew, where the system can (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_bytes() -> int | None:
    """The largest resident size this process has had.

    Linux is asked for the process's own mark: what `getrusage` says there begins with the size of whoever started it.
    """
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _main() -> None:
    case = Case(**json.loads(sys.argv[1]))
    outcome = measure(replace(case, device=choose_device(case.device)))
    sys.stdout.write(f"{outcome.to_json()}\n")


if __name__ == "__main__":
    _main()
