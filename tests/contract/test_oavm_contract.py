from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from vimatte.engine.matting.model import MattingModel
from vimatte.engine.matting.oavm import Oavm, OavmConfig
from vimatte.engine.matting.oavm.network import OavmNetwork
from vimatte.engine.testing.matting_contract import MattingContract

SMALL = OavmConfig(width=32, queries=4, heads=4)


@cache
def weights() -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return OavmNetwork(SMALL).state_dict()


class TestOavm(MattingContract):
    trained = False

    def make(self) -> MattingModel:
        return Oavm(device="cpu", state=weights(), config=SMALL)
