"""Run by an interpreter with `bpy`: one scenario with the installed extension. argv: scenario, JSON file of arguments.

Prints one line, `FOUND ` and JSON, of what was seen; the tests judge it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import bpy
import stage


def people_of(group: Any) -> list[list[Any]]:
    return [[p.uid, p.name, p.layer] for p in group.vimatte.people]


def links_of(scene: Any, node: Any) -> list[str]:
    return sorted(link.from_socket.name for link in stage.tree(scene).links if link.from_node == node)


def shot(job: dict[str, Any]) -> dict[str, Any]:
    """A sequence that an Image node shows with an offset: found, matted, rendered, saved."""
    scene = stage.open_scene(job["folder"], frames=(11, 14), size=(96, 64))
    image = stage.sequence(job["first"])
    plate = stage.tree(scene).nodes.new("CompositorNodeImage")
    plate.image = image
    plate.frame_start, plate.frame_duration, plate.frame_offset = 11, 4, 1001
    node, group = stage.add_node(scene, image, mask_folder=job["masks"], cryptomatte=True, depth="float")
    settings = group.vimatte
    adopted = [settings.frame_start, settings.frame_duration, settings.frame_offset]
    bpy.ops.vimatte.find_people()
    found = people_of(group)
    wired_early = [o.name for o in node.outputs]
    bpy.ops.vimatte.matte()
    crypto = stage.tree(scene).nodes["Video Instance Matte Cryptomatte"]
    crypto.matte_id = "bruno"
    items = stage.write_sockets(scene, [*node.outputs, crypto.outputs["Matte"]], job["out"])
    stage.render(scene, job["out"])
    bpy.ops.wm.save_mainfile()
    return {
        "adopted": adopted, "people": found, "early": wired_early, "items": items,
        "sockets": [[o.name, o.type] for o in node.outputs], "blend": bpy.data.filepath,
        "image": settings.layers.filepath,
        "log": bpy.data.texts["Vimatte Log"].as_string(), "missing": settings.missing, "plain": group.bl_idname,
        "inner": sorted({n.bl_idname for n in group.nodes}), "thumbnail": settings.people[0].thumbnail,
    }  # fmt: skip


def bare(job: dict[str, Any]) -> dict[str, Any]:
    """The saved file where the add-on was never installed."""
    bpy.ops.wm.open_mainfile(filepath=job["blend"])
    scene = bpy.context.scene
    for node in stage.tree(scene).nodes:
        if node.bl_idname == "CompositorNodeOutputFile":
            if stage.FIVE:
                node.directory = job["out"]
            else:
                node.base_path = str(Path(job["out"]) / "shown_")
    stage.render(scene, job["out"])
    return {"addon": hasattr(bpy.types.CompositorNodeTree, "vimatte")}


def people(job: dict[str, Any]) -> dict[str, Any]:
    """Rename, merge, drop and solo, and what becomes of sockets and links."""
    scene = stage.open_scene(job["folder"], frames=(1001, 1002), size=(96, 64))
    image = stage.sequence(job["first"])
    node, group = stage.add_node(scene, image, mask_folder=job["masks"], frame_start=1001, frame_duration=2)
    seen: dict[str, Any] = {"frames": [group.vimatte.frame_start, group.vimatte.frame_offset]}
    bpy.ops.vimatte.matte()  # finds people first
    seen["first"] = people_of(group)
    seen["drawn"] = stage.draw_everything(node)
    seen["drawn_without"] = stage.draw_everything(None)
    stage.write_sockets(scene, node.outputs, job["out"], "a_")
    seen["linked"] = links_of(scene, node)
    seen["renamed"] = [bpy.ops.vimatte.rename(person="anna", name="Zoë!") and group.vimatte.people[0].name]
    group.vimatte.people[1].name = "Zo"  # taken: gets a number
    seen["renamed"].append(group.vimatte.people[1].name)
    group.vimatte.people[1].name = "alpha"  # reserved
    seen["renamed"].append(group.vimatte.people[1].name)
    group.vimatte.people[1].name = "anna"  # the other's old name
    seen["after_rename"] = [links_of(scene, node), people_of(group)]
    bpy.ops.vimatte.solo(person="anna")
    viewer = stage.tree(scene).nodes["Vimatte Solo"]
    seen["solo"] = viewer.inputs[0].links[0].from_socket.name
    bpy.ops.vimatte.solo(person="anna")
    seen["solo_over"] = "Vimatte Solo" not in stage.tree(scene).nodes
    bpy.ops.vimatte.matte()
    seen["rematted"] = [links_of(scene, node), people_of(group)]
    bpy.ops.vimatte.merge(person="Zo", others="anna")
    seen["merged"] = [links_of(scene, node), people_of(group), group.vimatte.people[0].added]
    seen["merged_items"] = stage.write_sockets(scene, node.outputs, job["out"], "b_")
    stage.render(scene, job["out"])
    bpy.ops.vimatte.matte()
    seen["merged_matted"] = [links_of(scene, node), people_of(group), group.vimatte.people[0].added]
    bpy.ops.vimatte.drop(person="carla")
    seen["dropped"] = [links_of(scene, node), people_of(group)]
    bpy.ops.vimatte.matte()
    bpy.ops.vimatte.refresh()
    seen["dropped_matted"] = [links_of(scene, node), people_of(group)]
    seen["refused"] = stage.refused(bpy.ops.vimatte.drop, person="nobody")
    bpy.ops.vimatte.find_people()
    seen["found_again"] = [links_of(scene, node), people_of(group)]
    return seen


def movie(job: dict[str, Any]) -> dict[str, Any]:
    """A movie with an offset: layers carry the scene's numbers."""
    scene = stage.open_scene(job["folder"], frames=(1, 100), size=(96, 64))
    image = bpy.data.images.load(job["first"])
    assert image.source == "MOVIE"
    settings = {"frame_start": 21, "frame_duration": 3, "frame_offset": 2, "folder": job["layers"], "quality": "masks"}
    node, group = stage.add_node(scene, image, mask_folder=job["masks"], **settings)
    bpy.ops.vimatte.matte()
    plate = stage.tree(scene).nodes.new("CompositorNodeImage")
    plate.image, plate.frame_start, plate.frame_duration, plate.frame_offset = image, 21, 3, 2
    items = stage.write_sockets(scene, [*node.outputs, plate.outputs["Image"]], job["out"])
    scene.frame_start, scene.frame_end = 21, 23
    stage.render(scene, job["out"])
    placed = [group.vimatte.layers_start, group.vimatte.layers_duration, group.vimatte.layers_offset]
    return {"items": items, "placed": placed, "image": group.vimatte.layers.filepath}


def template(job: dict[str, Any]) -> dict[str, Any]:
    """A finished comp of one shot, for the script of docs/blender.md to put another into."""
    found = shot(job)
    bpy.ops.wm.save_userpref()
    return found


def clip(job: dict[str, Any]) -> dict[str, Any]:
    """A movie clip that begins in the middle of the scene; Blender's own node shows what lies under it."""
    scene = stage.open_scene(job["folder"], frames=(5, 8), size=(96, 64))
    found = bpy.data.movieclips.load(job["first"])
    found.frame_start, found.frame_offset = 4, 1
    found.colorspace_settings.name = "Linear Rec.709"
    assert bpy.ops.vimatte.add_node(clip=found.name) == {"FINISHED"}
    node = next(n for n in stage.tree(scene).nodes if n.bl_idname == "CompositorNodeGroup")
    settings = node.node_tree.vimatte
    settings.mask_folder, settings.quality, settings.depth, settings.only_scene = job["masks"], "masks", "float", True
    bpy.ops.vimatte.matte()
    plate = stage.tree(scene).nodes.new("CompositorNodeMovieClip")
    plate.clip = found
    items = stage.write_sockets(scene, [node.outputs["Combined"], plate.outputs["Image"]], job["out"])
    stage.render(scene, job["out"])
    adopted = [settings.frame_start, settings.frame_duration, settings.frame_offset]
    return {"items": items, "adopted": adopted, "image": settings.layers.filepath}


def still(job: dict[str, Any]) -> dict[str, Any]:
    """One picture, with a mask that is a picture of the .blend."""
    scene = stage.open_scene(job["folder"], frames=(7, 7), size=(96, 64))
    node, group = stage.add_node(scene, bpy.data.images.load(job["first"]), mask=bpy.data.images.load(job["mask"]))
    bpy.ops.vimatte.matte()
    items = stage.write_sockets(scene, node.outputs, job["out"])
    stage.render(scene, job["out"])
    return {"items": items, "image": group.vimatte.layers.filepath, "people": people_of(group)}


def gaps(job: dict[str, Any]) -> dict[str, Any]:
    """A sequence that lacks frames, and a range of the scene only."""
    scene = stage.open_scene(job["folder"], frames=(2, 5), size=(96, 64))
    image = stage.sequence(job["first"])
    _, group = stage.add_node(scene, image, mask_folder=job["masks"], frame_start=1, quality="masks")
    seen = {"adopted": [group.vimatte.frame_start, group.vimatte.frame_duration, group.vimatte.frame_offset]}
    group.vimatte.only_scene = True
    bpy.ops.vimatte.matte()
    seen["missing"] = group.vimatte.missing
    seen["said"] = stage.session().message
    seen["placed"] = [group.vimatte.layers_start, group.vimatte.layers_duration, group.vimatte.layers_offset]
    group.vimatte.frame_start = 500
    seen["refused"] = stage.refused(bpy.ops.vimatte.matte)
    return seen


def trouble(job: dict[str, Any]) -> dict[str, Any]:
    """Cancel, an engine that is killed, and going on after each."""
    scene = stage.open_scene(job["folder"], frames=(1001, 1060), size=(96, 64))
    image = stage.sequence(job["first"])
    _, group = stage.add_node(scene, image, mask_folder=job["masks"])
    session = stage.session()
    seen: dict[str, Any] = {}
    layers = Path(job["folder"]) / "mattes" / "Video_Instance_Matte"

    def until_written() -> int:
        before = len(list(layers.glob("layers.*.exr")))
        end = time.monotonic() + 60
        while session.busy and len(list(layers.glob("layers.*.exr"))) == before and time.monotonic() < end:
            bpy.ops.vimatte.wait(seconds=0.05)
        assert session.busy, session.message
        return int(session.engine.pid)

    bpy.ops.vimatte.matte(wait=False)
    seen["drawn"] = stage.draw_everything(next(n for n in stage.tree(scene).nodes if hasattr(n, "node_tree")))
    seen["busy"] = stage.refused(bpy.ops.vimatte.matte)
    pid = until_written()
    began = time.monotonic()
    bpy.ops.vimatte.cancel(wait=True)
    seen["cancelled"] = [session.message, session.failed, session.busy, time.monotonic() - began]
    seen["after_cancel"] = sorted(p.name for p in layers.iterdir())
    seen["kept_engine"] = session.engine.pid == pid and stage.runs(pid)

    bpy.ops.vimatte.matte(wait=False)
    pid = until_written()
    os.kill(pid, signal.SIGKILL)
    bpy.ops.vimatte.wait(seconds=20)
    seen["killed"] = [session.message, session.failed, session.busy]
    seen["after_kill"] = sorted(p.name for p in layers.iterdir())
    seen["still_here"] = bpy.ops.vimatte.test_engine() == {"FINISHED"} and session.engine.pid != pid

    group.vimatte.frame_duration = 4
    bpy.ops.vimatte.matte()
    seen["went_on"] = [session.message, session.failed]
    pid = session.engine.pid
    bpy.ops.vimatte.matte(wait=False)
    bpy.ops.preferences.addon_disable(module=stage.ADDON)
    seen["after_disable"] = [stage.runs(pid), [t.name for t in threading.enumerate() if "vimatte" in t.name]]
    return seen


def clean(job: dict[str, Any]) -> dict[str, Any]:
    """What unregistering leaves behind, and the sentences of what cannot work."""
    zip_path = job.pop("late_zip")

    def state() -> dict[str, Any]:
        return {
            "types": sorted(n for n in dir(bpy.types) if "vimatte" in n.lower()),
            "ops": sorted(dir(bpy.ops.vimatte)),
            "tree": hasattr(bpy.types.CompositorNodeTree, "vimatte"),
            "menu": len(bpy.types.NODE_MT_add._dyn_ui_initialize()),
            "load_pre": len(bpy.app.handlers.load_pre),
            "threads": threading.active_count(),
        }

    before = state()
    seen: dict[str, Any] = {"before": before, "cycles": []}
    stage.install(zip_path)
    seen["there"] = state()
    scene = bpy.context.scene
    group = None
    seen["unsaved"] = ""
    stage.add_node(scene, stage.sequence(job["first"]))
    group = next(t for t in bpy.data.node_groups if t.bl_idname == "CompositorNodeTree" and t.vimatte.is_matte)
    seen["unsaved"] = stage.refused(bpy.ops.vimatte.matte)
    group.vimatte.folder = job["out"]
    group.vimatte.image = None
    seen["no_source"] = stage.refused(bpy.ops.vimatte.find_people)
    os.environ["VIMATTE_ENGINE"] = str(Path(job["out"]) / "nowhere")
    seen["no_engine"] = stage.refused(bpy.ops.vimatte.test_engine)
    bpy.context.preferences.addons[stage.ADDON].preferences.engine = str(Path(job["out"]) / "elsewhere")
    seen["no_engine_set"] = stage.refused(bpy.ops.vimatte.test_engine)
    seen["no_group"] = stage.refused(bpy.ops.vimatte.matte, group="none")
    group.vimatte.image = bpy.data.images.new("painted", 8, 8)
    seen["generated"] = stage.refused(bpy.ops.vimatte.matte)
    for _ in range(3):
        bpy.ops.preferences.addon_disable(module=stage.ADDON)
        seen["cycles"].append(state())
        bpy.ops.preferences.addon_enable(module=stage.ADDON)
    bpy.ops.extensions.package_uninstall(repo_index=_repo(), pkg_id="vimatte")
    seen["after"] = state()
    return seen


def _repo() -> int:
    repos = bpy.context.preferences.extensions.repos
    return next(i for i, r in enumerate(repos) if r.module == "user_default")


def abandon(job: dict[str, Any]) -> dict[str, Any]:
    """Starts a long job and stays; the test ends this process without warning."""
    scene = stage.open_scene(job["folder"], frames=(1001, 1060), size=(96, 64))
    stage.add_node(scene, stage.sequence(job["first"]), mask_folder=job["masks"])
    bpy.ops.vimatte.matte(wait=False)
    session = stage.session()
    while not (session.task.job.written if session.task.step.kind == "run" else False):
        bpy.ops.vimatte.wait(seconds=0.05)
    sys.stdout.write("FOUND " + json.dumps({"pid": session.engine.pid}) + "\n")
    sys.stdout.flush()
    time.sleep(120)
    return {}


SCENARIOS = {f.__name__: f for f in (abandon, bare, clean, clip, gaps, movie, people, shot, still, template, trouble)}


def main() -> None:
    job = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    # First: it disables add-ons.
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if "zip" in job:
        stage.install(job["zip"])
    found = SCENARIOS[sys.argv[1]](job)
    found["version"] = bpy.app.version_string
    sys.stdout.write("FOUND " + json.dumps(found) + "\n")


try:
    main()
except BaseException:
    traceback.print_exc()
    for text in bpy.data.texts:
        sys.stderr.write(text.as_string())
    stage.leave(1)
# With the add-on still enabled every version must leave by itself. Only version 4.2 as a module crashes at exit after
# it uninstalled any extension that has a collection of property groups.
if sys.argv[1] == "clean" and bpy.app.version < (4, 5, 0):
    stage.leave(0)
