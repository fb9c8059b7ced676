"""Composition losses: what was found, put together again with the true colours, shall be the picture."""

# ruff: noqa: N803 - names carry shapes: N pictures, L layers, H height, W width

from __future__ import annotations

from torch import Tensor

from vimatte.engine.training.losses.weighted import weighted_l1

__all__ = ["composition_loss", "sum_to_one_loss"]


def composition_loss(alphas_NLHW: Tensor, colours_NL3HW: Tensor, picture_N3HW: Tensor, weight: Tensor | None) -> Tensor:
    """Mean of |sum over layers of alpha * colour - picture| (InstMatt, Eq. 10; MSG-VIM, Eq. 11): one number.

    The authors' InstMatt takes normalised colours. A weight of one channel counts for all three colours; one of three
    channels, which are those of target, reference and background, is multiplied onto red, green and blue as published.
    """
    composed = (alphas_NLHW[:, :, None] * colours_NL3HW).sum(dim=1)
    return weighted_l1(composed, picture_N3HW, weight)


def sum_to_one_loss(alphas_NLHW: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean of |sum over layers - 1| (InstMatt, Eq. 11): one number.

    A weight of three channels is broadcast against the one sum, as published.
    """
    error = (alphas_NLHW.sum(dim=1, keepdim=True) - 1.0).abs()
    return weighted_l1(error.expand_as(weight) if weight is not None else error, error.new_zeros(()), weight)
