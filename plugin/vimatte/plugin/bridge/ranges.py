"""Frame numbers as the engine reads and writes them."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["in_runs"]


def in_runs(numbers: Iterable[int]) -> str:
    """Write ascending numbers as the engine's frame ranges: '1001-1003,1006'."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and runs[-1][1] == n - 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
