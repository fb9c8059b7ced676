"""How much wrong guidance a matting model bears: VIMQ against the amount of error in its masks.

Figure 3 of Li et al., 'Video Instance Matting', WACV 2024, section 5.2: true alphas are made into masks, the masks are
broken by a rising amount, and the model's mattes are scored against the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.masks import Rle
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.metrics.alphas import Definition
from vimatte.engine.metrics.text_table import number, text_table
from vimatte.engine.metrics.truth_files import TruthFolder
from vimatte.engine.metrics.video_quality import VimqMeter, VimqScore
from vimatte.engine.shot import Shot
from vimatte.engine.tracks import Instance, TrackSet
from vimatte.engine.training import guidance

__all__ = ["AMOUNTS", "CORRUPTIONS", "RobustnessScore", "Trial", "broken_tracks", "robustness", "true_tracks"]

Change: TypeAlias = Callable[..., NDArray[np.bool_]]

CORRUPTIONS: Mapping[str, Change] = MappingProxyType(
    {
        "salt and pepper": guidance.each_frame(guidance.salt_and_pepper),
        "erosion, dilation": guidance.each_frame(guidance.erode_or_dilate),
        "shift": guidance.each_frame(guidance.shift),
        "erase": guidance.each_frame(guidance.erase),
        "merge": guidance.merge,
        "drop-out": guidance.drop_out,
    }
)
"""Name -> what breaks a clip of masks (t, n, h, w)."""
AMOUNTS = (0.1, 0.25, 0.5)
"""Strengths beside 0; 0.25 of salt and pepper is the amount the paper gives figures for (99 % falls to 91 %)."""

_CLIP = 10
"""Frames that are broken together, as many as MSG-VIM sees at once: so memory does not grow with the shot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One model on one kind and amount of error."""

    corruption: str
    """One of `CORRUPTIONS`, or 'none'."""
    amount: float
    score: VimqScore


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustnessScore:
    """All trials of one model on one shot."""

    model: str
    frames: str
    seed: int
    trials: tuple[Trial, ...]
    """The first with masks of the true alphas above one half, unbroken."""

    @property
    def clean(self) -> VimqScore:
        """Of unbroken masks."""
        return self.trials[0].score

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        return {
            "model": self.model,
            "frames": self.frames,
            "seed": self.seed,
            "trials": [{"corruption": t.corruption, "amount": t.amount, **t.score.to_dict()} for t in self.trials],
        }

    def table(self) -> str:
        """Plain text, one trial a line."""
        rows = []
        for t in self.trials:
            figures = (t.score.rq, t.score.tq, t.score.mq["mse"], *t.score.vimq.values())
            rows.append([t.corruption, f"{t.amount:g}", *(number(v, digits=2, scale=100) for v in figures)])
        head = ["guidance", "amount", "RQ", "TQ", "MQ_mse", "VIMQ_mse", "VIMQ_mad", "VIMQ_dtssd"]
        said = (
            f"{self.model} with broken guidance, frames {self.frames}, seed {self.seed}; VIMQ {self.clean.definition}, "
            "in percent, higher is better"
        )
        return f"{said}\n{text_table(head, rows, left=1)}"


def robustness(
    model: MattingModel,
    shot: Shot,
    truth: TruthFolder,
    *,
    amounts: Sequence[float] = AMOUNTS,
    corruptions: Sequence[str] = tuple(CORRUPTIONS),
    definition: Definition = "as_published_code",
    seed: int = 0,
) -> Iterator[Trial]:
    """Try unbroken masks, then every corruption at every amount, on all frames of `shot`; yields trial by trial.

    The same seed gives the same masks, whatever else is tried beside them. Raises MediaError when a truth is unreadable
    or of another size than the plate.
    """
    true = true_tracks(shot, truth)
    yield Trial(corruption="none", amount=0.0, score=_scored(model, shot, true, truth, definition))
    for corruption in corruptions:
        for amount in amounts:
            broken = broken_tracks(true, corruption, amount=amount, seed=seed)
            yield Trial(corruption=corruption, amount=amount, score=_scored(model, shot, broken, truth, definition))


def true_tracks(shot: Shot, truth: TruthFolder) -> TrackSet:
    """Give everybody's masks where the true alpha is above one half, on all frames of the shot."""
    size = shot.info.width, shot.info.height
    masks = {
        i: {frame: Rle.encode(truth.alpha(name, frame, size=size) > 0.5) for frame in shot.frames}
        for i, name in enumerate(truth.names, start=1)
    }
    return TrackSet(
        width=size[0],
        height=size[1],
        frames=shot.frames.numbers,
        instances=tuple(Instance(id=i, name=f"person_{i:02d}") for i in masks),
        masks=masks,
    )


def broken_tracks(tracks: TrackSet, corruption: str, *, amount: float, seed: int) -> TrackSet:
    """Break everybody's masks by one of `CORRUPTIONS`, ten frames at a time."""
    change = CORRUPTIONS[corruption]
    rng = np.random.default_rng([seed, *corruption.encode()])
    masks: dict[int, dict[int, Rle]] = {i: {} for i in tracks.ids}
    for start in range(0, len(tracks.frames), _CLIP):
        frames = tracks.frames[start : start + _CLIP]
        clip = np.stack([np.stack([tracks.mask(i, frame) for i in tracks.ids]) for frame in frames])
        for frame, rows in zip(frames, change(clip, rng, strength=amount), strict=True):
            for i, mask in zip(tracks.ids, rows, strict=True):
                masks[i][frame] = Rle.encode(mask)
    return replace(tracks, masks=masks)


def _scored(model: MattingModel, shot: Shot, tracks: TrackSet, truth: TruthFolder, definition: Definition) -> VimqScore:
    meter = VimqMeter(definition)
    size = tracks.width, tracks.height
    for matte in model.mattes(shot, tracks, shot.frames.numbers):
        true = np.stack([truth.alpha(name, matte.number, size=size) for name in truth.names])
        meter.add(matte.alphas, truth=true)
    return meter.result()
