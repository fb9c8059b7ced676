"""Test sets whose truth is one matte a clip, and how a model of several people is scored there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import numpy as np

from vimatte.engine.errors import ConfigError
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.metrics.benchmarks import crgnn, videomatte
from vimatte.engine.metrics.benchmarks.score import Part, Say, scene_line
from vimatte.engine.metrics.benchmarks.single import SingleScene, union
from vimatte.engine.metrics.single_matte import SingleMatteMeter

__all__ = ["SINGLE_SETS", "SingleSet", "run_single_set"]


class _Reader(Protocol):
    def __call__(self, root: Path, *, masks: Path | None) -> Iterator[SingleScene]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleSet:
    """A set whose truth is one matte a clip: everybody's mattes are scored as one, their sum."""

    title: str
    read: _Reader
    heads: tuple[str, ...]
    published: tuple[tuple[str, tuple[float, ...]], ...]
    size: tuple[int, int] | None
    """Width and height of its plates; None where they differ."""
    stretched: bool
    """Whether Grad stretches each map to [0, 1], as the authors' script for this set does."""
    stored: bool
    """Whether mattes are made 8 bits deep, cut off, because that script reads files."""


SINGLE_SETS: Mapping[str, SingleSet] = MappingProxyType(
    {
        "crgnn": SingleSet(
            title="CRGNN's real videos, Table 3 of Zhang et al. (OAVM)",
            read=crgnn.crgnn,
            heads=crgnn.HEADS,
            published=crgnn.PUBLISHED,
            size=None,
            stretched=False,
            stored=True,
        ),
        "vm-1080": SingleSet(
            title="RVM's VideoMatte 1920x1080, Table 1 of Zhang et al. (OAVM)",
            read=videomatte.videomatte,
            heads=videomatte.HEADS_HD,
            published=videomatte.RVM_HD,
            size=(1920, 1080),
            stretched=False,
            stored=True,
        ),
        "vm-512": SingleSet(
            title="RVM's VideoMatte 512x288, Table 1 of Zhang et al. (OAVM)",
            read=videomatte.videomatte,
            heads=videomatte.HEADS_SD,
            published=videomatte.RVM_SD,
            size=(512, 288),
            stretched=True,
            stored=True,
        ),
        "vmformer-1080": SingleSet(
            title="VMFormer's set 1920x1080, Table 2 of Zhang et al. (OAVM)",
            read=videomatte.videomatte,
            heads=videomatte.HEADS_HD,
            published=videomatte.VMFORMER_HD,
            size=(1920, 1080),
            stretched=True,
            stored=False,
        ),
        "vmformer-512": SingleSet(
            title="VMFormer's set 512x288, Table 2 of Zhang et al. (OAVM)",
            read=videomatte.videomatte,
            heads=videomatte.HEADS_SD,
            published=videomatte.VMFORMER_SD,
            size=(512, 288),
            stretched=True,
            stored=False,
        ),
    }
)
"""Name -> what it is."""


def run_single_set(name: str, root: Path, model: MattingModel, masks: Path | None, say: Say) -> Part:
    """Score `model` on a set of `SINGLE_SETS`: the mean over clips of the means over their frames with truth.

    RVM's and VMFormer's clips are equally long, so it is the mean over all frames too; how CRGNN's clips are averaged
    is published nowhere. Raises MediaError, and ConfigError for plates of another size than the set's.
    """
    one = SINGLE_SETS[name]
    clips = [_score(scene, model, one, say, name=name) for scene in one.read(root, masks=masks)]
    return Part(
        title=f"{one.title}; all people as one matte, their sum",
        heads=one.heads,
        figures=tuple(math.fsum(clip[head] for clip in clips) / len(clips) for head in one.heads),
        published=one.published,
        scenes=len(clips),
    )


def _score(scene: SingleScene, model: MattingModel, one: SingleSet, say: Say, *, name: str) -> Mapping[str, float]:
    meter = SingleMatteMeter(one.heads, stretched=one.stretched)
    with scene.shot() as shot:
        size = shot.info.width, shot.info.height
        if one.size not in (None, size):
            raise ConfigError(
                f"The clip {scene.plate} is {size[0]}x{size[1]}, and {name} is {'{}x{}'.format(*one.size or size)}; "
                f"its figures would compare with nothing: give --root of that set, or another --benchmark."
            )
        tracks = scene.tracks(shot)
        say(scene_line(scene.name, frames=len(scene.truth), people=len(tracks.ids)))
        for matte in model.mattes(shot, tracks, sorted(scene.truth)):
            alpha = union(matte)
            if one.stored:
                alpha = np.floor(alpha * np.float32(255)) / np.float32(255)
            meter.add(alpha, truth=scene.alpha(matte.number, size=size))
    return meter.result()
