"""Which people finder runs where nobody named one: the one place that decides."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path

from vimatte.engine.vis.hub.sources import is_here

__all__ = ["MODEL_TYPES", "choose_finder"]

MODEL_TYPES: Mapping[str, tuple[str, ...]] = {
    "detect": ("eomt", "eomt_dinov3", "mask2former", "rf_detr"),
    "edgetam": ("edgetam_video",),
    "sam2": ("sam2_video",),
    "sam3": ("sam3_video",),
    "videomt": ("videomt",),
}
"""People finders that take `--weights`, and the model types (in config.json) that each runs."""


def choose_finder(vis: str, *, masks: bool = False, weights: Path | None = None, prompt: str | None = None) -> str:
    """Return the name of the people finder.

    Whoever is named, runs. Else: given masks are followed (`masks`); a folder of weights decides by what it holds; a
    text to look for is `sam3`'s; `videomt` where its weights lie in the cache and transformers is installed; and
    `blazepose` otherwise.
    """
    if vis != "auto":
        return vis
    if masks:
        return "masks"
    if weights is not None:
        return _finder_of(weights)
    if prompt is not None:
        return "sam3"
    if is_here("videomt") and importlib.util.find_spec("transformers") is not None:
        return "videomt"
    return "blazepose"


def _finder_of(folder: Path) -> str:
    """By the model's type; `videomt`, which will say what is wrong, where that is not known."""
    try:
        found = json.loads((folder.expanduser() / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError):
        return "videomt"
    return next((name for name, types in MODEL_TYPES.items() if found in types), "videomt")
