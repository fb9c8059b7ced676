"""Pixel-level temporal features: every cell of a frame described by the remembered cells that look like it.

Section 3.1 of the paper. Names carry shapes: B clips, N people, P cells of a sixteenth of the picture (h w of them), C
channels.
"""

# ruff: noqa: N803, N806, N815 - names carry shapes

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vimatte.engine.matting.oavm.attention import attend, attend_near

__all__ = ["Cells", "Memory", "PixelMatching"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """A frame's coarsest features, projected for matching; nothing here depends on who is asked for."""

    grid: tuple[int, int]
    """h, w: cells down and across."""
    feature_BPC: Tensor
    query_BPC: Tensor
    key_BPC: Tensor
    value_BPC: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One remembered frame: its cells, shared by all people, and where each person was."""

    key_BPC: Tensor
    value_BPC: Tensor
    mask_BNP: Tensor
    """Share of each cell that the person covers, in [0, 1]."""


class PixelMatching(nn.Module):
    """Global attention to the first frame, local attention to the last one."""

    def __init__(self, ins: int, *, width: int, window: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(ins, width)
        self.query = nn.Linear(width, width)
        # A bias of the keys adds the same to all weights of a row, which the softmax takes out again.
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        # Open in the paper: what "a foreground embedding layer" is. One vector times the mask is the least it can be,
        # and lets all people share one matrix of weights (see `match`). Rows of weights sum to 1, so a bias of this
        # layer would be the values' own.
        self.foreground = nn.Linear(1, width, bias=False)
        # Open: how F_G and F_L are "combined". Each has its projection; they are added to the frame's own features and
        # normalised.
        self.far = nn.Linear(width, width)
        self.near = nn.Linear(width, width, bias=False)
        self.norm = nn.LayerNorm(width)
        self._window = window

    def cells(self, feature_BChw: Tensor) -> Cells:
        """Project a frame's coarsest features."""
        feature_BPC = self.reduce(feature_BChw.flatten(2).transpose(1, 2))
        return Cells(
            grid=(feature_BChw.shape[2], feature_BChw.shape[3]),
            feature_BPC=feature_BPC,
            query_BPC=self.query(feature_BPC),
            key_BPC=self.key(feature_BPC),
            value_BPC=self.value(feature_BPC),
        )

    def match(self, cells: Cells, *, long: Memory, short: Memory) -> Tensor:
        """Return F_m (b, n, p, c): equations 3 and 4.

        The embedding is linear, so softmax(·)(V + FE(S)) = softmax(·)V + FE(softmax(·)S): the weights and the first
        term are common to all people, and a person more costs one more column.
        """
        C = cells.query_BPC.shape[2]
        found_BPD = attend(cells.query_BPC, long.key_BPC, _with_masks(long))
        far_BNPC = self.far(self._told(found_BPD, C))
        grid = cells.grid
        found_BhwD = attend_near(
            torch.unflatten(cells.query_BPC, 1, grid),
            torch.unflatten(short.key_BPC, 1, grid),
            torch.unflatten(_with_masks(short), 1, grid),
            window=self._window,
        )
        near_BNPC = self.near(self._told(found_BhwD.flatten(1, 2), C))
        matched: Tensor = self.norm(cells.feature_BPC[:, None] + far_BNPC + near_BNPC)
        return matched

    def _told(self, found_BPD: Tensor, channels: int) -> Tensor:
        """Values, and the embedding of each person's mask: (b, n, p, c)."""
        values_BPC, masks_BPN = found_BPD[..., :channels], found_BPD[..., channels:]
        told: Tensor = values_BPC[:, None] + self.foreground(masks_BPN.transpose(1, 2)[..., None])
        return told


def _with_masks(memory: Memory) -> Tensor:
    return torch.cat([memory.value_BPC, memory.mask_BNP.transpose(1, 2)], dim=2)
