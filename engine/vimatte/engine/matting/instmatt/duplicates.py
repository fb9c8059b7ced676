"""Which of several mattes show somebody whom another matte shows already."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["duplicates"]

_THERE = 0.01
_CROWD = 8
_TOUCHES, _SAME = 0.3, 0.5


def duplicates(targets: Tensor) -> Tensor:
    """Return (n) bool, true for those that refinement must leave out, from target mattes (n, h, w) in [0, 1].

    The overlap of two is |a and b| / (min(|a|, |b|) + 1) of what lies above 0.01. Out are a matte that overlaps more
    than one other by more than 0.3, and the later one of two that overlap by more than 0.5. In a crowd of more than
    eight every second pixel is looked at, as the authors do.
    """
    if len(targets) > _CROWD:
        targets = targets[:, ::2, ::2]
    # Float32 counts pixels exactly up to 16 million of them, and every device can multiply it.
    there = (targets > _THERE).flatten(1).float()
    area = there.sum(dim=1)
    overlap = (there @ there.T) / (torch.minimum(area[:, None], area[None, :]) + 1.0)
    overlap.fill_diagonal_(0.0)
    crowded = (overlap > _TOUCHES).sum(dim=1) > 1
    later = (torch.triu(overlap, diagonal=1) > _SAME).any(dim=0)
    return crowded | later
