"""Run by an interpreter with `bpy`: shows a sequence to the compositor and writes what came out of every socket.

One argument, a JSON file: {"first": path of the first frame, "start": its number, "count": frames, "width", "height",
"crypto": path of the first Cryptomatte frame or null, "names": layer names, "out": folder}. Prints one line of JSON:
{"version", "type", "sockets": [[name, type], ...], "items": {File Output item: what it shows}}.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import bpy

FIVE = bpy.app.version >= (5, 0, 0)


def new_tree(scene: Any) -> Any:
    if FIVE:
        tree = bpy.data.node_groups.new("shown", "CompositorNodeTree")
        scene.compositing_node_group = tree
    else:
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
    return tree


def prepare(scene: Any, job: dict[str, Any]) -> None:
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = job["width"], job["height"], 100
    render.use_compositing, render.use_sequencer = True, False
    render.compositor_device = "CPU"  # the default of 5.2, GPU, aborts on machines that have none
    render.compositor_precision = "FULL"
    render.filepath = str(Path(job["out"]) / "render_")
    scene.frame_start, scene.frame_end = job["start"], job["start"] + job["count"] - 1
    # Version 4.2 looks for a Cryptomatte's layers in the file of the current frame.
    scene.frame_set(job["start"])


def sequence(owner: Any, path: str, job: dict[str, Any]) -> Any:
    image = bpy.data.images.load(path)
    image.source = "SEQUENCE"
    owner.image = image
    owner.frame_start, owner.frame_duration, owner.frame_offset = job["start"], job["count"], job["start"] - 1
    return image


def file_output(tree: Any, folder: str, sockets: list[tuple[str, str, Any]]) -> None:
    node = tree.nodes.new("CompositorNodeOutputFile")
    if FIVE:
        node.format.media_type = "MULTI_LAYER_IMAGE"
    node.format.file_format = "OPEN_EXR_MULTILAYER"
    node.format.color_depth, node.format.exr_codec = "32", "ZIP"
    if hasattr(node.format, "use_exr_interleave"):
        node.format.use_exr_interleave = True
    if FIVE:
        node.directory, node.file_name = folder, "shown_"
    else:
        node.base_path = str(Path(folder) / "shown_")
        node.layer_slots.clear()
    for name, kind, socket in sockets:
        if FIVE:
            node.file_output_items.new({"VALUE": "FLOAT"}.get(kind, kind), name)
        else:
            node.layer_slots.new(name)
        tree.links.new(socket, node.inputs[name])


def main() -> None:
    job = json.loads(Path(sys.argv[-1]).read_text(encoding="utf-8"))
    scene = bpy.context.scene
    tree = new_tree(scene)
    prepare(scene, job)
    node = tree.nodes.new("CompositorNodeImage")
    image = sequence(node, job["first"], job)
    shown = [(s.name, s.type, s) for s in node.outputs if s.enabled]
    outputs = [(f"s{i:02d}", kind, socket) for i, (_, kind, socket) in enumerate(shown)]
    items = {f"s{i:02d}": name for i, (name, _, _) in enumerate(shown)}
    for i, name in enumerate(job["names"] if job["crypto"] else ()):
        crypto = tree.nodes.new("CompositorNodeCryptomatteV2")
        crypto.source = "IMAGE"
        sequence(crypto, job["crypto"], job)
        assert crypto.layer_name  # version 4.2 looks for layers only when the drop-down is drawn or, here, read
        crypto.matte_id = name
        outputs.append((f"c{i:02d}", "VALUE", crypto.outputs["Matte"]))
        items[f"c{i:02d}"] = f"crypto {name}"
    file_output(tree, job["out"], outputs)
    bpy.ops.render.render(animation=True, scene=scene.name)
    found = {
        "version": bpy.app.version_string,
        "type": image.type,
        "sockets": [[name, kind] for name, kind, _ in shown],
        "items": items,
    }
    sys.stdout.write("FOUND " + json.dumps(found) + "\n")


try:
    main()
except BaseException:
    import traceback

    traceback.print_exc()
    os._exit(1)
# Some versions hang or crash when the interpreter takes them down.
sys.stdout.flush()
os._exit(0)
