"""Attention between the cells of frames: over all of them, and over a neighbourhood, in memory that stays small.

Names carry shapes: B independent items, Q cells that ask, P cells that are asked, H W cells down and across, C channels
of queries and keys, D of values.
"""

# ruff: noqa: N803, N806 - names carry shapes

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["attend", "attend_near", "sine_positions"]

_BLOCK = 1024
"""Cells that ask at a time over all cells: what bounds the matrix of weights."""
_TILE = 8
"""Side of the squares of asking cells that share one gathered neighbourhood."""


def attend(query_BQC: Tensor, key_BPC: Tensor, value_BPD: Tensor) -> Tensor:
    """softmax(Q Kᵀ / √C) V (equation 2 without its embedding): (b, q, d).

    At most 1024 rows of weights exist at a time where no gradient is asked for: memory grows with the cells, not with
    their square (33 MB at 1920x1080, 133 MB at 3840x2160). Training keeps them all.
    """
    scale = query_BQC.shape[-1] ** -0.5
    key_BCP = key_BPC.transpose(1, 2)
    blocks = [
        torch.bmm(torch.softmax(torch.bmm(block_BQC * scale, key_BCP), dim=-1), value_BPD)
        for block_BQC in torch.split(query_BQC, _BLOCK, dim=1)
    ]
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=1)


def attend_near(query_BHWC: Tensor, key_BHWC: Tensor, value_BHWD: Tensor, *, window: int) -> Tensor:
    """The same where each cell sees only the `window` x `window` cells around it (equation 4): (b, h, w, d).

    Cells beyond the picture do not exist: at the border the softmax is over fewer. Squares of 8x8 asking cells share
    the keys gathered for them, one row of squares at a time: memory beyond inputs and result grows with the width of
    the picture, (8 + window - 1)² weights a cell of one row of squares.
    """
    _, H, W, C = query_BHWC.shape
    half = window // 2
    side = _TILE + 2 * half
    down, across = -H % _TILE, -W % _TILE
    squares = (W + across) // _TILE
    query_BHWC = functional.pad(query_BHWC * C**-0.5, (0, 0, 0, across, 0, down))
    key_BHWC, value_BHWD = (
        functional.pad(x, (0, 0, half, half + across, half, half + down)) for x in (key_BHWC, value_BHWD)
    )
    near_QP = _near(window, query_BHWC.device)
    rows = []
    for top in range(0, H, _TILE):
        asking_BSQC = _squares(query_BHWC[:, top : top + _TILE], _TILE)
        asked_BSPC = _squares(key_BHWC[:, top : top + side], side)
        given_BSPD = _squares(value_BHWD[:, top : top + side], side)
        real_SP = _inside(top - half, H, side, device=near_QP.device, left=-half, width=W, squares=squares)
        real_SQ = _inside(top, H, _TILE, device=near_QP.device, left=0, width=W, squares=squares)
        # Cells that only fill up a square ask too; given nothing at all to see, they would turn gradients into NaN.
        seen_SQP = near_QP & (real_SP[:, None, :] | ~real_SQ[:, :, None])
        weights_BSQP = torch.matmul(asking_BSQC, asked_BSPC.transpose(2, 3)).masked_fill(~seen_SQP, float("-inf"))
        found_BSQD = torch.matmul(torch.softmax(weights_BSQP, dim=-1), given_BSPD)
        row = torch.unflatten(found_BSQD, 2, (_TILE, _TILE)).transpose(1, 2).flatten(2, 3)
        rows.append(row[:, : min(_TILE, H - top), :W])
    return torch.cat(rows, dim=1)


def sine_positions(height: int, width: int, channels: int, *, device: torch.device) -> Tensor:
    """Fixed sine and cosine of each cell's place, (h w, c): first half of the channels for y, second for x.

    Carion et al., ECCV 2020, with places scaled to (0, 2π] over the picture, as detectors by sets use it.
    """
    steps = torch.arange(channels // 4, device=device, dtype=torch.float32)
    rates = 10000.0 ** (-steps / max(channels // 4, 1))

    def code(count: int) -> Tensor:
        places = torch.arange(1, count + 1, device=device, dtype=torch.float32) * (2.0 * torch.pi / count)
        angles = places[:, None] * rates
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    rows, columns = code(height), code(width)
    both = torch.cat([rows[:, None].expand(-1, width, -1), columns[None].expand(height, -1, -1)], dim=2)
    return both.flatten(0, 1)


def _near(window: int, device: torch.device) -> Tensor:
    """(Q, P) bool: which of a square's gathered cells lies in the neighbourhood of which asking cell."""
    ask = torch.arange(_TILE, device=device)
    there = torch.arange(_TILE + window - 1, device=device)
    offset = there[None, :] - ask[:, None]
    line = (offset >= 0) & (offset < window)
    return (line[:, None, :, None] & line[None, :, None, :]).flatten(2, 3).flatten(0, 1)


def _squares(row_BHWC: Tensor, side: int) -> Tensor:
    """Cut a row of cells (b, side, w, c) into squares (b, s, side * side, c), one every 8 cells."""
    return row_BHWC.unfold(2, side, _TILE).permute(0, 2, 1, 4, 3).flatten(2, 3)


def _inside(top: int, height: int, side: int, *, device: torch.device, left: int, width: int, squares: int) -> Tensor:
    """(S, side * side) bool: which cells of a row of squares lie in the picture."""
    y = torch.arange(top, top + side, device=device)
    x = left + torch.arange(squares, device=device)[:, None] * _TILE + torch.arange(side, device=device)
    rows, columns = (y >= 0) & (y < height), (x >= 0) & (x < width)
    return (rows[None, :, None] & columns[:, None, :]).flatten(1, 2)
