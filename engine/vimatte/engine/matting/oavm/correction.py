"""Object-Guided Correction and Refinement: what the queries know of objects, told to the pixels of one person.

Section 3.3 of the paper. Names carry shapes: B clips, N people, P cells of a sixteenth of the picture, C channels, O
queries, A = B N.
"""

# ruff: noqa: N803, N806 - names carry shapes

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vimatte.engine.matting.oavm.attention import sine_positions
from vimatte.engine.matting.oavm.layers import FeedForward, Look

__all__ = ["Correction", "Recall", "guidance_of"]


def guidance_of(mask_BNP: Tensor, grid: tuple[int, int], *, dilation: int) -> Tensor:
    """Cross-frame guidance (b, n, p): True where equation 7 has 0, False where it has minus infinity.

    Dilation and binarization change places without a change of result, as both are monotonous. Open in the paper: what
    happens when the mask is empty, where equation 6 would divide nothing by nothing; then the queries look everywhere.
    """
    wide_BNhw = functional.max_pool2d(torch.unflatten(mask_BNP, 2, grid), dilation, stride=1, padding=dilation // 2)
    seen_BNP = (wide_BNhw > 0.5).flatten(2)
    return seen_BNP | ~seen_BNP.any(dim=2, keepdim=True)


class Recall(nn.Module):
    """Queries back to the pixels: "the dot product is performed, and the output is concatenated" to the features."""

    def __init__(self, width: int, *, queries: int) -> None:
        super().__init__()
        self.join = nn.Linear(width + queries, width)

    def forward(self, feature_APC: Tensor, objects_AOC: Tensor) -> Tensor:
        """(a, p, c): features that know of objects."""
        # Open: a scale of the dot product. By √C as in the attentions, so that its size does not depend on the width.
        alike_APO = torch.bmm(feature_APC, objects_AOC.transpose(1, 2)) * feature_APC.shape[2] ** -0.5
        joined: Tensor = self.join(torch.cat([feature_APC, alike_APO], dim=2))
        return joined


class Correction(nn.Module):
    """Queries turned into foreground and background, then the pixels corrected by them and refined."""

    def __init__(self, width: int, *, queries: int, heads: int, dilation: int | None) -> None:
        """`dilation` is None where guidance is left out: the queries look everywhere."""
        super().__init__()
        # Open: the size of E_fb. One vector for each query is what "linear addition" to q_o needs.
        self.foreground = nn.Parameter(torch.randn(queries, width))
        # Equation 6 has no heads: √C is of all channels.
        self.look = Look(width, heads=1)
        self.look_norm = nn.LayerNorm(width)
        self.recall = Recall(width, queries=queries)
        self.recall_norm = nn.LayerNorm(width)
        self.refine = Look(width, heads=heads)
        self.refine_norm = nn.LayerNorm(width)
        self.forward_layers = FeedForward(width)
        self._dilation = dilation

    def forward(
        self, feature_BNPC: Tensor, objects_BOC: Tensor, *, last_mask_BNP: Tensor, grid: tuple[int, int]
    ) -> Tensor:
        """F_m, q_o and the last frame's mask S_{k-1} to F_r, the paper's F_alpha too: (b, n, p, c)."""
        B, N, _, C = feature_BNPC.shape
        feature_APC = feature_BNPC.flatten(0, 1)
        places_PC = sine_positions(*grid, C, device=feature_APC.device)
        seen_A1P = None
        if self._dilation is not None:
            seen_A1P = guidance_of(last_mask_BNP, grid, dilation=self._dilation).flatten(0, 1)[:, None]
        query_BOC = self.foreground + objects_BOC  # equation 5
        query_AOC = query_BOC[:, None].expand(-1, N, -1, -1).flatten(0, 1)
        # Equation 6 gives the attention alone. "Updated by attending" is read as in Mask2Former: added to the query,
        # and normalised.
        told_AOC = self.look_norm(query_AOC + self.look(query_AOC, feature_APC + places_PC, feature_APC, seen_A1P))
        x_APC = self.recall_norm(self.recall(feature_APC, told_AOC))
        placed_APC = x_APC + places_PC
        x_APC = self.refine_norm(x_APC + self.refine(placed_APC, placed_APC, x_APC))
        return torch.unflatten(self.forward_layers(x_APC), 0, (B, N))
