from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from vimatte.engine.matting.model import MattingModel
from vimatte.engine.matting.oavm import Oavm, OavmConfig
from vimatte.engine.matting.oavm.network import OavmNetwork

from support.weights_contract import WeightsContract

SMALL = OavmConfig(width=32, queries=4, heads=4)


@cache
def weights() -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return OavmNetwork(SMALL).state_dict()


class TestOavm(WeightsContract):
    weight_set, command = "oavm", "vimatte weights import oavm"
    without, refusal = "objects.queries", r"objects\.queries"
    step, advice = (OavmNetwork, "encode"), "--proxy 2"

    def weights(self) -> dict[str, Tensor]:
        return weights()

    def open(self, state: dict[str, Tensor] | None) -> MattingModel:
        return Oavm(device="cpu", state=state, config=SMALL)
