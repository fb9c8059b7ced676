"""What every network with weights of its own promises about them, beside what every matting model does."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from torch import Tensor

from vimatte.engine.errors import BackendError, DeviceError
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.testing.matting_contract import MattingContract, crossing_shot, tracks_of
from vimatte.engine.testing.shots import MemoryShot

Class = TypeVar("Class", bound=type)


class WeightsContract(MattingContract):
    """Subclass in a test module, give the weights and how the model takes them, and fill in the five attributes."""

    trained = False
    weight_set: str
    """Name in the cache."""
    command: str
    """What brings weights: said where there are none."""
    without: str
    """Weights whose names begin like this are taken away …"""
    refusal: str
    """… and this is said of the rest, a regular expression."""
    step: tuple[object, str]
    """Where the device's memory can run out: the owner and name of a function that is called for every frame."""
    advice: str
    """What is said then of two people in 56x40, a regular expression."""

    @abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """Weights that mean nothing; the same objects on every call."""

    @abstractmethod
    def open(self, state: dict[str, Tensor] | None) -> MattingModel:
        """The model with these weights; None: with those of the cache."""

    def make(self) -> MattingModel:
        return self.open(self.weights())

    def test_settings_name_the_weights(self) -> None:
        state = self.weights()
        name = next(key for key, value in state.items() if value.is_floating_point())
        key = f"weights.{self.weight_set}"
        one, other = (self.open(given).settings[key] for given in (state, {**state, name: state[name] + 1.0}))
        assert len(str(one)) == 64
        assert one != other

    def test_weights_given_are_left_alone(self) -> None:
        before = {name: value.clone() for name, value in self.weights().items()}
        self._one_frame()
        assert all(torch.equal(value, before[name]) for name, value in self.weights().items())

    def test_weights_that_lack_a_part_are_refused(self) -> None:
        fewer = {name: value for name, value in self.weights().items() if not name.startswith(self.without)}
        assert len(fewer) < len(self.weights())
        with pytest.raises(BackendError, match=self.refusal):
            self.open(fewer)

    def test_missing_weights_are_one_sentence(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path))
        with pytest.raises(BackendError, match=self.command):
            self.open(None)

    def test_too_little_memory_is_one_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object, **__: object) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory")

        monkeypatch.setattr(*self.step, full)
        with pytest.raises(DeviceError, match=self.advice):
            self._one_frame()

    def _one_frame(self) -> None:
        pictures, alphas = crossing_shot(1, height=40, width=56)
        tracks = tracks_of([[a > 0.5 for a in alphas[0]]], height=40, width=56)
        list(self.open(self.weights()).mattes(MemoryShot(pictures), tracks, list(tracks.frames)))


def slow(*names: str) -> Callable[[Class], Class]:
    """Mark inherited tests as slow, for the class that is decorated only."""

    def mark(cls: Class) -> Class:
        for name in names:
            inherited = getattr(cls, name)

            def asked(self: object, inherited: Callable[[object], None] = inherited) -> None:
                inherited(self)

            asked.__doc__ = inherited.__doc__
            setattr(cls, name, pytest.mark.slow(asked))
        return cls

    return mark
