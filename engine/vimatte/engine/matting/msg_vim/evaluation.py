"""The network as it runs on shots: folded, of the person's channel alone, and at full size only where that decides.

The alphas are those of `Network` and `fuse`, to rounding. Two things save most of the work at full size: norms are part
of the convolutions, and the finest scale is computed in tiles around the pixels that the coarser ones leave open.
"""

# ruff: noqa: N803, N806 - names carry shapes: N people, K tiles, C channels, H height, W width; x2 is 1/2 the size

from __future__ import annotations

from typing import Self, cast

import torch
from torch import Tensor, nn

from vimatte.engine.matting.common.decoder import alpha_of
from vimatte.engine.matting.common.fold import fold
from vimatte.engine.matting.common.pictures import RIM
from vimatte.engine.matting.common.unknown import unknown
from vimatte.engine.matting.msg_vim.guidance import OS1_WIDTH, OS4_WIDTH
from vimatte.engine.matting.msg_vim.network import Network

__all__ = ["Evaluation"]

_TILE = 64
_HALO = 4
"""Full-size pixels on every side of a tile that its alphas depend on: two convolutions, then two in the head.

Less than the rim that is cut off in the end, so that a tile never sees the zeros beyond the picture's edge.
"""
_TOGETHER, _TOGETHER_ELSEWHERE = 8, 64
"""Tiles at once: on a processor so few that their maps stay in its cache, elsewhere enough to fill the device."""


class Evaluation:
    """One frame after the other, of any number of people at once."""

    def __init__(self, network: Network) -> None:
        """Make it with `of`."""
        self._network = network

    @classmethod
    def of(cls, network: Network, *, device: str = "cpu") -> Self:
        """Prepare `network`, which is changed for good."""
        fold(network.eval())
        for head in (network.decoder.refine_OS8, network.decoder.refine_OS4, network.decoder.refine_OS1):
            last = cast(nn.Conv2d, head[-1])
            last.weight = nn.Parameter(last.weight[:1].clone(), requires_grad=False)
            if last.bias is not None:
                last.bias = nn.Parameter(last.bias[:1].clone(), requires_grad=False)
        return cls(network.to(device))

    @torch.inference_mode()
    def frame(self, x_NCHW: Tensor, state_NCHW: Tensor | None, *, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Matte one frame of n people: (n, 5, h', w') padded input to alphas (n, height, width) and the next state.

        `state_NCHW` is the one that the frame before gave, None on the first frame of a chunk.
        """
        encoder, decoder = self._network.encoder, self._network.decoder
        x_NCHW = x_NCHW.contiguous(memory_format=torch.channels_last)
        x2, x4, x8, x16 = encoder.trunk(x_NCHW)
        f2, f3, f4, f5 = (d(x) for d, x in zip(encoder.shortcut[1:], (x2, x4, x8, x16), strict=True))
        d8, d4 = decoder.at_quarter(self._network.aspp(encoder.layer_bottleneck(x16)), f5, f4, f3)
        os8 = alpha_of(decoder.refine_OS8(d8), larger=8)[:, 0]
        os4 = alpha_of(decoder.refine_OS4(d4), larger=4)[:, 0]
        alpha_NHW = torch.where(unknown(os8, OS4_WIDTH), os4, os8)
        open_NHW = unknown(alpha_NHW, OS1_WIDTH)
        d2, state_NCHW = self._network.at_half(d4, f2, state_NCHW)
        tiles = _open_tiles(open_NHW, height=height, width=width)
        together = _TOGETHER if x_NCHW.device.type == "cpu" else _TOGETHER_ELSEWHERE
        for at in range(0, len(tiles), together):
            some = tiles[at : at + together]
            for (n, top, left), os1_HW in zip(some, self._fine(x_NCHW, d2, some), strict=True):
                here = n, slice(top, top + _TILE), slice(left, left + _TILE)
                alpha_NHW[here] = torch.where(open_NHW[here], os1_HW, alpha_NHW[here])
        return alpha_NHW[:, RIM : RIM + height, RIM : RIM + width], state_NCHW

    def _fine(self, x_NCHW: Tensor, d2: Tensor, tiles: list[tuple[int, int, int]]) -> Tensor:
        """Alphas (k, _TILE, _TILE) of the finest scale at these (person, top, left)."""
        decoder = self._network.decoder
        near = _HALO // 2
        x_KCHW = _cut(x_NCHW, tiles, halo=_HALO, size=_TILE)
        d2_KCHW = _cut(d2, [(n, top // 2, left // 2) for n, top, left in tiles], halo=near, size=_TILE // 2)
        x1_KCHW = decoder.at_full(d2_KCHW, self._network.encoder.shortcut[0](x_KCHW))
        logits_K1HW = decoder.refine_OS1(x1_KCHW[..., near:-near, near:-near])
        return alpha_of(logits_K1HW)[:, 0, near:-near, near:-near]


def _open_tiles(open_NHW: Tensor, *, height: int, width: int) -> list[tuple[int, int, int]]:
    """(person, top, left) of every tile with an open pixel, found with one look at the device."""
    tops, lefts = _places(height, open_NHW.shape[1]), _places(width, open_NHW.shape[2])
    rows_NRW = torch.stack([open_NHW[:, top : top + _TILE].any(1) for top in tops], dim=1)
    tiles_NRK = torch.stack([rows_NRW[..., left : left + _TILE].any(-1) for left in lefts], dim=-1)
    return [(n, tops[row], lefts[column]) for n, row, column in tiles_NRK.nonzero().tolist()]


def _places(length: int, total: int) -> list[int]:
    """Where tiles begin that cover `length` pixels inside the rim of `total`, the last one moved in from the edge."""
    return sorted({min(start, (total - _TILE - _HALO) // 2 * 2) for start in range(RIM, RIM + length, _TILE)})


def _cut(x_NCHW: Tensor, tiles: list[tuple[int, int, int]], *, halo: int, size: int) -> Tensor:
    cut = [x_NCHW[n, :, t - halo : t + size + halo, w - halo : w + size + halo] for n, t, w in tiles]
    return torch.stack(cut).contiguous(memory_format=torch.channels_last)
