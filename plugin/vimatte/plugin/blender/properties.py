"""What a Video Instance Matte remembers, saved in the .blend with its node group."""
# mypy: disable-error-code="misc, valid-type"
# ruff: noqa: N801 - Blender asks for such class names

from __future__ import annotations

import json
from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from . import node_group, source
from .plan import safe_name

# Since version 4.5 a path must say that it may begin with //.
_RELATIVE = {"options": {"PATH_SUPPORTS_BLEND_RELATIVE"}} if bpy.app.version >= (4, 5, 0) else {}

_quiet = False


class quietly:
    """While it lasts, setting properties sets nothing else in motion."""

    def __enter__(self) -> None:
        global _quiet
        self._before, _quiet = _quiet, True

    def __exit__(self, *_: object) -> None:
        global _quiet
        _quiet = self._before


def _renamed(person: Any, _context: Any) -> None:
    if _quiet:
        return
    tree = person.id_data
    taken = [p.name for p in tree.vimatte.people if p.uid != person.uid]
    if (name := safe_name(person.name, taken=taken)) != person.name:
        with quietly():
            person.name = name
    node_group.rebuild(tree)


def _source_changed(settings: Any, context: Any) -> None:
    if not _quiet:
        # People were found in another shot.
        settings.tracks = ""
        source.adopt_frames(settings, context.scene)


class VIMATTE_PG_person(bpy.types.PropertyGroup):
    """Somebody in the shot."""

    uid: IntProperty(name="Id")
    name: StringProperty(name="Name", description="Name of the socket and of the layer", update=_renamed)
    layer: StringProperty(name="Layer", description="Name in the layers on disk; empty until they are written")
    origin: StringProperty(name="Found as", description="Name that the engine or the mask gave")
    added: StringProperty(name="Added layers", description="Layers on disk that were merged into this person")
    colour: FloatVectorProperty(name="Colour", subtype="COLOR_GAMMA", size=3, min=0, max=1)
    thumbnail: StringProperty(name="Thumbnail")
    first: IntProperty(name="First frame")
    last: IntProperty(name="Last frame")
    chosen: BoolProperty(name="Choose", description="Choose for Merge", default=False)


class VIMATTE_PG_matte(bpy.types.PropertyGroup):
    """Settings of one Video Instance Matte; `CompositorNodeTree.vimatte`."""

    is_matte: BoolProperty(name="Is a Video Instance Matte", default=False)

    source_kind: EnumProperty(
        name="Source",
        items=[
            ("IMAGE", "Image", "A movie, a sequence or an image of this .blend"),
            ("CLIP", "Movie Clip", "A clip of the Movie Clip editor"),
        ],
        update=_source_changed,
    )
    image: PointerProperty(name="Image", type=bpy.types.Image, update=_source_changed)
    clip: PointerProperty(name="Movie Clip", type=bpy.types.MovieClip, update=_source_changed)
    mask: PointerProperty(
        name="Mask", type=bpy.types.Image, description="Masks of the people on one frame or on all; nothing: find them"
    )
    mask_folder: StringProperty(
        name="Mask Folder",
        subtype="DIR_PATH",
        **_RELATIVE,
        description="A folder of masks, one folder in it for each person",
    )
    frame_start: IntProperty(name="Start", default=1, description="Scene frame at which the source begins")
    frame_duration: IntProperty(name="Duration", default=1, min=1, description="Frames of the source that are used")
    frame_offset: IntProperty(name="Offset", default=0, description="Frames of the source that are passed over")
    only_scene: BoolProperty(name="Scene Range Only", description="Matte only the scene's frames", default=False)

    folder: StringProperty(
        name="Folder", subtype="DIR_PATH", default="//mattes/", **_RELATIVE,
        description="Where layers go, in a folder named after the node group; // is the folder of this .blend",
    )  # fmt: skip
    quality: EnumProperty(
        name="Quality",
        items=[
            ("lite", "Soft mattes", "Hair and motion blur"),
            ("classical", "Classical", "Without a network: solved from the colours around the tracked masks"),
            ("masks", "Draft", "Hard edges straight from the tracked masks, quick"),
        ],
    )
    resolution: EnumProperty(
        name="Resolution",
        items=[
            ("1", "Full", "Matte at the size of the source"),
            ("2", "Half", "Matte at half the width and height, for a quick look; layers keep the source's size"),
            ("4", "Quarter", "Matte at a quarter of the width and height; layers keep the source's size"),
        ],
    )
    depth: EnumProperty(name="Depth", items=[("half", "Half", "16 bit"), ("float", "Float", "32 bit")])
    device: StringProperty(name="Device", default="auto", description="auto, cpu, cuda, cuda:1 or mps")
    max_people: IntProperty(name="Most People", default=0, min=0, description="Keep at most so many people; 0: all")
    cryptomatte: BoolProperty(
        name="Cryptomatte", description="Write Cryptomattes too, and add a node that picks", default=False
    )
    redo: BoolProperty(name="Redo All", description="Make also those frames anew that are whole", default=False)

    people: CollectionProperty(type=VIMATTE_PG_person)
    active: IntProperty(name="Active Person", default=0)
    solo: IntProperty(name="Solo", default=0)
    edits: StringProperty(name="Waiting edits", default="[]")
    sockets: StringProperty(name="Sockets", default="{}")
    tracks: StringProperty(name="Tracks")
    layers: PointerProperty(name="Layers", type=bpy.types.Image)
    crypto: PointerProperty(name="Cryptomatte Image", type=bpy.types.Image)
    layers_start: IntProperty(name="Layers Start", default=1)
    layers_duration: IntProperty(name="Layers Duration", default=1)
    layers_offset: IntProperty(name="Layers Offset", default=0)
    missing: StringProperty(name="Missing Frames", description="Scene frames that have no layers")

    def add_edit(self, *edit: Any) -> None:
        """Keep an edit of the tracks until the next Matte."""
        self.edits = json.dumps([*json.loads(self.edits or "[]"), list(edit)])


classes = (VIMATTE_PG_person, VIMATTE_PG_matte)


def register() -> None:
    """Add the classes and `CompositorNodeTree.vimatte`."""
    for cls in classes:
        bpy.utils.register_class(cls)
    bpy.types.CompositorNodeTree.vimatte = PointerProperty(type=VIMATTE_PG_matte)


def unregister() -> None:
    """Mirror `register`; what was saved stays in the file."""
    del bpy.types.CompositorNodeTree.vimatte
    for cls in reversed(classes):
        bpy.utils.unregister_class(cls)
