"""The `edgetam` people finder: like `sam2`, with a network small enough for a laptop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from vimatte.engine.vis.hub.promptable import Promptable

__all__ = ["EdgeTam"]


class EdgeTam(Promptable):
    """Follows whom it is shown with an EdgeTAM checkpoint of transformers (its picture encoder needs timm)."""

    name: ClassVar[str] = "edgetam"
    types: ClassVar[Mapping[str, str]] = {"edgetam_video": "EdgeTamVideoModel"}
