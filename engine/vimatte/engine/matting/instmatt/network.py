"""InstMatt: the matting branch, and in its second stage the refiner (Sun et al., CVPR 2022)."""

# ruff: noqa: N803 - names carry shapes: N people, H height, W width

from __future__ import annotations

from torch import Tensor, nn

from vimatte.engine.matting.common.aspp import Aspp
from vimatte.engine.matting.common.decoder import Decoder, Scales
from vimatte.engine.matting.common.encoder import Encoder
from vimatte.engine.matting.instmatt.folded_refiner import FoldedRefiner
from vimatte.engine.matting.instmatt.refiner import Refiner

__all__ = ["InstMatt"]


class InstMatt(nn.Module):
    """Tri-mattes - alphas of a target, of its reference and of the background - from a picture and a tri-mask.

    Height and width must be multiples of 32. Nothing makes the three add up to 1: training's loss alone does. Stage 1
    is this branch; stage 2 adds `refiner`, which is not called here, since it looks at windows of all people at once.
    """

    def __init__(self, *, stage: int = 2) -> None:
        super().__init__()
        if stage not in (1, 2):
            raise ValueError(f"InstMatt has the stages 1 and 2, found {stage}")
        self.encoder = Encoder(6)
        self.aspp = Aspp()
        self.decoder = Decoder(3)
        self.refiner: Refiner | FoldedRefiner | None = Refiner() if stage == 2 else None

    def forward(self, x_N6HW: Tensor) -> Scales:
        """Return alphas (n, 3, h, w) at three scales from normalised pictures with their tri-masks behind them."""
        encoded = self.encoder(x_N6HW)
        scales: Scales = self.decoder(self.aspp(encoded.deep), encoded)
        return scales
