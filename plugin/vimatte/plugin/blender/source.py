"""The plate as the .blend uses it: its file, its colour space, its place in time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bpy

from .errors import UserError
from .plan import FrameMap, Source, numbers_on_disk


def adopt_frames(settings: Any, scene: Any) -> None:
    """Carry over how the source lies in time: from an Image node that shows it, else from the clip or the files."""
    if settings.source_kind == "CLIP":
        clip = settings.clip
        if clip is None:
            return
        first = 1
        if clip.source == "SEQUENCE":
            first = _number_in(clip.filepath)
        start, duration, offset = clip.frame_start, clip.frame_duration, clip.frame_offset + first - 1
    else:
        image = settings.image
        if image is None:
            return
        user = _image_user(image)
        if user is not None:
            start, duration, offset = user.frame_start, user.frame_duration, user.frame_offset
            if duration <= 1 and image.source != "FILE":
                # A script that loads an image leaves 1 there.
                duration = _guess(image, scene).duration
        else:
            frames = _guess(image, scene)
            start, duration, offset = frames.start, frames.duration, frames.offset
    settings.frame_start, settings.frame_duration, settings.frame_offset = start, max(1, duration), offset


def read_source(settings: Any) -> Source:
    """Say what the engine shall read. Raises UserError when there is nothing it could read."""
    frames = FrameMap(start=settings.frame_start, duration=settings.frame_duration, offset=settings.frame_offset)
    if settings.source_kind == "CLIP":
        clip = settings.clip
        if clip is None:
            raise UserError("No movie clip is picked; pick one in the panel of the Video Instance Matte.")
        path = _path(clip, clip.filepath)
        kind: Any = "movie" if clip.source == "MOVIE" else "sequence"
        owner = clip
    else:
        image = settings.image
        if image is None:
            raise UserError("No image is picked; pick a movie, a sequence or an image in the panel.")
        if image.source not in ("FILE", "SEQUENCE", "MOVIE"):
            raise UserError(
                f"'{image.name}' is {image.source.lower()}, not a file; pick a movie, a sequence or an image file."
            )
        path = _path(image, image.filepath)
        kind = {"FILE": "still", "SEQUENCE": "sequence", "MOVIE": "movie"}[image.source]
        owner = image
    colour = owner.colorspace_settings
    data = bool(getattr(colour, "is_data", False))
    return Source(
        path=path,
        kind=kind,
        frames=frames,
        space=colour.name or None,
        ocio=_config(),
        working="source" if data else _working_space(),
    )


def mask_path(settings: Any) -> Path | None:
    """The artist's masks, if any. Raises UserError when they are not on disk."""
    if settings.mask_folder:
        folder = Path(bpy.path.abspath(settings.mask_folder))
        if not folder.is_dir():
            raise UserError(f"The mask folder {folder} is not there; pick another or clear the field.")
        return folder
    return _path(settings.mask, settings.mask.filepath) if settings.mask is not None else None


def _path(owner: Any, filepath: str) -> Path:
    if getattr(owner, "packed_file", None) is not None:
        raise UserError(f"'{owner.name}' is packed into the .blend; unpack it, so that the engine can read it.")
    path = Path(bpy.path.abspath(filepath, library=owner.library))
    if not filepath or not path.is_file():
        raise UserError(f"'{owner.name}' has no file at {path}; relink it or pick another.")
    return path


def _image_user(image: Any) -> Any:
    trees = [t for t in bpy.data.node_groups if t.bl_idname == "CompositorNodeTree"]
    # Before version 5 a scene's compositor is not among the node groups.
    trees += [t for s in bpy.data.scenes if (t := getattr(s, "node_tree", None)) is not None] if _four() else []
    for tree in trees:
        for node in tree.nodes:
            if node.bl_idname == "CompositorNodeImage" and node.image == image and not _ours(tree):
                return node
    return None


def _four() -> bool:
    return bool(bpy.app.version < (5, 0, 0))


def _ours(tree: Any) -> bool:
    return bool(tree.vimatte.is_matte)


def _guess(image: Any, scene: Any) -> FrameMap:
    if image.source == "MOVIE":
        return FrameMap(start=scene.frame_start, duration=max(1, image.frame_duration), offset=0)
    if image.source == "SEQUENCE":
        there = numbers_on_disk(Path(bpy.path.abspath(image.filepath, library=image.library)))
        if there:
            return FrameMap(start=scene.frame_start, duration=there[-1] - there[0] + 1, offset=there[0] - 1)
    return FrameMap(start=scene.frame_start, duration=1, offset=0)


def _number_in(filepath: str) -> int:
    stem = Path(filepath).stem
    digits = stem[len(stem.rstrip("0123456789")) :]
    return int(digits) if digits else 1


def _config() -> str | None:
    if os.environ.get("OCIO"):
        return None
    folder = bpy.utils.system_resource("DATAFILES", path="colormanagement")
    config = Path(folder) / "config.ocio" if folder else None
    return str(config) if config is not None and config.is_file() else None


def _working_space() -> str:
    # Since version 5 a .blend has a working space of its own.
    chosen = getattr(getattr(bpy.data, "colorspace", None), "working_space", "")
    return str(chosen) or "scene_linear"
