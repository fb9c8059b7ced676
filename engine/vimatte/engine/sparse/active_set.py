"""Which cells of a batch of maps are active: sorted index sets, their neighbours, and the coarser sets below them.

Legend: M maps, H rows, W columns, R active cells (rows of a feature table), S those of the coarser set, K taps.
"""

# ruff: noqa: N802, N803, N806 - names carry shapes
from __future__ import annotations

from functools import cached_property, partial

import torch
from torch import Tensor

from vimatte.engine.sparse.gather import Group, Plan

__all__ = ["ActiveSet"]


class ActiveSet:
    """Active cells of M maps of (H, W), in ascending order of (map, y, x); an immutable value.

    A feature table that belongs to the set is (R, channels): row r is the cell `cells_R[r]`. Tables of neighbours are
    made when first asked for and kept.
    """

    def __init__(self, active_MHW: Tensor) -> None:
        """Take the cells that are not 0 in (M, H, W)."""
        maps, height, width = active_MHW.shape
        self.shape = (maps, height, width)
        m, y, x = active_MHW.nonzero().t().contiguous()
        self.positions_R: tuple[Tensor, Tensor, Tensor] = (m, y, x)
        """Map, y and x of every cell, (R,) int64 each."""
        self.cells_R: Tensor = (m * height + y) * width + x
        """Linear positions, (R,) int64, ascending."""

    def __len__(self) -> int:
        return self.cells_R.shape[0]

    def __repr__(self) -> str:
        maps, height, width = self.shape
        return f"ActiveSet({len(self)} cells of {maps} maps of {width}x{height})"

    @property
    def density(self) -> float:
        """Active cells over all cells, 0 to 1."""
        maps, height, width = self.shape
        return len(self) / max(1, maps * height * width)

    @cached_property
    def framed_R(self) -> Tensor:
        """Positions in maps with a frame one cell wide around each, (R,) int64: no neighbour is outside."""
        _, height, width = self.shape
        m, y, x = self.positions_R
        return (m * (height + 2) + y + 1) * (width + 2) + x + 1

    @cached_property
    def neighbours(self) -> Plan:
        """Plan of a submanifold 3x3 convolution: the nine neighbours of every cell, itself in the middle."""
        offsets = _around(self.shape[2] + 2, self.cells_R)
        table_RK = _look_up(_rows(self.framed_R, self.shape), self.framed_R[:, None] + offsets)
        # Cell q is neighbour k of cell p where p is neighbour 8 - k of q.
        return Plan(groups=(Group(rows=None, taps=tuple(range(9)), table=table_RK),), reverse=lambda: table_RK.flip(1))

    @cached_property
    def coarser(self) -> ActiveSet:
        """Set of the regular 3x3 convolution of stride 2 and padding 1: (M, ceil(H/2), ceil(W/2)).

        A coarse cell (y', x') is active where any fine cell of rows 2y'-1..2y'+1 and columns 2x'-1..2x'+1 is.
        """
        maps, height, width = self.shape
        rows, columns = -(-height // 2), -(-width // 2)
        m, y, x = self.positions_R
        active = torch.zeros((maps, rows, columns), dtype=torch.bool, device=self.cells_R.device)
        # An odd row lies between two coarse ones; after the last row of an even map there is no second one.
        for coarse_y in (y >> 1, ((y + 1) >> 1).clamp_max(rows - 1)):
            line = (m * rows + coarse_y) * columns
            for coarse_x in (x >> 1, ((x + 1) >> 1).clamp_max(columns - 1)):
                active.view(-1)[line + coarse_x] = True
        return ActiveSet(active)

    @cached_property
    def from_coarser(self) -> Plan:
        """Plan of the inverse convolution from `coarser` to this set (transposed 3x3, stride 2, padding 1).

        Fine cell (y, x) hears tap (ky, kx) of coarse cell (y', x') where y = 2y'-1+ky and x = 2x'-1+kx: an even row
        one tap, an odd row two, so there are four groups of cells with one, two, two and four taps.
        """
        coarse = self.coarser
        m, y, x = self.positions_R
        step = coarse.shape[2] + 2
        framed = (m * (coarse.shape[1] + 2) + (y >> 1) + 1) * step + (x >> 1) + 1
        kind = ((y & 1) * 2 + (x & 1)).to(torch.uint8)
        coarse_rows = _rows(coarse.framed_R, coarse.shape)
        groups = []
        for odd_y in (0, 1):
            for odd_x in (0, 1):
                rows = (kind == 2 * odd_y + odd_x).nonzero()[:, 0]
                # Tap 2 reaches an odd cell from the coarse cell before it, tap 0 from the one after.
                taps_y = ((0, 1), (2, 0)) if odd_y else ((1, 0),)
                taps_x = ((0, 1), (2, 0)) if odd_x else ((1, 0),)
                taps = [(3 * ky + kx, dy * step + dx) for ky, dy in taps_y for kx, dx in taps_x]
                offsets = torch.tensor([offset for _, offset in taps], device=framed.device)
                table = _look_up(coarse_rows, framed[rows][:, None] + offsets)
                groups.append(Group(rows=rows, taps=tuple(tap for tap, _ in taps), table=table))
        # Without `self`: a plan that holds the set that holds the plan would be freed late.
        return Plan(
            groups=tuple(groups), reverse=partial(_children, self.framed_R, self.shape, coarse_R=coarse.positions_R)
        )


def _rows(framed_R: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Row number of every framed cell, (M * (H+2) * (W+2),) int32; R where inactive."""
    maps, height, width = shape
    count = framed_R.shape[0]
    rows = torch.full((maps * (height + 2) * (width + 2),), count, dtype=torch.int32, device=framed_R.device)
    rows[framed_R] = torch.arange(count, dtype=torch.int32, device=framed_R.device)
    return rows


def _around(step: int, like: Tensor) -> Tensor:
    """Offsets of the nine cells around one, in the order of a kernel's taps, where a line below is `step` further."""
    return torch.tensor([dy * step + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)], device=like.device)


def _children(framed_R: Tensor, shape: tuple[int, int, int], *, coarse_R: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Rows of the finer set under the nine taps of each coarser cell, (S, 9) int32; R where inactive."""
    m, y, x = coarse_R
    step = shape[2] + 2
    framed = (m * (shape[1] + 2) + 2 * y + 1) * step + 2 * x + 1
    return _look_up(_rows(framed_R, shape), framed[:, None] + _around(step, framed))


def _look_up(rows: Tensor, positions_RK: Tensor) -> Tensor:
    return rows.index_select(0, positions_RK.reshape(-1)).view(positions_RK.shape)
