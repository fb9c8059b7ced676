"""Sparse convolution on sorted index sets: torch operations only, on any device, with gradients."""

from __future__ import annotations

from vimatte.engine.sparse.active_set import ActiveSet
from vimatte.engine.sparse.convolution import inverse, pointwise, submanifold
from vimatte.engine.sparse.layers import InverseConv2d, PointwiseConv2d, SubmanifoldConv2d

__all__ = [
    "ActiveSet",
    "InverseConv2d",
    "PointwiseConv2d",
    "SubmanifoldConv2d",
    "inverse",
    "pointwise",
    "submanifold",
]
