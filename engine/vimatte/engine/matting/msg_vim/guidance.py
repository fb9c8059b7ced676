"""What the published pipeline does before and after the network: guided input, and one alpha out of three scales."""

# ruff: noqa: N803, N806 - names carry shapes: H height, W width

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vimatte.engine.matting.common.decoder import Scales
from vimatte.engine.matting.common.pictures import padded
from vimatte.engine.matting.common.unknown import unknown

__all__ = ["OS1_WIDTH", "OS4_WIDTH", "fuse", "guided"]

OS4_WIDTH, OS1_WIDTH = 15, 7
"""Of the ellipses that an unknown area is dilated by before the finer scale takes over: the configuration's 30 and 15
halved, as in evaluation."""


def guided(planes_3HW: Tensor, masks: Mapping[int, Tensor], *, of: int) -> Tensor:
    """Give the padded input (5, h', w') of the network for the person `of`, from planes and (h, w) bool masks by id.

    The second mask is that of all the others together; where masks overlap the pixel belongs to both. Whoever has no
    mask is guided by an empty one.
    """
    both_2HW = planes_3HW.new_zeros((2, *planes_3HW.shape[1:]))
    for one, mask_HW in masks.items():
        both_2HW[0 if one == of else 1].masked_fill_(mask_HW, 1.0)
    return padded(torch.cat([planes_3HW, both_2HW]))


def fuse(scales: Scales) -> Tensor:
    """Alphas of the person alone, (n, h, w): the coarse scale, and finer ones where the coarser is not sure."""
    os8, os4, os1 = (scale[:, 0] for scale in scales[:3])
    alpha = torch.where(unknown(os8, OS4_WIDTH), os4, os8)
    return torch.where(unknown(alpha, OS1_WIDTH), os1, alpha)
