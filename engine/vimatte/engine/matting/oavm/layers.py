"""Transformer layers that the object queries and the correction share.

Names carry shapes: B items, Q that ask, P that are asked, C channels.
"""

# ruff: noqa: N803 - names carry shapes

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["FeedForward", "Look"]


class Look(nn.Module):
    """Attention of several heads."""

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        # A bias of the keys adds the same to all weights of a row, which the softmax takes out again.
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self._heads = heads

    def forward(self, query_BQC: Tensor, key_BPC: Tensor, value_BPC: Tensor, seen: Tensor | None = None) -> Tensor:
        """(b, q, c). `seen` is bool, (b, q, p) or (b, 1, p): who may look where; every row has something to see."""
        query, key, value = (
            x.unflatten(2, (self._heads, -1)).transpose(1, 2)
            for x in (self.query(query_BQC), self.key(key_BPC), self.value(value_BPC))
        )
        mask = None if seen is None else seen[:, None].expand(-1, -1, query.shape[2], -1)
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        out: Tensor = self.out(found.transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Module):
    """Two linear layers around a residual, and a norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., c) to (..., c)."""
        out: Tensor = self.norm(x + self.narrow(self.widen(x).relu()))
        return out
