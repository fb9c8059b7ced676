"""Post-norm attention and feed-forward layers between a few tokens and many positions."""

# ruff: noqa: N803, N806 - names carry shapes: B clips, Q queries, K keys, C channels
from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor, nn

__all__ = ["CrossAttention", "FeedForward", "SelfAttention"]


class _Attention(nn.Module):
    """One head; query, key and value projections packed in one matrix, as checkpoints have them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self, query_BQC: Tensor, key_BKC: Tensor, value_BKC: Tensor, *, barred_BK: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return what was heard (b, q, c) and how much of each key (b, q, k); `barred` keys are not heard.

        softmax((Q Wq + bq) (K Wk + bk)' / sqrt(c)) (V Wv + bv) Wo + bo, where one side has ten rows and the other
        thousands: products are taken in the order that leaves the long side unprojected.
        """
        query_weight, key_weight, value_weight = self.in_proj_weight.chunk(3)
        query_bias, key_bias, value_bias = self.in_proj_bias.chunk(3)
        scale = query_BQC.shape[-1] ** -0.5
        few_queries = query_BQC.shape[1] <= key_BKC.shape[1]
        if few_queries:
            # bk adds the same to all scores of a query, which the softmax takes out again.
            asked_BQC = (F.linear(query_BQC, query_weight, query_bias) * scale) @ key_weight
            scores_BQK = asked_BQC @ key_BKC.transpose(1, 2)
        else:
            known_BKC = F.linear(key_BKC, key_weight, key_bias) * scale
            scores_BQK = query_BQC @ (known_BKC @ query_weight).transpose(1, 2) + (known_BKC @ query_bias)[:, None]
        if barred_BK is not None:
            scores_BQK = scores_BQK.masked_fill(barred_BK[:, None, :], -torch.inf)
        heard_BQK = scores_BQK.softmax(-1)
        if few_queries:
            # What is heard of one query sums to 1, so that bv may be added afterwards.
            return self.out_proj(F.linear(heard_BQK @ value_BKC, value_weight, value_bias)), heard_BQK
        told_BKC = F.linear(F.linear(value_BKC, value_weight, value_bias), self.out_proj.weight)
        return heard_BQK @ told_BKC + self.out_proj.bias, heard_BQK


class CrossAttention(nn.Module):
    """LN(x + attention of x over others)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.multihead_attn = _Attention(width)
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        x_BQC: Tensor,
        others_BKC: Tensor,
        *,
        place_BQC: Tensor,
        others_place_BKC: Tensor,
        barred_BK: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return x anew and the attention (b, q, k); places are added to queries and keys, not to values."""
        heard_BQC, weights_BQK = self.multihead_attn(
            x_BQC + place_BQC, others_BKC + others_place_BKC, others_BKC, barred_BK=barred_BK
        )
        return self.norm(x_BQC + heard_BQC), weights_BQK


class SelfAttention(nn.Module):
    """LN(x + attention of x over itself)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.self_attn = _Attention(width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x_BQC: Tensor, *, place_BQC: Tensor, barred_BK: Tensor) -> Tensor:
        """Return x anew; barred ones still ask, but are not heard."""
        at_BQC = x_BQC + place_BQC
        heard_BQC, _ = self.self_attn(at_BQC, at_BQC, x_BQC, barred_BK=barred_BK)
        out: Tensor = self.norm(x_BQC + heard_BQC)
        return out


class FeedForward(nn.Module):
    """LN(x + linear2(ReLU(linear1(x))))."""

    def __init__(self, width: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, width)
        self.linear2 = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """Apply to (..., width)."""
        inner = F.dropout(self.linear1(x).relu(), self.dropout, self.training)
        out: Tensor = self.norm(x + F.dropout(self.linear2(inner), self.dropout, self.training))
        return out
