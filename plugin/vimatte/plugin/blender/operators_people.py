"""Operators for the node and for the people in it."""
# mypy: disable-error-code="misc, valid-type"
# ruff: noqa: N801 - Blender asks for such class names

from __future__ import annotations

from typing import Any, ClassVar

import bpy
from bpy.props import StringProperty

from . import node_group, people
from .errors import UserError
from .operators_common import group_of, guarded

_GROUP = "Name of the node group; empty: the active node's"
_PERSON = "Name or id; empty: the one active in the panel"


class VIMATTE_OT_add_node(bpy.types.Operator):
    """Add a node with one matte for each person in a shot."""

    bl_idname = "vimatte.add_node"
    bl_label = "Video Instance Matte"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    name: StringProperty(name="Name", default="Video Instance Matte")
    image: StringProperty(name="Image", description="Name of an image, movie or sequence of this .blend")
    clip: StringProperty(name="Movie Clip", description="Name of a movie clip of this .blend")

    def execute(self, context: Any) -> set[str]:
        """Run it."""

        def action() -> str:
            picked = {}
            for what, collection in (("image", bpy.data.images), ("clip", bpy.data.movieclips)):
                if wanted := getattr(self, what):
                    if collection.get(wanted) is None:
                        raise UserError(f"This .blend has no {what} '{wanted}'.")
                    picked[what] = collection[wanted]
            parent = _tree_to_add_to(context)
            tree = node_group.new_group(self.name)
            settings = tree.vimatte
            if "clip" in picked:
                settings.source_kind = "CLIP"
            for what, value in picked.items():
                setattr(settings, what, value)
            node = parent.nodes.new("CompositorNodeGroup")
            node.node_tree, node.width = tree, 200
            for other in parent.nodes:
                other.select = other == node
            parent.nodes.active = node
            if getattr(context.space_data, "type", "") == "NODE_EDITOR":
                node.location = context.space_data.cursor_location
            return f"Added '{tree.name}'; its panel is in the sidebar (N), tab Vimatte."

        return guarded(self, action)

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Add it under the mouse, ready to be moved."""
        space = context.space_data
        if getattr(space, "type", "") == "NODE_EDITOR" and context.region.type == "WINDOW":
            space.cursor_location_from_region(event.mouse_region_x, event.mouse_region_y)
            result = self.execute(context)
            if result == {"FINISHED"}:
                bpy.ops.node.translate_attach_remove_on_cancel("INVOKE_DEFAULT")
            return result
        return self.execute(context)


def _tree_to_add_to(context: Any) -> Any:
    space = context.space_data
    if getattr(space, "type", "") == "NODE_EDITOR" and space.tree_type == "CompositorNodeTree" and space.edit_tree:
        return space.edit_tree
    scene = context.scene
    if bpy.app.version >= (5, 0, 0):
        if scene.compositing_node_group is None:
            scene.compositing_node_group = bpy.data.node_groups.new("Compositing Nodes", "CompositorNodeTree")
        return scene.compositing_node_group
    scene.use_nodes = True
    return scene.node_tree


class VIMATTE_OT_rename(bpy.types.Operator):
    """Rename a person: the socket now, the layer at the next Matte."""

    bl_idname = "vimatte.rename"
    bl_label = "Rename"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    group: StringProperty(name="Group", description=_GROUP)
    person: StringProperty(name="Person", description=_PERSON)
    name: StringProperty(name="New name")

    def execute(self, context: Any) -> set[str]:
        """Run it."""

        def action() -> str:
            person = people.person_of(group_of(context, self.group), self.person)
            person.name = self.name
            return f"Renamed to {person.name}."

        return guarded(self, action)


class VIMATTE_OT_drop(bpy.types.Operator):
    """Leave a person out: the socket now, the layer at the next Matte."""

    bl_idname = "vimatte.drop"
    bl_label = "Drop"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    group: StringProperty(name="Group", description=_GROUP)
    person: StringProperty(name="Person", description=_PERSON)

    def execute(self, context: Any) -> set[str]:
        """Run it."""
        return guarded(self, lambda: f"Dropped {people.drop(group_of(context, self.group), self.person)}.")


class VIMATTE_OT_merge(bpy.types.Operator):
    """Make one person of those chosen and the active one (somebody who was found twice)."""

    bl_idname = "vimatte.merge"
    bl_label = "Merge"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    group: StringProperty(name="Group", description=_GROUP)
    person: StringProperty(name="Into", description=_PERSON)
    others: StringProperty(name="Others", description="Names or ids with commas between; empty: those chosen")

    def execute(self, context: Any) -> set[str]:
        """Run it."""

        def action() -> str:
            tree = group_of(context, self.group)
            others = [o.strip() for o in self.others.split(",") if o.strip()]
            others = others or [p.name for p in tree.vimatte.people if p.chosen]
            return f"Merged into {people.merge(tree, self.person, others)}."

        return guarded(self, action)


class VIMATTE_OT_solo(bpy.types.Operator):
    """Look at one person's matte alone in the viewer; press again to end it."""

    bl_idname = "vimatte.solo"
    bl_label = "Solo"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    group: StringProperty(name="Group", description=_GROUP)
    person: StringProperty(name="Person", description=_PERSON)

    def execute(self, context: Any) -> set[str]:
        """Run it."""

        def action() -> None:
            people.solo(group_of(context, self.group), self.person)

        return guarded(self, action)


class VIMATTE_OT_refresh(bpy.types.Operator):
    """Read the layers on disk anew and make the sockets fit; links that still make sense stay."""

    bl_idname = "vimatte.refresh"
    bl_label = "Refresh"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    group: StringProperty(name="Group", description=_GROUP)

    def execute(self, context: Any) -> set[str]:
        """Run it."""

        def action() -> None:
            tree = group_of(context, self.group)
            for image in filter(None, (tree.vimatte.layers, tree.vimatte.crypto)):
                image.reload()
            node_group.rebuild(tree)

        return guarded(self, action)


classes = (
    VIMATTE_OT_add_node,
    VIMATTE_OT_drop,
    VIMATTE_OT_merge,
    VIMATTE_OT_refresh,
    VIMATTE_OT_rename,
    VIMATTE_OT_solo,
)


def register() -> None:
    """Add the operators."""
    for cls in classes:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Mirror `register`."""
    for cls in reversed(classes):
        bpy.utils.unregister_class(cls)
