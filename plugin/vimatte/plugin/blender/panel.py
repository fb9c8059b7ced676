"""The sidebar panel of a Video Instance Matte, and its place in the Add menu."""
# mypy: disable-error-code="misc, valid-type"
# ruff: noqa: N801 - Blender asks for such class names

from __future__ import annotations

from typing import Any

import bpy

from . import thumbnails
from .operators_common import active_group
from .session import current


class VIMATTE_UL_people(bpy.types.UIList):
    """One row for each person."""

    def draw_item(
        self, _context: Any, layout: Any, settings: Any, person: Any, _icon: int, _data: Any, _property: str,
        _index: int = 0, _flag: int = 0,
    ) -> None:  # fmt: skip
        """Draw a person: chosen, colour, picture, name, solo, drop."""
        # The panel splits properties from their names, which a row has no room for.
        layout.use_property_split = False
        row = layout.row(align=True)
        row.prop(person, "chosen", text="")
        chip = row.row()
        chip.ui_units_x = 0.7
        chip.prop(person, "colour", text="")
        row.label(text="", icon_value=thumbnails.icon(person.thumbnail))
        row.prop(person, "name", text="", emboss=False)
        eye = "HIDE_OFF" if settings.solo == person.uid else "HIDE_ON"
        row.operator("vimatte.solo", text="", icon=eye, emboss=False).person = str(person.uid)
        row.operator("vimatte.drop", text="", icon="X", emboss=False).person = str(person.uid)


class VIMATTE_PT_matte(bpy.types.Panel):
    """Everything about the active Video Instance Matte."""

    bl_idname = "VIMATTE_PT_matte"
    bl_label = "Video Instance Matte"
    bl_space_type = "NODE_EDITOR"
    bl_region_type = "UI"
    bl_category = "Vimatte"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """In the compositor only."""
        return bool(getattr(context.space_data, "tree_type", "") == "CompositorNodeTree")

    def draw(self, context: Any) -> None:
        """Draw the panel from top to bottom, in the order of work."""
        layout = self.layout
        tree = active_group(context)
        if tree is None:
            layout.label(text="Select or add a Video Instance Matte.")
            layout.operator("vimatte.add_node", icon="ADD")
            _draw_message(layout)
            return
        settings = tree.vimatte
        layout.use_property_split = True
        layout.use_property_decorate = False
        _draw_source(layout, settings)
        _draw_run(layout)
        _draw_people(layout, settings)


class VIMATTE_PT_output(bpy.types.Panel):
    """How it is made and where it goes."""

    bl_idname = "VIMATTE_PT_output"
    bl_parent_id = "VIMATTE_PT_matte"
    bl_label = "Quality and Files"
    bl_space_type = "NODE_EDITOR"
    bl_region_type = "UI"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """For one of our nodes only."""
        return active_group(context) is not None

    def draw(self, context: Any) -> None:
        """Draw the settings."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = active_group(context).vimatte
        for name in ("quality", "resolution", "depth", "device", "max_people", "cryptomatte", "folder", "redo"):
            layout.prop(settings, name)
        layout.label(text=_size(settings))


class VIMATTE_PT_engine(bpy.types.Panel):
    """The engine."""

    bl_idname = "VIMATTE_PT_engine"
    bl_parent_id = "VIMATTE_PT_matte"
    bl_label = "Engine"
    bl_space_type = "NODE_EDITOR"
    bl_region_type = "UI"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - Blender reads it from the class

    def draw(self, _context: Any) -> None:
        """Draw the engine's state."""
        draw_doctor(self.layout)
        self.layout.operator("vimatte.open_log", icon="TEXT")


class VIMATTE_MT_matte(bpy.types.Menu):
    """Add > Matte."""

    bl_idname = "VIMATTE_MT_matte"
    bl_label = "Matte"

    def draw(self, _context: Any) -> None:
        """Draw the entries."""
        self.layout.operator("vimatte.add_node", icon="OUTLINER_OB_ARMATURE")


def draw_doctor(layout: Any) -> None:
    """The Test button and the engine's answer."""
    row = layout.row()
    row.enabled = not current.busy
    row.operator("vimatte.test_engine", icon="CHECKMARK")
    for what, how in current.doctor:
        _wrap(layout, f"{what}: {how}", icon="NONE")
    if not current.doctor:
        _draw_message(layout)


def _draw_source(layout: Any, settings: Any) -> None:
    layout.prop(settings, "source_kind", expand=True)
    layout.prop(settings, "clip" if settings.source_kind == "CLIP" else "image")
    column = layout.column(align=True)
    column.prop(settings, "frame_start")
    column.prop(settings, "frame_duration")
    column.prop(settings, "frame_offset")
    layout.prop(settings, "only_scene")
    layout.prop(settings, "mask")
    layout.prop(settings, "mask_folder")


def _draw_run(layout: Any) -> None:
    task = current.task
    if task is not None and task.job is not None:
        layout.progress(factor=task.job.fraction, text=task.job.line())
        layout.operator("vimatte.cancel", icon="CANCEL")
    else:
        row = layout.row(align=True)
        row.scale_y = 1.4
        row.operator("vimatte.find_people", icon="VIEWZOOM")
        row.operator("vimatte.matte", icon="RENDER_ANIMATION")
    _draw_message(layout)


def _draw_message(layout: Any) -> None:
    if current.message:
        _wrap(layout, current.message, icon="ERROR" if current.failed else "INFO")
    for warning in current.warnings:
        _wrap(layout, warning, icon="QUESTION")


def _draw_people(layout: Any, settings: Any) -> None:
    if not settings.people:
        return
    layout.template_list("VIMATTE_UL_people", "", settings, "people", settings, "active", rows=4)
    if settings.active < len(settings.people):
        person = settings.people[settings.active]
        row = layout.row()
        if icon := thumbnails.icon(person.thumbnail):
            row.template_icon(icon_value=icon, scale=4)
        column = row.column()
        column.label(text=person.name)
        column.label(text=f"Frames {person.first}-{person.last}")
        if person.layer != person.name:
            column.label(text=f"On disk: {person.layer}")
    row = layout.row(align=True)
    row.operator("vimatte.merge", icon="AUTOMERGE_ON")
    row.operator("vimatte.refresh", icon="FILE_REFRESH")
    if settings.edits not in ("", "[]"):
        _wrap(layout, "Press Matte to bring the layers on disk up to date with your changes.", icon="INFO")
    if settings.missing:
        _wrap(layout, f"Scene frames without layers: {settings.missing}", icon="ERROR")


def _size(settings: Any) -> str:
    owner = settings.clip if settings.source_kind == "CLIP" else settings.image
    size = tuple(owner.size) if owner is not None else (0, 0)
    return f"Layers: {size[0]} x {size[1]}, as the source" if size[0] else "Layers: as large as the source"


def _wrap(layout: Any, text: str, *, icon: str) -> None:
    """Labels do not break lines."""
    region = bpy.context.region
    scale = bpy.context.preferences.system.ui_scale
    width = max(20, int((region.width / scale - 60) / 7)) if region is not None else 40
    column = layout.column(align=True)
    line = ""
    lines = []
    for word in text.split():
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    for i, each in enumerate([*lines, line]):
        column.label(text=each, icon=icon if i == 0 else "BLANK1")


def _add_menu(menu: Any, context: Any) -> None:
    if getattr(context.space_data, "tree_type", "") == "CompositorNodeTree":
        menu.layout.menu("VIMATTE_MT_matte")


classes = (VIMATTE_UL_people, VIMATTE_MT_matte, VIMATTE_PT_matte, VIMATTE_PT_output, VIMATTE_PT_engine)


def register() -> None:
    """Add the panel and the menu."""
    for cls in classes:
        bpy.utils.register_class(cls)
    bpy.types.NODE_MT_add.append(_add_menu)


def unregister() -> None:
    """Mirror `register`."""
    bpy.types.NODE_MT_add.remove(_add_menu)
    for cls in reversed(classes):
        bpy.utils.unregister_class(cls)
