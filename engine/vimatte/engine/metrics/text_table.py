"""Plain text tables: names to the left, numbers to the right."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["number", "text_table"]


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 2) -> str:
    """Lay out a head and rows of as many cells; the first `left` columns stand to the left."""
    widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, *rows]:
        cells = [c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def number(value: float, *, digits: int, scale: float = 1.0) -> str:
    """Write a value times a scale, a dash for nan."""
    return "-" if math.isnan(value) else f"{value * scale:.{digits}f}"
