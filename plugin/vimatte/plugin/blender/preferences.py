"""The add-on's preferences: where the engine is."""
# mypy: disable-error-code="misc, valid-type"
# ruff: noqa: N801 - Blender asks for such class names

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import StringProperty

ADDON = __package__.rpartition(".")[0]
"""Name under which Blender knows the add-on: the package that holds this one and the bridge."""


class VIMATTE_AP_preferences(bpy.types.AddonPreferences):
    """Where the engine is."""

    bl_idname = ADDON

    engine: StringProperty(
        name="Engine", subtype="FILE_PATH",
        description="The vimatte program, its Python, or the folder of its virtual environment; empty: "
        "$VIMATTE_ENGINE, ~/.vimatte/venv, ~/vimatte/.venv, the search path",
    )  # fmt: skip

    def draw(self, _context: Any) -> None:
        """Draw the preferences."""
        from .panel import draw_doctor

        self.layout.prop(self, "engine")
        draw_doctor(self.layout)


def engine_path() -> str:
    """What the user set, or nothing."""
    addon = bpy.context.preferences.addons.get(ADDON)
    if addon is None or addon.preferences is None:
        return ""
    return bpy.path.abspath(addon.preferences.engine) if addon.preferences.engine else ""


classes = (VIMATTE_AP_preferences,)


def register() -> None:
    """Add the preferences."""
    for cls in classes:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Mirror `register`."""
    for cls in reversed(classes):
        bpy.utils.unregister_class(cls)
