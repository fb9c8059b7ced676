from __future__ import annotations

from vimatte.engine.matting.classical import Classical
from vimatte.engine.matting.masks import MaskMattes
from vimatte.engine.matting.model import MattingModel
from vimatte.engine.testing.matting_contract import MattingContract


class TestMasks(MattingContract):
    def make(self) -> MattingModel:
        return MaskMattes(device="cpu")


class TestClassical(MattingContract):
    def make(self) -> MattingModel:
        return Classical(device="cpu")
