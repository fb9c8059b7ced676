"""Where another scene begins: one rule for everything that follows people through a shot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["alike", "is_cut"]


def is_cut(agree: float, *, before: NDArray[np.float64], now: NDArray[np.float64]) -> bool:
    """Whether another scene begins: hardly any flow returns, and the colours are others.

    `agree` is the mean trust in the flow between the two pictures, 0 to 1; `before` and `now` are histograms of their
    colours over one palette, of any scale. Both must say so: a whip pan loses the flow and keeps the colours.
    """
    return agree <= 0.15 and not alike(before, now)


def alike(before: NDArray[np.float64], now: NDArray[np.float64]) -> bool:
    """Whether two such histograms share so much that no other scene begins, whatever the flow says."""
    one, two = before / max(float(before.sum()), 1e-9), now / max(float(now.sum()), 1e-9)
    return float(np.minimum(one, two).sum()) >= 0.6
