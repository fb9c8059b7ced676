"""Which pixels the finer scales learn from, as training goes on: first a trimap's, in the end the network's own."""

# ruff: noqa: N803, N806 - names carry shapes: N pictures, H height, W width

from __future__ import annotations

import torch
from torch import Tensor

from vimatte.engine.matting.common.decoder import Scales
from vimatte.engine.training.losses.emphasis import trimap_unknown
from vimatte.engine.training.losses.progressive import MOST_4, Progress, by_trimap, by_widths, draw_widths
from vimatte.engine.training.recipes.recipe import Moment

__all__ = ["progress"]


def progress(scales: Scales, trimaps_NKHW: Tensor, moment: Moment, *, warm_up: float, apart: bool = False) -> Progress:
    """Choose as released InstMatt does.

    For a share `warm_up` of the run: the unknown area of a trimap made of any of the true alphas `trimaps`, with widths
    drawn; until three times as long: so at even odds; else where the coarser scale is open.
    """
    share = moment.step / moment.steps
    if share < warm_up or (share < 3 * warm_up and moment.chance() < 0.5):
        unknown_NHW = [
            torch.stack([trimap_unknown(one, (_width(moment), _width(moment))) for one in some]).any(dim=0)
            for some in trimaps_NKHW
        ]
        return by_trimap(scales, torch.stack(unknown_NHW)[:, None])
    return by_widths(scales, draw_widths(scales.os8.shape[0] * scales.os8.shape[1], moment.draw), apart=apart)


def _width(moment: Moment) -> int:
    return 1 + moment.below(MOST_4)
