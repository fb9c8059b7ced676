from __future__ import annotations

from vimatte.engine.testing.vis_contract import VisContract
from vimatte.engine.vis.backend import VisBackend
from vimatte.engine.vis.masks import MasksBackend


class TestMasks(VisContract):
    def make(self) -> VisBackend:
        return MasksBackend()
