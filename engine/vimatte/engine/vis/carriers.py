"""Who carries masks from frame to frame."""

from __future__ import annotations

from typing import Literal

__all__ = ["CARRIERS", "Carrier"]

Carrier = Literal["classical", "lite"]
"""Without learned weights, or by the network that comes with the program."""
CARRIERS: tuple[Carrier, ...] = ("classical", "lite")
