"""What people are built from: mesh, skeleton, morph targets, things to wear, poses, motion capture and textures."""

from __future__ import annotations

import io
import json
import lzma
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from vimatte.engine.errors import ConfigError
from vimatte.engine.training.people.maths import Array

__all__ = ["BODY_VERTICES", "Assets", "Item", "Take", "Target", "load_assets"]

BODY_VERTICES = 13380
"""The first vertices of the base mesh are the body; helpers (tights, skirt, joints) follow."""
_TAKE_SCALE = 32767
"""Quaternions of motion capture are stored as 16-bit integers."""
_WEIGHT_SCALE = 65535.0
_ARCHIVES = ("base", "targets", "items", "poses", "mocap")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A morph: how some vertices move at full weight."""

    index: Array
    """Vertices that move (n,)."""
    offset: Array
    """Where to, in units of 0.1 mm (n, 3), int16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A mesh that is fitted to any body: each vertex hangs on three vertices of the base mesh."""

    corners: Array
    """Vertices of the base mesh (n, 3)."""
    shares: Array
    """Their barycentric weights (n, 3)."""
    offsets: Array
    """Added to that, in decimetres of the body it was made for (n, 3)."""
    scale: Array
    """For x, y, z: two vertices of the base mesh and their distance on the body it was made for (3, 3)."""
    faces: Array
    """Quads (f, 4); -1 as the fourth corner of a triangle."""
    uv: Array
    """Texture coordinates (m, 2), v up."""
    face_uv: Array
    """Indices into uv (f, 4)."""
    covers: Array
    """Body vertices that its maker says are hidden under it."""

    def corner_uv(self, rows: Array | slice = slice(None)) -> Array:
        """Texture coordinates at the corners of some faces (f, 4, 2)."""
        out: Array = self.uv[np.maximum(self.face_uv, 0).astype(np.int64)][rows]
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One recorded motion, 60 frames a second."""

    rotations: Array
    """Of each captured bone in the world (t, b, 4), int16 quaternions over 32767, w first."""
    places: Array
    """Of the pelvis (t, 3), in lengths of the leg."""

    def turned(self, at: Array, share: Array) -> Array:
        """Quaternions (n, b, 4), not normalised, between frame `at` (n,) and the next, by `share` (n, 1, 1)."""
        q = self.rotations.astype(float) / _TAKE_SCALE
        out: Array = q[at] * (1 - share) + q[at + 1] * share
        return out


@dataclass(frozen=True, kw_only=True, eq=False)
class Assets:
    """Everything that was read from the folder; lengths in decimetres, x left, y up, z front."""

    folder: Path
    vertices: Array
    """Of the neutral base mesh (19158, 3)."""
    uv: Array
    faces: Array
    """Quads (f, 4)."""
    face_uv: Array
    groups: Array
    """Of each face: 0 body, 1 tights, 2 skirt and so on."""
    bones: tuple[str, ...]
    parents: Array
    heads: Array
    """Vertices whose mean is where a bone begins (b, 24), filled up with -1."""
    tails: Array
    weights: Array
    """How much each vertex follows each bone (19158, b), float32, rows sum to 1."""
    targets: Mapping[str, Target]
    items: Mapping[str, Item]
    poses: Mapping[str, Array]
    """Name -> a quaternion a bone (b, 4)."""
    face_units: Mapping[str, Array]
    """Name of a movement of the face -> a quaternion a bone (b, 4)."""
    expressions: Mapping[str, Mapping[str, float]]
    """Name -> amount of each face unit."""
    takes: Mapping[str, Take]
    capture_bones: Mapping[str, int]
    """Name of a captured bone -> its column in a take."""
    capture_rest: Mapping[str, Array]
    """Subject -> direction of each captured bone at rest (b, 3)."""

    @cached_property
    def bone(self) -> Mapping[str, int]:
        """Name -> number of a bone."""
        return {name: i for i, name in enumerate(self.bones)}

    @cached_property
    def body_faces(self) -> Array:
        """Quads of the body itself, without helpers."""
        out: Array = self.faces[self.groups == 0]
        return out

    @cached_property
    def body_face_uv(self) -> Array:
        """Their texture coordinates' indices."""
        out: Array = self.face_uv[self.groups == 0]
        return out

    def bones_of(self, *prefixes: str) -> list[int]:
        """Numbers of the bones whose names begin so."""
        return [i for i, name in enumerate(self.bones) if name.startswith(prefixes)]

    def follows(self, *prefixes: str) -> Array:
        """How much each vertex of the base mesh follows these bones together (19158,)."""
        out: Array = self.weights[:, self.bones_of(*prefixes)].sum(1)
        return out

    def has_texture(self, name: str) -> bool:
        """Whether there is a texture of this name."""
        return self._texture(name).is_file()

    def texture(self, name: str, mode: Literal["L", "RGB", "RGBA"] = "RGB", *, width: int | None = None) -> Array:
        """A texture in 0 .. 1, sRGB-coded (h, w) or (h, w, channels), float32, resized to a width if one is given."""
        with Image.open(self._texture(name)) as opened:
            picture = opened.convert(mode)
        if width and picture.width != width:
            picture = picture.resize((width, width * picture.height // picture.width), Image.Resampling.LANCZOS)
        out: Array = np.asarray(picture).astype(np.float32) / 255
        return out

    def eye_colours(self) -> list[str]:
        """Names of the irises there are."""
        return sorted(path.stem.removeprefix("eye_") for path in (self.folder / "tex").glob("eye_*.webp"))

    def _texture(self, name: str) -> Path:
        return self.folder / "tex" / f"{name}.webp"


def load_assets(folder: Path) -> Assets:
    """Read the folder that `install_scripts/build_people_assets.py` builds.

    Raises ConfigError where a file is missing or cannot be read.
    """
    missing = [f"{name}.npz.xz" for name in _ARCHIVES if not (folder / f"{name}.npz.xz").is_file()]
    missing += [name for name in ("expressions.json", "tex") if not (folder / name).exists()]
    if missing:
        raise ConfigError(
            f"--assets '{folder}' is no folder of people's assets: {', '.join(missing)} not found; "
            "install_scripts/build_people_assets.py builds one (docs/training_people.md)."
        )
    try:
        base, targets, items, poses, mocap = (_archive(folder / f"{name}.npz.xz") for name in _ARCHIVES)
        expressions = json.loads((folder / "expressions.json").read_text(encoding="utf-8"))
        return _assets(folder, base, targets, items, poses, mocap, expressions)
    except (OSError, ValueError, KeyError, EOFError, lzma.LZMAError) as error:
        raise ConfigError(
            f"--assets '{folder}' cannot be read ({error}); build it again with install_scripts/build_people_assets.py."
        ) from None


def _archive(path: Path) -> dict[str, Array]:
    with lzma.open(path) as packed, np.load(io.BytesIO(packed.read()), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _assets(
    folder: Path,
    base: Mapping[str, Array],
    targets: Mapping[str, Array],
    items: Mapping[str, Array],
    poses: Mapping[str, Array],
    mocap: Mapping[str, Array],
    expressions: Mapping[str, Mapping[str, float]],
) -> Assets:
    vertices = base["v"].astype(np.float64)
    bones = tuple(str(name) for name in base["bones"])
    return Assets(
        folder=folder,
        vertices=vertices,
        uv=base["vt"],
        faces=base["F"],
        face_uv=base["FT"],
        groups=base["gid"],
        bones=bones,
        parents=base["parent"],
        heads=base["heads"],
        tails=base["tails"],
        weights=_weights(base, vertices=len(vertices), bones=len(bones)),
        targets=_targets(targets),
        items=_items(items),
        poses={name.removeprefix("pose_"): q for name, q in poses.items() if name.startswith("pose_")},
        face_units={str(name): poses["face_q"][i] for i, name in enumerate(poses["face_units"])},
        expressions=expressions,
        takes={
            name.removesuffix("|q"): Take(rotations=q, places=mocap[name.removesuffix("q") + "p"])
            for name, q in mocap.items()
            if name.endswith("|q")
        },
        capture_bones={str(name): i for i, name in enumerate(mocap["bones"])},
        capture_rest={name.removeprefix("dirs_"): d for name, d in mocap.items() if name.startswith("dirs_")},
    )


def _weights(base: Mapping[str, Array], *, vertices: int, bones: int) -> Array:
    weights = np.zeros((vertices, bones), np.float32)
    weights[base["wv"], base["wb"]] = base["ww"] / _WEIGHT_SCALE
    out: Array = weights / weights.sum(1, keepdims=True)
    return out


def _targets(arrays: Mapping[str, Array]) -> dict[str, Target]:
    steps = arrays["didx"].astype(np.int32)
    offsets = np.stack([arrays["dx"], arrays["dy"], arrays["dz"]], 1)
    ends = arrays["off"]
    return {
        str(name): Target(index=np.cumsum(steps[start:end]), offset=offsets[start:end])
        for name, start, end in zip(arrays["names"], ends[:-1], ends[1:], strict=True)
    }


def _items(arrays: Mapping[str, Array]) -> dict[str, Item]:
    def item(name: str) -> Item:
        part = {letter: arrays[f"{name}|{letter}"] for letter in ("I", "W", "O", "sc", "F", "vt", "FT", "dv")}
        return Item(
            corners=part["I"].astype(np.int64),
            shares=part["W"],
            offsets=part["O"],
            scale=part["sc"],
            faces=part["F"].astype(np.int64),
            uv=part["vt"],
            face_uv=part["FT"],
            covers=part["dv"],
        )

    return {name: item(name) for name in dict.fromkeys(key.split("|")[0] for key in arrays)}
