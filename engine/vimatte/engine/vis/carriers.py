"""Who carries masks from frame to frame."""

from __future__ import annotations

from typing import Literal

__all__ = ["CARRIED", "CARRIER", "CARRIERS", "Carrier"]

Carrier = Literal["classical", "lite"]
"""Layers alone, without learned weights; or layers with the network that comes with the program."""
CARRIERS: tuple[Carrier, ...] = ("classical", "lite")
CARRIER: Carrier = "lite"
"""Where nobody asks for one."""
CARRIED = ("blazepose", "masks")
"""People finders that let it be chosen."""
