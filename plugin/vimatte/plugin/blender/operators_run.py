"""Operators that have the engine do something."""
# mypy: disable-error-code="misc, valid-type"
# ruff: noqa: N801 - Blender asks for such class names

from __future__ import annotations

from typing import Any, ClassVar

import bpy
from bpy.props import BoolProperty, FloatProperty, StringProperty

from . import tasks
from .errors import UserError
from .operators_common import group_of, guarded
from .session import LOG, Task, current

_WAIT = "Return when it is over; always on without a window"


def _run(operator: Any, task: Task) -> str | None:
    current.start(task)
    if not operator.wait:
        return None
    current.wait()
    if current.failed:
        raise UserError(current.message)
    return current.message


class VIMATTE_OT_find_people(bpy.types.Operator):
    """Find and follow everybody in the source; you can then rename, merge and drop them."""

    bl_idname = "vimatte.find_people"
    bl_label = "Find people"

    group: StringProperty(name="Group", description="Name of the node group; empty: the active node's")
    wait: BoolProperty(name="Wait", description=_WAIT, default=bpy.app.background)

    def execute(self, context: Any) -> set[str]:
        """Run it."""
        return guarded(self, lambda: _run(self, tasks.find_task(group_of(context, self.group), context.scene)))


class VIMATTE_OT_matte(bpy.types.Operator):
    """Write one soft matte for each person and frame, and give each a socket."""

    bl_idname = "vimatte.matte"
    bl_label = "Matte"

    group: StringProperty(name="Group", description="Name of the node group; empty: the active node's")
    wait: BoolProperty(name="Wait", description=_WAIT, default=bpy.app.background)

    def execute(self, context: Any) -> set[str]:
        """Run it."""
        return guarded(self, lambda: _run(self, tasks.matte_task(group_of(context, self.group), context.scene)))


class VIMATTE_OT_test_engine(bpy.types.Operator):
    """Start the engine and show what it says of this machine (vimatte doctor)."""

    bl_idname = "vimatte.test_engine"
    bl_label = "Test engine"

    wait: BoolProperty(name="Wait", description=_WAIT, default=bpy.app.background)

    def execute(self, _context: Any) -> set[str]:
        """Run it."""
        current.doctor = []
        return guarded(self, lambda: _run(self, tasks.doctor_task()))


class VIMATTE_OT_cancel(bpy.types.Operator):
    """Stop what runs; every frame that was written stays whole."""

    bl_idname = "vimatte.cancel"
    bl_label = "Cancel"

    wait: BoolProperty(name="Wait", description=_WAIT, default=bpy.app.background)

    @classmethod
    def poll(cls, _context: Any) -> bool:
        """Only while something runs."""
        return current.busy

    def execute(self, _context: Any) -> set[str]:
        """Run it."""
        current.cancel()
        if self.wait:
            current.wait(30)
        return {"FINISHED"}


class VIMATTE_OT_wait(bpy.types.Operator):
    """Wait for what runs, for scripts without a window; 0 seconds only takes in what the engine said."""

    bl_idname = "vimatte.wait"
    bl_label = "Wait"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    seconds: FloatProperty(name="Seconds", default=3600, min=0)

    def execute(self, _context: Any) -> set[str]:
        """Run it."""
        return {"FINISHED"} if current.wait(self.seconds) else {"CANCELLED"}


class VIMATTE_OT_stop_engine(bpy.types.Operator):
    """End the engine's process; it starts again when asked."""

    bl_idname = "vimatte.stop_engine"
    bl_label = "Stop engine"

    def execute(self, _context: Any) -> set[str]:
        """Run it."""
        current.close()
        return {"FINISHED"}


class VIMATTE_OT_open_log(bpy.types.Operator):
    """Show the engine's log in a Text Editor that is open, else say where it is."""

    bl_idname = "vimatte.open_log"
    bl_label = "Open log"

    def execute(self, context: Any) -> set[str]:
        """Run it."""

        def action() -> str:
            current.tick()
            text = bpy.data.texts.get(LOG)
            if text is None:
                raise UserError("There is no log yet; it begins when the engine is first used.")
            for area in context.screen.areas if context.screen else ():
                if area.type == "TEXT_EDITOR":
                    area.spaces.active.text = text
            return f"The log is the text block '{LOG}'."

        return guarded(self, action)


classes = (
    VIMATTE_OT_cancel,
    VIMATTE_OT_find_people,
    VIMATTE_OT_matte,
    VIMATTE_OT_open_log,
    VIMATTE_OT_stop_engine,
    VIMATTE_OT_test_engine,
    VIMATTE_OT_wait,
)


def register() -> None:
    """Add the operators."""
    for cls in classes:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Mirror `register`."""
    for cls in reversed(classes):
        bpy.utils.unregister_class(cls)
