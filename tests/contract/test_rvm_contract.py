from __future__ import annotations

import pytest
import torch

from vimatte.engine.matting.model import MattingModel
from vimatte.engine.matting.rvm import Rvm
from vimatte.engine.matting.rvm.network import RvmNetwork
from vimatte.engine.testing.matting_contract import MattingContract


@pytest.fixture(scope="session")
def random_state() -> dict[str, torch.Tensor]:
    """Weights that say something else everywhere: drawn by place, biased towards some alpha."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        state = RvmNetwork().state_dict()
    state["refiner.slope.2.bias"][3] = 0.0
    state["project.bias"][3] = 0.5
    return state


class TestRvm(MattingContract):
    trained = False

    @pytest.fixture(autouse=True)
    def _with(self, random_state: dict[str, torch.Tensor]) -> None:
        self._state = random_state

    def make(self) -> MattingModel:
        return Rvm(device="cpu", state=self._state)
