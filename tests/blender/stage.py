"""What the scenarios share inside Blender: installing the zip, a compositor tree that writes sockets, rendering."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy

FIVE = bpy.app.version >= (5, 0, 0)
ADDON = "bl_ext.user_default.vimatte"


def install(zip_path: str) -> None:
    result = bpy.ops.extensions.package_install_files(repo="user_default", filepath=zip_path, enable_on_install=True)
    assert result == {"FINISHED"}, result


def session() -> Any:
    return importlib.import_module(f"{ADDON}.blender.session").current


def open_scene(folder: str, *, frames: tuple[int, int], size: tuple[int, int]) -> Any:
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(folder) / "shot Zoë.blend"))
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = frames
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = *size, 100
    render.use_compositing, render.use_sequencer = True, False
    render.compositor_device = "CPU"  # the default of 5.2, GPU, aborts on machines that have none
    render.compositor_precision = "FULL"
    scene.frame_set(frames[0])
    # Without what it begins with: rendering Render Layers needs a camera.
    tree(scene).nodes.clear()
    return scene


def tree(scene: Any) -> Any:
    if not FIVE:
        scene.use_nodes = True
        return scene.node_tree
    if scene.compositing_node_group is None:
        scene.compositing_node_group = bpy.data.node_groups.new("comp", "CompositorNodeTree")
    return scene.compositing_node_group


def sequence(path: str) -> Any:
    image = bpy.data.images.load(path)
    image.source = "SEQUENCE"
    return image


def add_node(scene: Any, image: Any, **settings: Any) -> tuple[Any, Any]:
    """The node and its group."""
    assert bpy.ops.vimatte.add_node(image=image.name) == {"FINISHED"}
    node = next(n for n in tree(scene).nodes if n.bl_idname == "CompositorNodeGroup")
    for name, value in settings.items():
        setattr(node.node_tree.vimatte, name, value)
    return node, node.node_tree


def write_sockets(scene: Any, sockets: Any, folder: str, stem: str = "shown_") -> dict[str, str]:
    """Link sockets to a File Output that writes 32-bit layers; returns {item: socket name}."""
    out = tree(scene).nodes.new("CompositorNodeOutputFile")
    if FIVE:
        out.format.media_type = "MULTI_LAYER_IMAGE"
    out.format.file_format = "OPEN_EXR_MULTILAYER"
    out.format.color_depth, out.format.exr_codec = "32", "ZIP"
    if hasattr(out.format, "use_exr_interleave"):
        out.format.use_exr_interleave = True
    if FIVE:
        out.directory, out.file_name = folder, stem
    else:
        out.base_path = str(Path(folder) / stem)
        out.layer_slots.clear()
    items = {}
    for i, socket in enumerate(sockets):
        name = f"s{i:02d}"
        items[name] = socket.name
        if FIVE:
            out.file_output_items.new({"VALUE": "FLOAT"}.get(socket.type, socket.type), name)
        else:
            out.layer_slots.new(name)
        tree(scene).links.new(socket, out.inputs[name])
    return items


def render(scene: Any, folder: str) -> None:
    scene.render.filepath = str(Path(folder) / "render_")
    bpy.ops.render.render(animation=True, scene=scene.name)


class Layout:
    """Stands in for a UILayout, which exists in windows only: what is drawn must be there."""

    def __init__(self) -> None:
        self.drawn: list[str] = []

    def prop(self, data: Any, name: str, **_: Any) -> None:
        assert name in data.bl_rna.properties, name
        self.drawn.append(name)

    def operator(self, name: str, **_: Any) -> Any:
        module, _, function = name.partition(".")
        assert function in dir(getattr(bpy.ops, module)), name
        self.drawn.append(name)
        return SimpleNamespace()

    def menu(self, name: str, **_: Any) -> None:
        assert hasattr(bpy.types, name), name
        self.drawn.append(name)

    def template_list(self, kind: str, _: str, data: Any, items: str, owner: Any, active: str, **__: Any) -> None:
        draw = getattr(bpy.types, kind).draw_item
        for item in getattr(data, items):
            draw(SimpleNamespace(), bpy.context, self, data, item, 0, owner, active)

    def label(self, *, text: str, **_: Any) -> None:
        self.drawn.append(text)

    def progress(self, *, factor: float, text: str) -> None:
        assert 0 <= factor <= 1
        self.drawn.append(text)

    def template_icon(self, *, icon_value: int, **_: Any) -> None:
        assert icon_value > 0

    def row(self, **_: Any) -> Layout:
        return self

    column = row


def draw_everything(node: Any) -> list[str]:
    """Draw every panel and menu of the add-on for this node, or for none; returns what was drawn."""
    space = SimpleNamespace(tree_type="CompositorNodeTree", type="NODE_EDITOR")
    context = SimpleNamespace(active_node=node, space_data=space, scene=bpy.context.scene)
    layout = Layout()
    for name in ("VIMATTE_PT_matte", "VIMATTE_PT_output", "VIMATTE_PT_engine", "VIMATTE_MT_matte"):
        kind = getattr(bpy.types, name)
        if not hasattr(kind, "poll") or name.startswith("VIMATTE_MT") or kind.poll(context):
            kind.draw(SimpleNamespace(layout=layout), context)
    importlib.import_module(f"{ADDON}.blender.panel")._add_menu(SimpleNamespace(layout=layout), context)
    return layout.drawn


def refused(operator: Any, **arguments: Any) -> str:
    """The sentence of an operator that must refuse."""
    try:
        operator(**arguments)
    except RuntimeError as error:
        return str(error).strip()
    raise AssertionError(f"{operator} did not refuse")


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A killed child that nobody asked about yet is no longer running either.
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
