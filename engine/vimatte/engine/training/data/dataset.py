"""Samples for torch: a dataset of composited clips, and a loader that any number of processes fill alike."""

# ruff: noqa: N815 - names carry shapes: B clips, T frames, P people, M objects, H height, W width

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vimatte.engine.training.data.compose import make_sample
from vimatte.engine.training.data.crossings import make_crossing, skipping
from vimatte.engine.training.data.footage import Footage
from vimatte.engine.training.data.sample import Sample
from vimatte.engine.training.data.settings import Settings

__all__ = ["SampleBatch", "TrainingClips", "collate", "loader", "one_thread"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleBatch:
    """Samples side by side, as the loader yields them; where one has fewer people than another, last rows are empty.

    What a recipe is given is the `Batch` of `training.recipes`, whose clips may come from anywhere.
    """

    pictures_BT3HW: Tensor
    """float32, sRGB-coded, 0 to 1."""
    alphas_BTPHW: Tensor
    """float32, 0 to 1, summing to at most 1 over P."""
    masks_BTPHW: Tensor
    """float32, 0 or 1."""
    present_BP: Tensor
    """bool: rows that hold somebody."""
    colours_BTP3HW: Tensor | None
    """float32, straight; where the settings ask for layers."""
    background_BT3HW: Tensor | None
    """float32; where the settings ask for layers."""
    objects_BTMHW: Tensor | None
    """float32, 0 or 1, of merged clips."""
    samples: tuple[tuple[int, int], ...]
    """Seed and index of each clip."""

    def pin_memory(self) -> SampleBatch:
        """Lay the tensors where a GPU fetches them fastest; `DataLoader` calls this."""
        pinned = {name: value.pin_memory() for name in _TENSORS if (value := getattr(self, name)) is not None}
        return SampleBatch(**{**dict.fromkeys(_TENSORS), **pinned, "samples": self.samples})


_TENSORS = (
    "pictures_BT3HW",
    "alphas_BTPHW",
    "masks_BTPHW",
    "present_BP",
    "colours_BTP3HW",
    "background_BT3HW",
    "objects_BTMHW",
)


class TrainingClips(Dataset[Sample]):
    """`length` samples of one seed; index i is the same clip on every run and in every worker."""

    def __init__(
        self,
        people: Sequence[Path] | Path,
        backgrounds: Sequence[Path] | Path = (),
        *,
        settings: Settings,
        seed: int,
        length: int,
    ) -> None:
        """List the footage; nothing of it is read yet. Raises MediaError."""
        behind = _folders(backgrounds)
        self.people = Footage.of(*_folders(people))
        """Who there is."""
        self.backgrounds = Footage.of(*behind) if behind else None
        """What there is to stand before; none: dead leaves."""
        self.settings, self.seed, self._length = settings, seed, length
        self._skipping = skipping(self.people) if settings.protocol.crossing else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for people and one for backgrounds, where folders of them were passed over."""
        footage = (self.people, *([self.backgrounds] if self.backgrounds else []))
        return tuple(one.note for one in footage if one.note)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self._length:
            raise IndexError(f"there are {self._length} samples, asked for {index}")
        if self._skipping:
            return make_crossing(self._skipping, self.backgrounds, settings=self.settings, seed=self.seed, index=index)
        return make_sample(self.people, self.backgrounds, settings=self.settings, seed=self.seed, index=index)


def loader(clips: TrainingClips, *, batch: int, workers: int = 0, start: int = 0) -> DataLoader[Sample]:
    """Iterate over `SampleBatch` values by index, from sample `start` on: a resumed run goes on where it stopped.

    Workers are fresh processes, not forks: a fork of a process in which OpenCV or torch has threads can stand still.
    """
    return DataLoader(
        clips,
        batch_size=batch,
        sampler=range(start, len(clips)),
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=one_thread,
        multiprocessing_context="spawn" if workers else None,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def one_thread(worker: int) -> None:
    """Make a worker use one thread, or as many workers as cores would each ask for all cores."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def collate(samples: Sequence[Sample]) -> SampleBatch:
    """Lay samples side by side; people are filled up with empty rows to the most there are."""
    most = max(s.alphas.shape[1] for s in samples)
    present = [np.arange(most) < s.alphas.shape[1] for s in samples]
    foregrounds = [s.foregrounds for s in samples if s.foregrounds is not None]
    backgrounds = [s.background for s in samples if s.background is not None]
    objects = [s.objects for s in samples if s.objects is not None]
    return SampleBatch(
        pictures_BT3HW=_channels_first([s.pictures for s in samples]),
        alphas_BTPHW=_filled([s.alphas for s in samples]),
        masks_BTPHW=_filled([s.guidance for s in samples]),
        present_BP=torch.from_numpy(np.stack(present)),
        colours_BTP3HW=_filled([np.moveaxis(f, -1, 2) for f in foregrounds]) if foregrounds else None,
        background_BT3HW=_channels_first(backgrounds) if backgrounds else None,
        objects_BTMHW=_filled(objects) if objects else None,
        samples=tuple(s.seed for s in samples),
    )


def _channels_first(pictures: Sequence[NDArray[np.float32]]) -> Tensor:
    return torch.from_numpy(np.stack([np.moveaxis(p, -1, -3) for p in pictures]))


def _filled(values: Sequence[NDArray[Any]]) -> Tensor:
    """Stack (t, n, ...) of differing n as (b, t, n, ...) float32, zeros where a clip has no such row."""
    most = max(v.shape[1] for v in values)
    out = np.zeros((len(values), values[0].shape[0], most, *values[0].shape[2:]), np.float32)
    for into, value in zip(out, values, strict=True):
        into[:, : value.shape[1]] = value
    return torch.from_numpy(out)


def _folders(given: Sequence[Path] | Path) -> tuple[Path, ...]:
    return (given,) if isinstance(given, Path) else tuple(given)
