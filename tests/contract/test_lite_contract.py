from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from vimatte.engine.matting.lite import Lite
from vimatte.engine.matting.lite.network import MatteNetwork
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.testing.matting_contract import MattingContract


@pytest.fixture(scope="session")
def random_state() -> Mapping[str, torch.Tensor]:
    """Weights that say something else everywhere, also over time and in detail."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = MatteNetwork()
        for layer in (network.wide_time.mix, network.middle_time.mix, network.fine.correction):
            torch.nn.init.normal_(layer.weight, std=0.2)
    return network.state_dict()


class TestLiteOfRandomWeights(MattingContract):
    trained = False

    @pytest.fixture(autouse=True)
    def _with(self, random_state: Mapping[str, torch.Tensor]) -> None:
        self._state = random_state

    def make(self) -> MattingModel:
        return Lite(device="cpu", state=self._state)
