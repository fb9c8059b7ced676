"""Batches for a recipe out of folders of people and backgrounds, composited as they are asked for."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vimatte.engine.errors import ConfigError
from vimatte.engine.training.data import PROTOCOLS, Sample, Settings, TrainingClips, loader
from vimatte.engine.training.data.protocols import Level, Protocol
from vimatte.engine.training.recipes.batch import Batch
from vimatte.engine.training.recipes.masks import MaskChange, broken
from vimatte.engine.training.recipes.recipe import Data

__all__ = ["Feed"]

_PEOPLE, _BACKGROUNDS = "people", "backgrounds"
_SINGLE = Protocol(name="single", levels=(Level(name="alone", share=1, people=((1, 1),)),))
_ENDLESS = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Where clips come from."""

    data: Data
    """What they are like."""
    folder: Path
    """Holds people/ (clips or pictures with alpha) and, if there are any, backgrounds/."""
    seed: int
    """Which clips."""
    workers: int = 0
    """Processes that composite; none: this one does."""

    def notes(self) -> tuple[str, ...]:
        """Say what was passed over, a sentence each. Raises ConfigError, MediaError."""
        return self._clips().notes

    def batches(self, first: int) -> Iterator[Batch]:
        """Endless batches from number `first` on. Raises ConfigError, MediaError."""
        clips = self._clips()
        size = self.data.clips
        for found in loader(clips, batch=size, workers=self.workers, start=first * size):
            yield Batch(
                pictures_BT3HW=found.pictures_BT3HW,
                alphas_BTPHW=found.alphas_BTPHW,
                masks_BTPHW=found.masks_BTPHW,
                colours_BTP3HW=found.colours_BTP3HW,
                objects_BTMHW=found.objects_BTMHW,
            )

    def _clips(self) -> _Guided:
        people, backgrounds = self.folder / _PEOPLE, self.folder / _BACKGROUNDS
        if not people.is_dir():
            raise ConfigError(
                f"--data '{self.folder}' needs a folder '{_PEOPLE}' of clips or pictures with alpha, and may have one "
                f"'{_BACKGROUNDS}'; there is no '{people}'."
            )
        clips = _Guided(
            people,
            backgrounds if backgrounds.is_dir() else (),
            settings=self._settings(),
            seed=self.seed,
            length=_ENDLESS,
        )
        clips.changes = self.data.masks
        return clips

    def _settings(self) -> Settings:
        protocol = _SINGLE if self.data.protocol == _SINGLE.name else PROTOCOLS[self.data.protocol]
        return Settings(
            protocol=protocol,
            frames=self.data.frames,
            height=self.data.crop,
            width=self.data.crop,
            # The recipe breaks masks itself, since its ablations are about how.
            guidance=0.0,
            layers=self.data.colours,
        )


class _Guided(TrainingClips):
    """Clips whose guidance is broken as a recipe does."""

    changes: tuple[MaskChange, ...] = ()

    def __setstate__(self, state: dict[str, object]) -> None:
        """Arrive in a worker: Ctrl-C goes to all processes, and the step that is to be finished needs its clips."""
        self.__dict__.update(state)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        rng = np.random.default_rng((self.seed, index, len(self.changes)))
        return replace(sample, guidance=broken(sample.alphas, self.changes, rng=rng))
