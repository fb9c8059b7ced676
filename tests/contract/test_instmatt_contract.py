from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor

from vimatte.engine.matting.instmatt.model import InstMattMatting
from vimatte.engine.matting.instmatt.network import InstMatt
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.testing.matting_contract import MattingContract

from support.recipe_weights import INSTMATT, recipe_weights


class TestInstMatt(MattingContract):
    trained = False

    def make(self) -> MattingModel:
        return InstMattMatting(device="cpu", state=_weights())

    @pytest.mark.slow
    def test_any_chunking_gives_the_same_bytes(self) -> None:
        super().test_any_chunking_gives_the_same_bytes()

    @pytest.mark.slow
    def test_memory_does_not_grow_with_the_shot(self) -> None:
        super().test_memory_does_not_grow_with_the_shot()


@cache
def _weights() -> dict[str, Tensor]:
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in InstMatt().state_dict().items()}
    return recipe_weights(shapes, INSTMATT)
