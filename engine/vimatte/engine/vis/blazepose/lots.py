"""Work dealt out: batches as large as each other, as many for one thread as for the next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import torch

__all__ = ["HANDS", "lots"]

_Item = TypeVar("_Item")
HANDS = 2
"""Threads that look at once: more would need more memory, and what is left of the cores serves each of them."""
_MOST = 8
"""In a batch."""


def lots(items: Sequence[_Item], *, device: torch.device) -> list[Sequence[_Item]]:
    """Cut `items`, in order, into batches; on a CPU a multiple of HANDS of them where there are enough."""
    ways = HANDS if device.type == "cpu" else 1
    many = min(len(items), ways * -(-len(items) // (ways * _MOST)))
    return [items[a:b] for a, b in pairwise(len(items) * k // many for k in range(many + 1))] if many else []
