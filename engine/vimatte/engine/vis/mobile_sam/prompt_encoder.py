"""SAM's prompt encoder (Kirillov et al. 2023, arXiv:2304.02643, appendix A): clicks, a box, a rough mask.

Legend: N prompts, P points, C = 256 channels, H and W cells of the embedding (64), 4H and 4W those of a mask prompt.
"""

# ruff: noqa: N803 - names carry shapes

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vimatte.engine.vis.mobile_sam.layers import LayerNorm2d

__all__ = ["PromptEncoder"]


class _Places(nn.Module):
    """Positions as random Fourier features (Tancik et al. 2020)."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, channels // 2))

    def forward(self, at: Tensor) -> Tensor:
        """(..., 2) x and y in 0..1 to (..., c)."""
        angles = 2 * math.pi * ((2 * at - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class PromptEncoder(nn.Module):
    """Prompts to tokens and to a dense embedding."""

    def __init__(self, *, channels: int = 256, cells: int = 64, side: int = 1024) -> None:
        super().__init__()
        self.cells, self.side = cells, side
        self.pe_layer = _Places(channels)
        # Negative click, positive click, a box's first and second corner.
        self.point_embeddings = nn.ModuleList([nn.Embedding(1, channels) for _ in range(4)])
        self.not_a_point_embed = nn.Embedding(1, channels)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, 4, 2, 2),
            LayerNorm2d(4),
            nn.GELU(),
            nn.Conv2d(4, 16, 2, 2),
            LayerNorm2d(16),
            nn.GELU(),
            nn.Conv2d(16, channels, 1),
        )
        self.no_mask_embed = nn.Embedding(1, channels)

    def places(self) -> Tensor:
        """(1, c, h, w) encoding of every cell's centre."""
        at = (torch.arange(self.cells, device=self.no_mask_embed.weight.device) + 0.5) / self.cells
        y, x = torch.meshgrid(at, at, indexing="ij")
        encoded: Tensor = self.pe_layer(torch.stack([x, y], dim=-1))
        return encoded.permute(2, 0, 1)[None]

    def forward(
        self, *, points_NP2: Tensor, kinds_NP: Tensor, box_N4: Tensor | None, mask_N1HW: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Tokens (n, p', c) and dense (n, c, h, w).

        Coordinates are pixels of the side x side picture; kinds are 1 for 'this', 0 for 'not this'; the mask holds
        logits. Without a box the tokens end in one that says there is none.
        """
        tokens = [self._points(points_NP2, kinds_NP)]
        if box_N4 is None:
            none: Tensor = self.not_a_point_embed.weight
            tokens.append(none.expand(points_NP2.shape[0], 1, -1))
        else:
            corners: Tensor = self.pe_layer((box_N4.reshape(-1, 2, 2) + 0.5) / self.side)
            kinds = torch.cat([self._kind(2), self._kind(3)])
            tokens.append(corners + kinds)
        if mask_N1HW is None:
            flat: Tensor = self.no_mask_embed.weight
            dense = flat.reshape(1, -1, 1, 1).expand(points_NP2.shape[0], -1, self.cells, self.cells)
        else:
            dense = self.mask_downscaling(mask_N1HW)
        return torch.cat(tokens, dim=1), dense

    def _points(self, points_NP2: Tensor, kinds_NP: Tensor) -> Tensor:
        encoded: Tensor = self.pe_layer((points_NP2 + 0.5) / self.side)
        return encoded + torch.where(kinds_NP[..., None] > 0, self._kind(1), self._kind(0))

    def _kind(self, at: int) -> Tensor:
        embedding = self.point_embeddings[at]
        assert isinstance(embedding, nn.Embedding)
        return embedding.weight
