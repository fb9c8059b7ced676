"""Score a matting model on a published test set by that set's own protocol, beside the figures in its paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.errors import ConfigError
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.metrics.benchmarks import him2k as _him2k
from vimatte.engine.metrics.benchmarks import v_him60 as _v_him60
from vimatte.engine.metrics.benchmarks import vim50 as _vim50
from vimatte.engine.metrics.benchmarks.scene import Scene
from vimatte.engine.metrics.benchmarks.score import BenchmarkScore, Part, Say, scene_line
from vimatte.engine.metrics.benchmarks.single_sets import SINGLE_SETS, run_single_set
from vimatte.engine.metrics.instance_quality import ERRORS, ImqMeter
from vimatte.engine.metrics.released_errors import ReleasedErrorMeter, Tally
from vimatte.engine.metrics.video_quality import VimqMeter, mean_vimq

__all__ = ["BENCHMARKS", "run_benchmark"]

Run: TypeAlias = Callable[[Path, MattingModel, Path | None, Say], Iterator[Part]]
"""Root, model, masks and what takes progress to the tables of a set."""

_SPLITS = ("comp", "natural")


def run_benchmark(
    name: str, root: Path, model: MattingModel, *, masks: Path | None = None, say: Say = lambda line: None
) -> BenchmarkScore:
    """Run `model` over everything in `root` and score it.

    `masks` is a folder of those the model is given (M-HIM2K has its own in `root`); without, it is given masks of the
    truth, which the published rows were not. `say` is called with a line for every clip or picture as it begins. Raises
    ConfigError for an unknown benchmark, MediaError for missing files.
    """
    if name not in BENCHMARKS:
        raise ConfigError(f"There is no benchmark '{name}'; there is: {', '.join(BENCHMARKS)}.")
    parts = tuple(BENCHMARKS[name](root, model, masks, say))
    if masks is not None:
        given = f"masks from {masks}"
    else:
        given = "masks of the benchmark" if name == "m-him2k" else "masks of the TRUTH above one half"
    return BenchmarkScore(benchmark=name, model=model.name, masks=given, parts=parts)


def _mattes(
    scene: Scene, model: MattingModel, say: Say, *, stored: bool = False
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield mattes and truths (n, h, w) frame by frame.

    `stored` makes mattes 8 bits deep, cut off: VIMQ's and IMQ's scripts read files, MaGGIe's evaluation does not.
    """
    with scene.shot() as shot:
        size = shot.info.width, shot.info.height
        tracks = scene.tracks(size=size)
        say(scene_line(scene.name, frames=len(shot.frames.numbers), people=len(tracks.ids)))
        for matte in model.mattes(shot, tracks, shot.frames.numbers):
            alphas = np.floor(matte.alphas * np.float32(255)) / np.float32(255) if stored else matte.alphas
            yield alphas, scene.alphas(matte.number, size=size)


def _on_vim50(root: Path, model: MattingModel, masks: Path | None, say: Say) -> Iterator[Part]:
    scores = []
    for scene in _vim50.vim50(root, masks=masks):
        meter = VimqMeter("as_published_code")
        for mattes, truth in _mattes(scene, model, say, stored=True):
            meter.add(mattes, truth=truth)
        scores.append(meter.result())
    mean = mean_vimq(scores)
    figures = [mean.rq, mean.tq]
    for error in ("mse", "mad", "dtssd"):
        figures += [mean.mq[error], mean.vimq[error]]
    yield Part(
        title="VIM50, Table 5 of Li et al. 2024, percent",
        heads=("RQ", "TQ", "MQ_mse", "VIMQ_mse", "MQ_mad", "VIMQ_mad", "MQ_dtssd", "VIMQ_dtssd"),
        figures=tuple(100 * v for v in figures),
        published=_vim50.PUBLISHED,
        scenes=len(scores),
    )


def _on_him2k(root: Path, model: MattingModel, masks: Path | None, say: Say) -> Iterator[Part]:
    for split in _SPLITS:
        meter, scenes = ImqMeter("as_published_code"), 0
        for scene in _him2k.him2k(root, split=split, masks=masks):
            for mattes, truth in _mattes(scene, model, say, stored=True):
                meter.add(mattes, truth=truth)
            scenes += 1
        found = meter.result().imq
        yield Part(
            title=f"HIM2K {split}, Table 1 of Sun et al. 2022, percent",
            heads=tuple(f"IMQ_{error}" for error in ERRORS),
            figures=tuple(100 * found[error] for error in ERRORS),
            published=_him2k.IMQ_PUBLISHED[split],
            scenes=scenes,
        )


def _on_m_him2k(root: Path, model: MattingModel, masks: Path | None, say: Say) -> Iterator[Part]:
    sets = [masks] if masks is not None else [root / f"masks_matched_{name}" for name in _him2k.MASK_SETS]
    sets = [folder for folder in sets if folder.is_dir()]
    if not sets:
        raise ConfigError(f"There are no masks of M-HIM2K in {root}: it must hold masks_matched_<detector>/<split>.")
    names = ("MAD", "MSE", "Grad", "Conn", "MAD_fg", "MAD_unk")
    for split in _SPLITS:
        rows, scenes = [], 0
        for folder in sets:
            meter = ReleasedErrorMeter()
            for scene in _him2k.him2k(root, split=split, masks=folder):
                for mattes, truth in _mattes(scene, model, say):
                    meter.add_picture(mattes, truth=truth)
                scenes += 1
            found = meter.result()
            rows.append([found[name].average for name in names])
        yield Part(
            title=f"M-HIM2K {split}, mean over {len(sets)} of 10 mask sets, Table 5 of Huynh et al. 2024",
            heads=names,
            figures=tuple(math.fsum(column) / len(rows) for column in zip(*rows, strict=True)),
            published=_him2k.PUBLISHED[split],
            scenes=scenes,
        )


def _on_v_him60(root: Path, model: MattingModel, masks: Path | None, say: Say) -> Iterator[Part]:
    names = ("MAD", "Grad", "Conn", "dtSSD", "MESSDdt")
    for level in _v_him60.LEVELS:
        results = []
        for scene in _v_him60.v_him60(root, level=level, masks=masks):
            meter = ReleasedErrorMeter()
            for mattes, truth in _mattes(scene, model, say):
                meter.add(mattes, truth=truth)
            results.append(meter.result())
        yield Part(
            title=f"V-HIM60 {level}, Table 7 of Huynh et al. 2024",
            heads=names,
            figures=tuple(_average(results, name) for name in names),
            published=_v_him60.PUBLISHED[level],
            scenes=len(results),
        )


def _average(results: Sequence[Mapping[str, Tally]], name: str) -> float:
    return sum((result[name] for result in results if name in result), Tally()).average


def _on_single(name: str, root: Path, model: MattingModel, masks: Path | None, say: Say) -> Iterator[Part]:
    yield run_single_set(name, root, model, masks, say)


_RUNS: dict[str, Run] = {"him2k": _on_him2k, "m-him2k": _on_m_him2k, "v-him60": _on_v_him60, "vim50": _on_vim50}
_RUNS |= {name: partial(_on_single, name) for name in SINGLE_SETS}

BENCHMARKS: Mapping[str, Run] = MappingProxyType({name: _RUNS[name] for name in sorted(_RUNS)})
"""Name -> how it is run; sorted."""
