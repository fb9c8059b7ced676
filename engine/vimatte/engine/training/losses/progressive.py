"""Alphas of three scales in training: finer ones where coarser ones are open, and their losses there alone.

Progressive refinement of MGMatting (Yu et al., CVPR 2021), whose trainer InstMatt and MSG-VIM grew from.
"""

# ruff: noqa: N803, N806 - names carry shapes: N pictures, C channels, H height, W width

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vimatte.engine.matting.common.decoder import Scales
from vimatte.engine.matting.common.unknown import unknown

__all__ = ["MOST_1", "MOST_4", "Progress", "Widths", "averaged", "by_trimap", "by_widths", "draw_widths"]

MOST_4, MOST_1 = 29, 14
"""Widest dilations drawn for the scales of 1/4 and of full size: configurations of 30 and 15, exclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """Of the ellipses that open areas are dilated by: one for every picture and channel in order."""

    os4: tuple[int, ...]
    os1: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What the losses look at; alphas and weights (n, c, h, w), weights of one channel or of all."""

    os8: Tensor
    os4: Tensor
    """With those of `os8` where `weight_4` is 0, unless a trimap decided."""
    os1: Tensor
    weight_4: Tensor
    weight_1: Tensor


def draw_widths(maps: int, draw: torch.Generator) -> Widths:
    """Draw a width for each of `maps` maps, uniform in 1 to 29 and 1 to 14."""
    os4, os1 = (torch.randint(1, most + 1, (maps,), generator=draw).tolist() for most in (MOST_4, MOST_1))
    return Widths(os4=tuple(os4), os1=tuple(os1))


def by_widths(scales: Scales, widths: Widths, *, apart: bool = False) -> Progress:
    """Take finer alphas where coarser ones, as the network gives them, are open.

    Where any channel of a picture is open all of it is finer; `apart`, each channel where it is open itself (stage 2
    of InstMatt). Weights have one channel either way.
    """

    def finer(fine: Tensor, coarse: Tensor, drawn: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        own = unknown(coarse.detach(), drawn)
        any_N1HW = own.any(dim=1, keepdim=True)
        return torch.where(own if apart else any_N1HW, fine, coarse), any_N1HW.to(fine.dtype)

    os4, weight_4 = finer(scales.os4, scales.os8, widths.os4)
    os1, weight_1 = finer(scales.os1, os4, widths.os1)
    return Progress(os8=scales.os8, os4=os4, os1=os1, weight_4=weight_4, weight_1=weight_1)


def by_trimap(scales: Scales, unknown_N1HW: Tensor) -> Progress:
    """Leave the scales as they are and look at the unknown area of a trimap, (n, 1, h, w) bool: while warming up."""
    weight = unknown_N1HW.to(scales.os8.dtype)
    return Progress(os8=scales.os8, os4=scales.os4, os1=scales.os1, weight_4=weight, weight_1=weight)


def averaged(os8: Tensor, os4: Tensor, os1: Tensor) -> Tensor:
    """One loss out of those of three scales: (2 full + 1/4 + 1/8) / 5, which sums to 4/5, as published."""
    return (2.0 * os1 + os4 + os8) / 5.0
