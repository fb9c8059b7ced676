"""The `sam2` people finder: masks, boxes and clicks on any frame, followed both ways by SAM 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from vimatte.engine.vis.hub.promptable import Promptable

__all__ = ["Sam2"]


class Sam2(Promptable):
    """Follows whom it is shown with a SAM 2 or 2.1 checkpoint of transformers."""

    name: ClassVar[str] = "sam2"
    types: ClassVar[Mapping[str, str]] = {"sam2_video": "Sam2VideoModel"}
