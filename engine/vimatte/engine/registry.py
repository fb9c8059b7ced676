"""Backends and models by name: tables of import strings plus entry points, imported when named."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from vimatte.engine.errors import BackendError

__all__ = ["MATTING", "VIS", "Table"]


class Table:
    """Names that can be opened; the built-in ones first, then what other packages offer as entry points."""

    def __init__(self, kind: str, group: str, built_in: Mapping[str, str]) -> None:
        self.kind = kind
        self._group = group
        self._built_in = dict(built_in)

    def names(self) -> tuple[str, ...]:
        """Every name that can be opened, sorted."""
        return tuple(sorted({*self._built_in, *(e.name for e in entry_points(group=self._group))}))

    def load(self, name: str) -> Any:
        """Import the class behind a name. Raises BackendError for unknown names and missing extras."""
        target = self._built_in.get(name)
        if target is None:
            target = next((e.value for e in entry_points(group=self._group) if e.name == name), None)
        if target is None:
            raise BackendError(f"There is no {self.kind} '{name}'; there is: {', '.join(self.names())}.")
        module, _, attribute = target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except ImportError as error:
            raise BackendError(
                f"The {self.kind} '{name}' needs the Python package '{error.name}', which is not installed; "
                f"type: pip install {error.name}"
            ) from error


VIS = Table(
    "people finder",
    "vimatte.vis",
    {
        "blazepose": "vimatte.engine.vis.blazepose:BlazePose",
        "detect": "vimatte.engine.vis.detect:Detect",
        "edgetam": "vimatte.engine.vis.edgetam:EdgeTam",
        "masks": "vimatte.engine.vis.masks:MasksBackend",
        "sam2": "vimatte.engine.vis.sam2:Sam2",
        "sam3": "vimatte.engine.vis.sam3:Sam3",
        "videomt": "vimatte.engine.vis.videomt:Videomt",
    },
)
MATTING = Table(
    "matting model",
    "vimatte.matting",
    {
        "classical": "vimatte.engine.matting.classical:Classical",
        "instmatt": "vimatte.engine.matting.instmatt:InstMattMatting",
        "lite": "vimatte.engine.matting.lite:Lite",
        "maggie": "vimatte.engine.matting.maggie:MaggieMatting",
        "masks": "vimatte.engine.matting.masks:MaskMattes",
        "msg-vim": "vimatte.engine.matting.msg_vim:MsgVim",
        "oavm": "vimatte.engine.matting.oavm:Oavm",
        "rvm": "vimatte.engine.matting.rvm:Rvm",
    },
)
