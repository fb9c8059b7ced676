"""Means over the pixels that a weight picks: what every loss of the mask-guided networks is made of."""

from __future__ import annotations

from torch import Tensor

__all__ = ["weighted_l1", "weighted_mean"]


def weighted_mean(error: Tensor, weight: Tensor | None, *, tiny: float = 1e-8) -> Tensor:
    """Sum of `error` times `weight` over the sum of `weight` and `tiny`; the plain mean where no weight is given.

    A weight of fewer channels is broadcast above and counted once below, as all the released trainers do: one channel
    of weight over three channels of error makes the loss three times larger than three equal channels of weight.
    """
    if weight is None:
        return error.mean()
    return (error * weight).sum() / (weight.sum() + tiny)


def weighted_l1(found: Tensor, true: Tensor, weight: Tensor | None = None, *, tiny: float = 1e-8) -> Tensor:
    """Mean absolute difference where `weight`, in [0, 1], is: one number."""
    return weighted_mean((found - true).abs(), weight, tiny=tiny)
