"""How the plate's colours are taken: what Nuke's knobs say, in the words of the engine's jobs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Colour", "colour_of", "find_config"]

# A knob shows a role, or the default, with what it stands for in brackets.
_STANDS_FOR = re.compile(
    r"(?:default|color_picking|color_timing|compositing_linear|compositing_log|data|matte_paint|reference|rendering|"
    r"scene_linear|texture_paint) \((?P<name>.+)\)"
)
_LINEAR = "Linear Rec.709 (sRGB)"
# Nuke's own curves that the engine's built-in config has by name. A camera's curve says nothing of its primaries.
_CURVES = {"linear": _LINEAR, "rec709": "Camera Rec.709", "sRGB": "sRGB Encoded Rec.709 (sRGB)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    """Colour management of the script, as the project's knobs have it."""

    managed_by_ocio: bool
    """Whether OCIO does it; else Nuke's own curves do."""
    config: str = ""
    """Path of the OCIO config; empty where $OCIO names it for both, or where it is not known."""
    config_known: bool = True
    """Whether the engine can have the same config."""
    working: str = ""
    """Working space, in the knob's words."""


def colour_of(colour: Colour, *, colorspace: str, raw: bool, from_read: bool) -> dict[str, str]:
    """Give the job's fields: `in_space` of the plate, `working_space` of the plate in the layers, `ocio`.

    Only how a network sees the plate depends on this; mattes are never converted. What is not known is left to the
    engine, which goes by the file.
    """
    if raw or not from_read:
        return {"working_space": "source"}
    name = _spelled(colorspace)
    if not colour.managed_by_ocio:
        known = _CURVES.get(name)
        return {"working_space": "source"} if known is None else {"in_space": known, "working_space": _LINEAR}
    if not colour.config_known or not name:
        return {"working_space": "source"}
    fields = {"in_space": name, "working_space": _spelled(colour.working) or "scene_linear"}
    return {**fields, "ocio": colour.config} if colour.config else fields


def find_config(chosen: str, *, custom: str, program: Path, environ: Mapping[str, str]) -> tuple[str, bool]:
    """Find the project's OCIO config: its path, empty where $OCIO names it for both, and whether it was found.

    `chosen`: the project's knob, 'custom' or the name of a config that comes with Nuke; `program`: Nuke's own file.
    """
    if environ.get("OCIO"):
        return "", True
    if chosen == "custom":
        return custom, bool(custom)
    shipped = program.parent / "plugins" / "OCIOConfigs" / "configs"
    for path in (shipped / chosen / "config.ocio", shipped / f"{chosen}.ocio"):
        if path.is_file():
            return path.as_posix(), True
    return "", False


def _spelled(text: str) -> str:
    match = _STANDS_FOR.fullmatch(text.strip())
    return match["name"] if match is not None else text.strip()
