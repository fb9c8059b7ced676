"""What OAVM is trained by. The paper names the supervision (sections 3.4 and 3.5), not its formulas: those are ours.

Alphas: mean absolute error and a Laplacian pyramid (Hou and Liu, ICCV 2019), as video matting does. Masks: cross
entropy and Dice. Object queries: set prediction with one-to-one assignment, Mask2Former's terms and weights (Cheng et
al., CVPR 2022), before the first layer and after each.

Names carry shapes: B clips, N people, O queries, M true objects, H W of the picture, h w smaller, K classes.
"""

# ruff: noqa: N803, N806 - names carry shapes

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional

from vimatte.engine.matting.oavm.objects import Instances

__all__ = ["alpha_loss", "instance_loss", "mask_loss"]

_LEVELS = 5
_MASK_WEIGHT, _DICE_WEIGHT, _CLASS_WEIGHT = 5.0, 5.0, 2.0
_NOBODY_WEIGHT = 0.1
"""Of queries that stand for nothing: most do."""


def alpha_loss(alpha_BNHW: Tensor, true_BNHW: Tensor) -> Tensor:
    """Mean absolute error, and that of the Laplacian pyramid's levels, each weighted by its size: one number."""
    loss = functional.l1_loss(alpha_BNHW, true_BNHW)
    levels = zip(_pyramid(alpha_BNHW), _pyramid(true_BNHW), strict=True)
    for level, (found, true) in enumerate(levels):
        loss = loss + functional.l1_loss(found, true) * 2.0**level / _LEVELS
    return loss


def mask_loss(logits_BNHW: Tensor, true_BNHW: Tensor) -> Tensor:
    """Cross entropy and Dice of binary masks: one number."""
    loss = functional.binary_cross_entropy_with_logits(logits_BNHW, true_BNHW)
    return loss + _dice(logits_BNHW.flatten(2), true_BNHW.flatten(2)).mean()


def instance_loss(said: Sequence[Instances], masks_BMHW: Tensor) -> Tensor:
    """Set prediction against the true masks of each clip (0 or 1; empty ones do not count): one number.

    Each true object is given the query that fits it best, one to one; all other queries shall say 'none'.
    """
    return torch.stack([_one_set(one, masks_BMHW) for one in said]).sum()


def _one_set(said: Instances, masks_BMHW: Tensor) -> Tensor:
    small_BMhw = functional.interpolate(masks_BMHW, size=said.masks_BOhw.shape[2:], mode="area")
    total = said.logits_BOK.new_zeros(())
    for logits_OK, masks_OP, true_MP in zip(
        said.logits_BOK, said.masks_BOhw.flatten(2), small_BMhw.flatten(2), strict=True
    ):
        true_MP = true_MP[true_MP.any(dim=1)]
        queries, objects = _assign(logits_OK, masks_OP, true_MP)
        classes_O = torch.ones(len(logits_OK), dtype=torch.long, device=logits_OK.device)
        classes_O[queries] = 0
        weights_K = logits_OK.new_tensor([1.0, _NOBODY_WEIGHT])
        total = total + _CLASS_WEIGHT * functional.cross_entropy(logits_OK, classes_O, weight=weights_K)
        if len(queries):
            found, true = masks_OP[queries], true_MP[objects]
            total = total + _MASK_WEIGHT * functional.binary_cross_entropy_with_logits(found, true)
            total = total + _DICE_WEIGHT * _dice(found, true).mean()
    return total / len(masks_BMHW)


@torch.no_grad()
def _assign(logits_OK: Tensor, masks_OP: Tensor, true_MP: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of queries and of objects that belong together at least cost."""
    P = masks_OP.shape[1]
    cross_OM = (functional.softplus(masks_OP).sum(1, keepdim=True) - masks_OP @ true_MP.T) / P
    share_OP = masks_OP.sigmoid()
    both_OM = share_OP @ true_MP.T
    dice_OM = 1.0 - (2.0 * both_OM + 1.0) / (share_OP.sum(1, keepdim=True) + true_MP.sum(1) + 1.0)
    class_O1 = -logits_OK.softmax(dim=1)[:, :1]
    cost_OM = _MASK_WEIGHT * cross_OM + _DICE_WEIGHT * dice_OM + _CLASS_WEIGHT * class_O1
    queries, objects = linear_sum_assignment(cost_OM.cpu().numpy())
    device = masks_OP.device
    return torch.as_tensor(queries, device=device), torch.as_tensor(objects, device=device)


def _dice(logits: Tensor, true: Tensor) -> Tensor:
    """1 - Dice over the last axis, 1 added above and below so that empty fits empty."""
    found = logits.sigmoid()
    return 1.0 - (2.0 * (found * true).sum(-1) + 1.0) / (found.sum(-1) + true.sum(-1) + 1.0)


def _pyramid(x_BNHW: Tensor) -> list[Tensor]:
    """Differences between a picture and its blur, level by level; fewer levels for small pictures, the rest at last."""
    x = x_BNHW.flatten(0, 1)[:, None]
    row = x.new_tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0
    kernel = (row[:, None] * row)[None, None]
    levels: list[Tensor] = []
    while len(levels) < _LEVELS - 1 and min(x.shape[2:]) > 4:
        blurred = functional.conv2d(functional.pad(x, (2, 2, 2, 2), mode="reflect"), kernel)
        levels.append(x - blurred)
        x = blurred[:, :, ::2, ::2]
    return [*levels, x]
