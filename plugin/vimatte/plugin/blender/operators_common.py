"""What all operators share: which node group is meant, and sentences instead of tracebacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy

from ..bridge import EngineError  # noqa: TID252 - the package has another name inside Blender
from .errors import UserError
from .session import current


def group_of(context: Any, name: str = "") -> Any:
    """The Video Instance Matte by name, of the active node, or the only one of the file. Raises UserError."""
    if name:
        tree = bpy.data.node_groups.get(name)
        if tree is None or not is_matte(tree):
            raise UserError(f"There is no Video Instance Matte named '{name}'; there is: {_known()}.")
        return tree
    if (tree := active_group(context)) is not None:
        return tree
    ours = [t for t in bpy.data.node_groups if is_matte(t)]
    if len(ours) == 1:
        return ours[0]
    raise UserError(f"Say which Video Instance Matte is meant: select its node, or give group=; there is: {_known()}.")


def active_group(context: Any) -> Any:
    """The group of the active node, or None."""
    node = getattr(context, "active_node", None)
    tree = getattr(node, "node_tree", None)
    return tree if tree is not None and is_matte(tree) else None


def is_matte(tree: Any) -> bool:
    """Whether a node group is one of ours."""
    return tree.bl_idname == "CompositorNodeTree" and bool(tree.vimatte.is_matte)


def guarded(operator: Any, action: Callable[[], str | None]) -> set[str]:
    """Do it and report: a sentence that came back as information, one that was raised as an error."""
    try:
        said = action()
    except (UserError, EngineError) as error:
        current.say(str(error), failed=True)
        operator.report({"ERROR"}, str(error))
        return {"CANCELLED"}
    if said:
        operator.report({"INFO"}, said)
    return {"FINISHED"}


def _known() -> str:
    return ", ".join(t.name for t in bpy.data.node_groups if is_matte(t)) or "none; Add > Matte > Video Instance Matte"
