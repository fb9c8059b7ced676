"""Masks of a target, of its reference (all other people) and of the background: what guides the matting branch."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["summed_tri_masks", "united_tri_masks"]


def united_tri_masks(masks: Tensor) -> Tensor:
    """Return (n, 3, h, w) from masks (n, h, w) in [0, 1]: reference and background by union (Eq. 5 and 6)."""
    nobody = torch.zeros_like(masks[0])
    references = [
        torch.cat([masks[:row], masks[row + 1 :]]).amax(dim=0) if len(masks) > 1 else nobody
        for row in range(len(masks))
    ]
    background = 1.0 - masks.amax(dim=0)
    return torch.stack([masks, torch.stack(references), background.expand_as(masks)], dim=1)


def summed_tri_masks(masks: Tensor) -> Tensor:
    """Return (n, 3, h, w) by sums, as the published script does.

    Where masks overlap the reference exceeds 1 and the background is negative; where they do not, this is the union.
    """
    everybody = masks.sum(dim=0)
    return torch.stack([masks, everybody - masks, (1.0 - everybody).expand_as(masks)], dim=1)
