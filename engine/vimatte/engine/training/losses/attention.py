"""The attention loss of MaGGIe (CVPR 2024, Eq. 10): a person's token shall hear the person and nothing else."""

# ruff: noqa: N803, N806 - names carry shapes: B clips, Q tokens, L positions of all frames (frame, y, x), T frames

from __future__ import annotations

from torch import Tensor

__all__ = ["attention_loss"]


def attention_loss(heard_BQL: Tensor, where_BQL: Tensor, *, frames: int) -> Tensor:
    """How much of each token's attention lies outside its person, summed over tokens, per clip and frame: one number.

    `heard` sums to 1 over positions, `where` is 0 or 1. The paper's is the sum over tokens; the released code divides
    by clips and frames, and a token without any position counts nothing.
    """
    present_BQ = where_BQL.any(dim=2).to(heard_BQL.dtype)
    inside_BQ = (heard_BQL * where_BQL).sum(dim=2)
    return (present_BQ - inside_BQ).abs().sum() / (frames * heard_BQL.shape[0])
