"""Losses over time: change shall be the true change, and be foreseen where it happens (MaGGIe, section 3.2)."""

# ruff: noqa: N803 - names carry shapes: B clips, T frames, N people, H height, W width

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor

__all__ = ["change_loss", "difference_loss"]

_TINY = 1e-6


def change_loss(found_BTNHW: Tensor, true_BTNHW: Tensor, weight_BTNHW: Tensor | None = None) -> Tensor:
    """dtSSD as a loss: mean square of the change's error from frame to frame, weighted by the later one's weight."""
    error = ((found_BTNHW - true_BTNHW).diff(dim=1)) ** 2
    if weight_BTNHW is None:
        # 1e-6 is added to the weight of every pixel, not to their sum.
        return error.sum() / (error.numel() * (1.0 + _TINY))
    weight = weight_BTNHW[:, 1:]
    return (error * weight).sum() / (weight + _TINY).sum()


def difference_loss(before_BT1HW: Tensor, after_BT1HW: Tensor, true_BT1HW: Tensor) -> Tensor:
    """Loss of the logits of a difference to the frame before and after; `true` (0 or 1) is of the frame before.

    A quarter of the sum of both cross entropies and of dtSSD of both probabilities. The paper has an L1 loss with a
    threshold of 0.001; this is the released code's.
    """
    true = true_BT1HW[:, 1:]
    total = true.new_zeros(())
    for logits in (before_BT1HW[:, 1:], after_BT1HW[:, :-1]):
        total = total + F.binary_cross_entropy_with_logits(logits, true) + change_loss(logits.sigmoid(), true)
    return 0.25 * total
