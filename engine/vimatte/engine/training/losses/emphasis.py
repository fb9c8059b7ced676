"""What weighs how much: MaGGIe's W8, InstMatt's solid map and the unknown area of a trimap."""

# ruff: noqa: N803, N806 - names carry shapes: N pictures, C channels, H height, W width

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vimatte.engine.matting.common.unknown import dilate, unknown

__all__ = ["coarse_weight", "solid", "trimap_unknown"]

_SOLID_SHARE, _SOLID_WIDTH = 0.99, 35


def coarse_weight(found_NCHW: Tensor, true_NCHW: Tensor) -> Tensor:
    """W8 of MaGGIe (Eq. 11): 1 where the person is on the picture at all, 1 more where either alpha is open.

    Open is between 1/255 and 254/255, both included; somebody who is not there has only the second. In the paper both
    alphas must be open, between 0 and 1, and everybody has the first.
    """
    there_NC11 = (true_NCHW > 0).flatten(2).any(dim=2)[..., None, None]
    open_NCHW = unknown(true_NCHW, 1) | unknown(found_NCHW.detach(), 1)
    return there_NC11.to(true_NCHW.dtype) + open_NCHW.to(true_NCHW.dtype)


def solid(true_NCHW: Tensor) -> Tensor:
    """0 around the edge of mattes that are hard-edged labels, 1 elsewhere: nothing is learned from where they lie.

    A matte counts as a label where 99 % of its pixels are exactly 0 or 1; the band is what ellipses 35 pixels wide
    reach both from ones and from zeros. Released InstMatt; the paper does not have it.
    """
    one, zero = true_NCHW == 1.0, true_NCHW == 0.0
    label_NC = (one | zero).flatten(2).float().mean(dim=2) >= _SOLID_SHARE
    band_NCHW = dilate(one, _SOLID_WIDTH) & dilate(zero, _SOLID_WIDTH)
    return (~(band_NCHW & label_NC[..., None, None])).to(true_NCHW.dtype)


def trimap_unknown(true_HW: Tensor, widths: Sequence[int]) -> Tensor:
    """Return bool (h, w): neither in the eroded foreground nor in the eroded background.

    `widths` are those of the two ellipses, foreground first; what lies outside the picture erodes nothing.
    """
    away = [dilate(~sure, width) for sure, width in zip((true_HW == 1.0, true_HW == 0.0), widths, strict=True)]
    return torch.stack(away).all(dim=0)
