"""SAM's mask decoder (Kirillov et al. 2023, arXiv:2304.02643, appendix A): tokens and embedding to masks and scores.

Legend: N prompts, P tokens, L = H*W cells, C = 256 channels, M = 4 masks (one for clear prompts, three for ambiguous).
"""

# ruff: noqa: N803, N806 - names carry shapes

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor, nn

from vimatte.engine.vis.mobile_sam.layers import LayerNorm2d, Perceptron

__all__ = ["MaskDecoder"]

_HEADS = 8
_MASKS = 4


class MaskDecoder(nn.Module):
    """A two-way transformer, then each mask as a product of its token with the enlarged embedding."""

    def __init__(self, *, channels: int = 256, inner: int = 2048) -> None:
        super().__init__()
        self.transformer = _TwoWay(channels, inner=inner)
        self.iou_token = nn.Embedding(1, channels)
        self.mask_tokens = nn.Embedding(_MASKS, channels)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(channels, channels // 4, 2, 2),
            LayerNorm2d(channels // 4),
            nn.GELU(),
            nn.ConvTranspose2d(channels // 4, channels // 8, 2, 2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            [Perceptron(channels, channels, channels // 8) for _ in range(_MASKS)]
        )
        self.iou_prediction_head = Perceptron(channels, channels, _MASKS)

    def forward(
        self, *, embedding_NCHW: Tensor, places_1CHW: Tensor, tokens_NPC: Tensor, dense_NCHW: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits (n, 4, 4h, 4w) and predicted IoU (n, 4)."""
        n, c, h, w = dense_NCHW.shape
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.expand(n, -1, -1), tokens_NPC], dim=1)
        cells = (embedding_NCHW + dense_NCHW).flatten(2).transpose(1, 2)
        tokens_out, cells_out = self.transformer(tokens, cells, places_1CHW.flatten(2).transpose(1, 2))
        large_NCHW = self.output_upscaling(cells_out.transpose(1, 2).reshape(n, c, h, w))
        each = [mlp(tokens_out[:, 1 + at]) for at, mlp in enumerate(self.output_hypernetworks_mlps)]
        masks = torch.einsum("nmc,nchw->nmhw", torch.stack(each, dim=1), large_NCHW)
        return masks, self.iou_prediction_head(tokens_out[:, 0])


class _Attention(nn.Module):
    """Multi-head attention, optionally narrower inside."""

    def __init__(self, channels: int, *, narrower: int = 1) -> None:
        super().__init__()
        inside = channels // narrower
        self.q_proj = nn.Linear(channels, inside)
        self.k_proj = nn.Linear(channels, inside)
        self.v_proj = nn.Linear(channels, inside)
        self.out_proj = nn.Linear(inside, channels)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """(n, p, c), (n, l, c), (n, l, c) to (n, p, c)."""
        heads = [
            proj(x).unflatten(-1, (_HEADS, -1)).transpose(1, 2)
            for proj, x in ((self.q_proj, q), (self.k_proj, k), (self.v_proj, v))
        ]
        out = F.scaled_dot_product_attention(heads[0], heads[1], heads[2])
        mixed: Tensor = self.out_proj(out.transpose(1, 2).flatten(2))
        return mixed


class _Mlp(nn.Module):
    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(channels, inner)
        self.lin2 = nn.Linear(inner, channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.lin2(torch.relu(self.lin1(x)))
        return out


class _Layer(nn.Module):
    """Tokens look at each other, at the cells, think; then the cells look at the tokens."""

    def __init__(self, channels: int, *, inner: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = _Attention(channels)
        self.norm1 = nn.LayerNorm(channels)
        self.cross_attn_token_to_image = _Attention(channels, narrower=2)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = _Mlp(channels, inner)
        self.norm3 = nn.LayerNorm(channels)
        self.cross_attn_image_to_token = _Attention(channels, narrower=2)
        self.norm4 = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor, cells: Tensor, prompts: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        if self.first:  # the tokens are still the prompts themselves: nothing to add, nothing to keep
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            asked = tokens + prompts
            tokens = tokens + self.self_attn(asked, asked, tokens)
        tokens = self.norm1(tokens)
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + prompts, cells + places, cells))
        tokens = self.norm3(tokens + self.mlp(tokens))
        cells = self.norm4(cells + self.cross_attn_image_to_token(cells + places, tokens + prompts, tokens))
        return tokens, cells


class _TwoWay(nn.Module):
    def __init__(self, channels: int, *, inner: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_Layer(channels, inner=inner, first=at == 0) for at in range(2)])
        self.final_attn_token_to_image = _Attention(channels, narrower=2)
        self.norm_final_attn = nn.LayerNorm(channels)

    def forward(self, prompts: Tensor, cells: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        tokens = prompts
        for layer in self.layers:
            tokens, cells = layer(tokens, cells, prompts, places)
        tokens = tokens + self.final_attn_token_to_image(tokens + prompts, cells + places, cells)
        return self.norm_final_attn(tokens), cells
