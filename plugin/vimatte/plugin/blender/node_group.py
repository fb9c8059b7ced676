"""The plain node group: an image sequence, its layers as sockets. It renders where the add-on is not installed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import bpy

_PLATE = ("Combined", "Alpha")


class _Socket(NamedTuple):
    key: str
    name: str
    type: str


def new_group(name: str) -> Any:
    """Make an empty Video Instance Matte."""
    tree = bpy.data.node_groups.new(name, "CompositorNodeTree")
    tree.vimatte.is_matte = True
    rebuild(tree)
    return tree


def rebuild(tree: Any) -> None:
    """Make sockets and inner nodes fit the settings; sockets that stay keep their links, renamed ones too."""
    settings = tree.vimatte
    tree.nodes.clear()
    out = tree.nodes.new("NodeGroupOutput")
    out.location = (500, 0)
    items = _fit_interface(tree, list(_wanted(settings)))
    sinks = {s.identifier: s for s in out.inputs if s.identifier}
    for key, socket in _shown(tree, settings).items():
        if key in items:
            tree.links.new(socket, sinks[items[key].identifier])


def parents(tree: Any) -> Iterator[tuple[Any, Any]]:
    """(node tree, group node) for each place where the group is used."""
    trees = list(bpy.data.node_groups)
    if bpy.app.version < (5, 0, 0):
        trees += [s.node_tree for s in bpy.data.scenes if s.node_tree is not None]
    for one in trees:
        for node in one.nodes:
            if node.bl_idname == "CompositorNodeGroup" and node.node_tree == tree:
                yield one, node


def place_cryptomatte(tree: Any) -> bool:
    """Put a Cryptomatte node beside the group's node, or bring it up to date; returns whether there is one.

    Beside, not inside: before version 5 Blender refuses Cryptomatte nodes in groups.
    """
    settings = tree.vimatte
    name = f"{tree.name} Cryptomatte"
    placed = False
    for parent, group in parents(tree):
        node = parent.nodes.get(name)
        if node is None:
            try:
                node = parent.nodes.new("CompositorNodeCryptomatteV2")
            except RuntimeError:
                continue
            node.name = node.label = name
            node.location = (group.location.x, group.location.y - 320)
            node.source = "IMAGE"
        _place(node, settings.crypto, settings)
        # Version 4.2 looks for layers only when the drop-down is drawn or, here, read.
        _ = node.layer_name
        if not node.matte_id:
            node.matte_id = ",".join(p.layer for p in settings.people)
        placed = True
    return placed


def socket_of(tree: Any, node: Any, uid: int) -> Any:
    """The group node's output for a person."""
    identifier = json.loads(tree.vimatte.sockets).get(f"person:{uid}")
    return next(s for s in node.outputs if s.identifier == identifier)


def _wanted(settings: Any) -> Iterator[_Socket]:
    for name, kind in zip(_PLATE, ("NodeSocketColor", "NodeSocketFloat"), strict=True):
        yield _Socket(f"plate:{name}", name, kind)
    for person in settings.people:
        yield _Socket(f"person:{person.uid}", person.name, "NodeSocketFloat")


def _fit_interface(tree: Any, wanted: list[_Socket]) -> dict[str, Any]:
    settings = tree.vimatte
    known: dict[str, str] = json.loads(settings.sockets or "{}")
    there = {i.identifier: i for i in tree.interface.items_tree if i.item_type == "SOCKET" and i.in_out == "OUTPUT"}
    keep = {key: there[known[key]] for key, _, _ in wanted if known.get(key) in there}
    for identifier, item in there.items():
        if identifier not in {i.identifier for i in keep.values()}:
            tree.interface.remove(item)
    for place, (key, name, kind) in enumerate(wanted):
        if key not in keep:
            keep[key] = tree.interface.new_socket(name, in_out="OUTPUT", socket_type=kind)
        if keep[key].name != name:
            keep[key].name = name
        tree.interface.move(keep[key], place)
    settings.sockets = json.dumps({key: item.identifier for key, item in keep.items()})
    return keep


def _shown(tree: Any, settings: Any) -> dict[str, Any]:
    """Inner outputs by socket key."""
    if settings.layers is None:
        return {}
    image = _image_node(tree, "CompositorNodeImage", settings.layers, settings)
    layers = {s.name: s for s in image.outputs if s.enabled}
    shown = {f"plate:{name}": layers[name] for name in _PLATE if name in layers}
    height = 0
    for person in settings.people:
        parts = [layers[n] for n in (person.layer, *filter(None, person.added.split(","))) if n in layers]
        if not parts:
            continue
        total = parts[0]
        for part in parts[1:]:
            # Layers never sum to more than one, so merged people need no clamp.
            add = tree.nodes.new("ShaderNodeMath" if bpy.app.version >= (5, 0, 0) else "CompositorNodeMath")
            add.operation, add.label = "ADD", f"{person.name} merged"
            add.location = (250, height)
            height -= 160
            tree.links.new(total, add.inputs[0])
            tree.links.new(part, add.inputs[1])
            total = add.outputs[0]
        shown[f"person:{person.uid}"] = total
    return shown


def _image_node(tree: Any, kind: str, image: Any, settings: Any) -> Any:
    node = tree.nodes.new(kind)
    _place(node, image, settings)
    return node


def _place(node: Any, image: Any, settings: Any) -> None:
    node.image = image
    if image.source == "FILE":
        return
    node.frame_start = settings.layers_start
    node.frame_duration = settings.layers_duration
    node.frame_offset = settings.layers_offset
    node.use_auto_refresh = True
