"""The multi-instance refinement network: tri-mattes of several people made to agree (InstMatt, section 3.3, Eq. 7-9).

Names carry shapes: N people seen in the same window, C channels, H W pixels; T, R, B stand for a person's target, its
reference (all other people) and the background.
"""

# ruff: noqa: N803, N806 - names carry shapes

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["FEATURES", "SLOPE", "Refiner", "interact"]

FEATURES = 32
"""Channels of the matting branch's full-resolution feature."""
SLOPE = 0.2


class Refiner(nn.Module):
    """One step of refinement over one window: separation, interaction, aggregation."""

    def __init__(self) -> None:
        super().__init__()
        self.split = nn.Conv2d(3 * FEATURES, 48, 3, padding=1, groups=3)
        # 48 + 3: the paper's figure does not show it, but the trained network is also given the picture.
        self.merge = nn.Sequential(
            nn.Conv2d(48 + 3, 32, 3, padding=1), nn.LeakyReLU(SLOPE), nn.Conv2d(32, 32, 3, padding=1)
        )
        self.head = nn.Conv2d(32, 3, 3, padding=1)

    def forward(self, picture_N3HW: Tensor, alpha_N3HW: Tensor, feature_NCHW: Tensor) -> Tensor:
        """Return new tri-mattes (n, 3, h, w) in [0, 1].

        Args:
            picture_N3HW: Normalised; (1, 3, h, w) where everybody is seen in the same picture.
            alpha_N3HW: Tri-mattes so far, in [0, 1].
            feature_NCHW: (n, 32, h, w), of the matting branch.
        """
        apart_NCHW = torch.cat([feature_NCHW * alpha for alpha in torch.split(alpha_N3HW, 1, dim=1)], dim=1)
        shared_NCHW = interact(self.split(apart_NCHW))
        seen_N3HW = picture_N3HW.expand(alpha_N3HW.shape[0], -1, -1, -1)
        merged_NCHW = self.merge(torch.cat([shared_NCHW, seen_N3HW], dim=1))
        logits_N3HW: Tensor = self.head(merged_NCHW)
        return (torch.tanh(logits_N3HW) + 1.0) / 2.0


def interact(split_NCHW: Tensor) -> Tensor:
    """Let (n, 48, h, w) features - T, R, B of 16 channels each - learn of each other, all from the old ones at once.

    Eq. 7-9 without the factor 1/2 of the first two: the trained network has none. The sum of references in Eq. 7 holds
    the person's own; n - 1 divides it all the same, and 1 does where a person is alone.
    """
    target_NCHW, reference_NCHW, background_NCHW = split_NCHW.chunk(3, dim=1)
    people = split_NCHW.shape[0]
    others_NCHW = target_NCHW.sum(dim=0, keepdim=True) - target_NCHW
    references_1CHW = reference_NCHW.sum(dim=0, keepdim=True) / max(people - 1, 1)
    return torch.cat(
        [
            target_NCHW + references_1CHW - others_NCHW,
            reference_NCHW + others_NCHW,
            background_NCHW.mean(dim=0, keepdim=True).expand(people, -1, -1, -1),
        ],
        dim=1,
    )
