"""A model at proxy size keeps the contract of every matting model."""

from __future__ import annotations

from vimatte.engine.matting.classical import Classical
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.matting.proxy import at_proxy
from vimatte.engine.testing.matting_contract import MattingContract


class TestProxy(MattingContract):
    def make(self) -> MattingModel:
        return at_proxy(Classical(), 2)


def test_full_size_is_the_model_itself() -> None:
    model = Classical()
    assert at_proxy(model, 1) is model
    assert at_proxy(model, 4).settings["proxy"] == 4
    assert at_proxy(model, 2).reach == model.reach
