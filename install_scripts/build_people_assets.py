#!/usr/bin/env python3
"""Build the folder that `vimatte train people --assets` reads, from public repositories you have cloned.

usage: build_people_assets.py --makehuman CLONE --assets CLONE [--skins DIR] --mocap DIR --out DIR

  --makehuman  github.com/makehumancommunity/makehuman (at a8bc2d54): body, skeleton, morph targets; CC0
  --assets     github.com/makehumancommunity/makehuman-assets (8cf9645b, with git lfs): clothes, hair, poses; CC0
  --skins      a folder with the community's skins: asset packs skins01 and skins02 of makehumancommunity.org; CC0
  --mocap      CMU's motion capture (mocap.cs.cmu.edu): SUBJECT/SUBJECT_TAKE.amc beside SUBJECT/SUBJECT.asf; free for
               any use, not to be resold as data. "The data used in this project was obtained from mocap.cs.cmu.edu.
               The database was created with funding from NSF EIA-0196217."

people_assets.json beside this script names every file that is taken, and the hash of those that have one. What comes
out is compared with the folder that the published clips were made from; a difference is said, and is no error.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import lzma
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

GROUPS = {"body": 0, "helper-tights": 1, "helper-skirt": 2, "helper-hair": 3}
"""Groups of the base mesh that are kept, and their numbers."""
CAPTURED_RATE, KEPT_RATE = 120, 60
QUALITY = 90
"""Of textures, WebP."""


class WrongError(Exception):
    """What is said in one sentence before leaving."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("makehuman", "assets", "mocap", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="DIR")
    parser.add_argument("--skins", type=Path, metavar="DIR")
    parser.add_argument("--manifest", type=Path, default=Path(__file__).with_name("people_assets.json"))
    given = parser.parse_args()
    try:
        build(given.makehuman, given.assets, given.skins, given.mocap, given.out, manifest=given.manifest)
    except WrongError as error:
        sys.exit(f"error: {error}")


def build(makehuman: Path, assets: Path, skins: Path | None, mocap: Path, out: Path, *, manifest: Path) -> None:
    listed = json.loads(manifest.read_text(encoding="utf-8"))
    data = found(makehuman, "makehuman/data", "data")
    base = found(assets, "base")
    (out / "tex").mkdir(parents=True, exist_ok=True)
    skeleton = json.loads(text(data / "rigs/default.mhskel"))
    bones = listed["bones"]
    mesh = base_mesh(data, skeleton, bones)
    made = {
        "base": mesh,
        "targets": targets(data / "targets", listed["targets"]),
        "items": items(listed["items"], (base, data)),
        "poses": poses(base, data, listed["poses"], bones),
        "mocap": takes(mocap, listed["takes"], listed["capture_bones"]),
    }
    for name, arrays in made.items():
        save(out / f"{name}.npz.xz", arrays)
        same = listed["arrays"].get(name) == digest(arrays)
        print(f"{name}.npz.xz: {len(arrays)} arrays, {'as' if same else 'not as'} published")
    expressions = {name: json.loads(text(base / f"expressions/{name}.mhpose")) for name in listed["expressions"]}
    units = {name: made["unit_poses"] for name, made in expressions.items()}
    (out / "expressions.json").write_text(json.dumps(units), encoding="utf-8")
    missing = textures(listed["textures"], (base, data), skins, out / "tex")
    if missing:
        raise WrongError(
            f"{len(missing)} textures were not found ({', '.join(missing[:3])} …); "
            "run 'git lfs pull' in the assets' clone and give the skins with --skins."
        )
    print(f"done: {out}")


def found(root: Path, *below: str) -> Path:
    for name in below:
        if (root / name).is_dir():
            return root / name
    raise WrongError(f"'{root}' holds no {' and no '.join(below)}; give the folder that was cloned.")


def text(path: Path) -> str:
    if not path.is_file():
        raise WrongError(f"'{path}' was not found; check out the version that the top of this script names.")
    content = path.read_text(encoding="utf-8", errors="replace")
    if content.startswith("version https://git-lfs"):
        raise WrongError(f"'{path}' is a pointer only; run 'git lfs pull' in its clone.")
    return content


def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    path.write_bytes(lzma.compress(packed.getvalue()))


def digest(arrays: dict[str, np.ndarray]) -> str:
    """Of all numbers of an archive, and their types and shapes."""
    each = {}
    for name, array in arrays.items():
        if array.dtype.kind != "U":
            a = np.ascontiguousarray(array)
            each[name] = hashlib.sha256((a.dtype.str + str(a.shape)).encode() + a.tobytes()).hexdigest()[:16]
    return hashlib.sha256(json.dumps(each, sort_keys=True).encode()).hexdigest()


def obj(content: str) -> tuple[list[list[float]], list[list[float]], list[tuple[list[int], list[int], str]]]:
    """Vertices, texture coordinates, and faces as corners, their texture coordinates and group."""
    vertices, uv, faces, group = [], [], [], ""
    for line in content.splitlines():
        words = line.split()
        match words[:1]:
            case ["v"]:
                vertices.append([float(x) for x in words[1:4]])
            case ["vt"]:
                uv.append([float(x) for x in words[1:3]])
            case ["g"]:
                group = words[1] if len(words) > 1 else ""
            case ["f"]:
                corners = [word.split("/") for word in words[1:]]
                coordinates = [int(c[1]) - 1 if len(c) > 1 and c[1] else 0 for c in corners]
                faces.append(([int(c[0]) - 1 for c in corners], coordinates, group))
    return vertices, uv, faces


def quads(faces: list[list[int]], dtype: type) -> np.ndarray:
    return np.array([face[:4] + [-1] * (4 - len(face)) for face in faces], dtype)


def base_mesh(data: Path, skeleton: dict, bones: list[str]) -> dict[str, np.ndarray]:
    vertices, uv, faces = obj(text(data / "3dobjs/base.obj"))
    kept = [face for face in faces if face[2] in GROUPS]
    if sorted(skeleton["bones"]) != sorted(bones):
        raise WrongError("The skeleton has other bones than people are built on; check out the version named above.")
    weights = json.loads(text(next(iter(sorted((data / "rigs").glob("default_weights.*"))), data / "default_weights")))
    rows = sorted((v, bones.index(bone), w) for bone, pairs in weights["weights"].items() for v, w in pairs)
    total = np.bincount([v for v, _, _ in rows], [w for _, _, w in rows], len(vertices))

    def joints(end: str) -> np.ndarray:
        lists = [skeleton["joints"][skeleton["bones"][bone][end]] for bone in bones]
        widest = max(
            len(corners) for bone in bones for corners in (skeleton["joints"][skeleton["bones"][bone]["tail"]],)
        )
        return np.array([corners + [-1] * (widest - len(corners)) for corners in lists], np.int32)

    parents = [skeleton["bones"][bone]["parent"] for bone in bones]
    return {
        "v": np.array(vertices, np.float32),
        "vt": np.array(uv, np.float32),
        "F": quads([face[0] for face in kept], np.int32),
        "FT": quads([face[1] for face in kept], np.int32),
        "gid": np.array([GROUPS[face[2]] for face in kept], np.int8),
        "bones": np.array(bones),
        "parent": np.array([bones.index(p) if p else -1 for p in parents], np.int16),
        "heads": joints("head"),
        "tails": joints("tail"),
        "wv": np.array([v for v, _, _ in rows], np.uint16),
        "wb": np.array([b for _, b, _ in rows], np.uint8),
        "ww": np.array([round(w / total[v] * 65535) for v, _, w in rows], np.uint16),
    }


def targets(folder: Path, listed: dict[str, list[str]]) -> dict[str, np.ndarray]:
    names = sorted(f"{group}/{name}" for group, members in listed.items() for name in members)
    index, moves, ends = [], [], [0]
    for name in names:
        rows = [line.split() for line in text(folder / f"{name}.target").splitlines() if line.strip()]
        rows = sorted((int(r[0]), *(round(float(x) * 1000) for x in r[1:4])) for r in rows if r[0][0] != "#")
        rows = [row for row in rows if any(row[1:])]
        index += np.diff([row[0] for row in rows], prepend=0).tolist()
        moves += [row[1:] for row in rows]
        ends.append(len(moves))
    dx, dy, dz = np.array(moves, np.int16).reshape(-1, 3).T
    offsets = np.array(ends, np.int64)
    return {"names": np.array(names), "off": offsets, "didx": np.array(index, np.int16), "dx": dx, "dy": dy, "dz": dz}


def items(listed: dict[str, str], roots: tuple[Path, ...]) -> dict[str, np.ndarray]:
    out = {}
    for key, place in listed.items():
        path = next((root / f"{place}.mhclo" for root in roots if (root / f"{place}.mhclo").is_file()), None)
        if path is None:
            raise WrongError(f"'{place}.mhclo' was not found in {roots[0]}; check out the version this script names.")
        out.update({f"{key}|{name}": array for name, array in item(path).items()})
    return out


def item(path: Path) -> dict[str, np.ndarray]:
    """A garment: how its vertices hang on the body's, and its mesh."""
    scale, hung, hidden, mesh, mode = np.zeros((3, 3)), [], [], path.with_suffix(".obj"), ""
    for line in text(path).splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] in ("x_scale", "y_scale", "z_scale"):
            scale["xyz".index(words[0][0])] = [float(x) for x in words[1:4]]
        elif words[0] == "obj_file":
            mesh = path.with_name(words[1])
        elif words[0] in ("verts", "delete_verts"):
            mode = words[0]
        elif words[0][0].isalpha():
            mode = ""
        elif mode == "verts":
            hung.append([float(x) for x in words] if len(words) > 1 else [float(words[0])] * 3 + [1.0, 0, 0, 0, 0, 0])
        elif mode == "delete_verts":
            hidden += ranges(words)
    rows = np.array(hung)
    _, uv, faces = obj(text(mesh))
    return {
        "I": rows[:, :3].astype(np.uint16),
        "W": rows[:, 3:6].astype(np.float32),
        "O": rows[:, 6:9].astype(np.float32),
        "sc": scale,
        "F": quads([face[0] for face in faces], np.int16),
        "vt": np.array(uv, np.float32),
        "FT": quads([face[1] for face in faces], np.int16),
        "dv": np.array(hidden, np.int32),
    }


def ranges(words: list[str]) -> Iterator[int]:
    """`3 5 - 8` is 3 5 6 7 8."""
    last = -1
    for k, word in enumerate(words):
        if word == "-":
            yield from range(last + 1, int(words[k + 1]))
        else:
            last = int(word)
            yield last


def poses(base: Path, data: Path, names: list[str], bones: list[str]) -> dict[str, np.ndarray]:
    mapping = json.loads(text(data / "poseunits/face-poseunits.json"))["framemapping"]
    # Face units keep the axes of their file (z up) and four decimals: the published people's faces were made so.
    units = np.round(bvh(text(data / "poseunits/face-poseunits.bvh"), bones, upright=False), 4)
    out = {"face_units": np.array(mapping), "face_q": units[: len(mapping)].astype(np.float32)}
    for name in names:
        out[f"pose_{name}"] = bvh(text(base / f"poses/{name}.bvh"), bones, upright=True)[0].astype(np.float32)
    return out


def bvh(content: str, bones: list[str], *, upright: bool) -> np.ndarray:
    """Quaternions (frames, bones, 4), w first, of each bone against its parent; upright turns z-up files to y up."""
    head, _, motion = content.partition("MOTION")
    joints: list[tuple[str, list[str]]] = []
    heights, leaf = np.zeros(3), False
    for line in head.splitlines():
        words = line.split()
        match words[:1]:
            case ["ROOT"] | ["JOINT"]:
                joints.append((words[1], []))
                leaf = False
            case ["End"]:
                leaf = True
            case ["CHANNELS"]:
                joints[-1] = (joints[-1][0], words[2:])
            case ["OFFSET"] if not leaf and joints[-1][0].startswith(("spine", "neck")):
                heights += [float(x) for x in words[1:]]
    frames = [np.array(line.split(), float) for line in motion.splitlines()[3:] if line.strip()]
    out = np.zeros((len(frames), len(bones), 4))
    out[..., 0] = 1
    column = 0
    for name, channels in joints:
        if name in bones:
            turning = [(channel[0], column + k) for k, channel in enumerate(channels) if channel.endswith("rotation")]
            for row, values in zip(out[:, bones.index(name)], frames, strict=True):
                row[:] = product([about(axis, math.radians(values[k])) for axis, k in turning])
        column += len(channels)
    if upright and abs(heights[2]) > abs(heights[1]):
        out = np.stack([out[..., 0], out[..., 1], out[..., 3], -out[..., 2]], -1)
    return out


def about(axis: str, angle: float) -> np.ndarray:
    q = np.zeros(4)
    q[0], q["XYZ".index(axis.upper()) + 1] = math.cos(angle / 2), math.sin(angle / 2)
    return q


def product(turns: list[np.ndarray]) -> np.ndarray:
    out = np.array([1.0, 0, 0, 0])
    for q in turns:
        w, v = out[0] * q[0] - out[1:] @ q[1:], out[0] * q[1:] + q[0] * out[1:] + np.cross(out[1:], q[1:])
        out = np.array([w, *v])
    return out


def inverse(q: np.ndarray) -> np.ndarray:
    return q * [1, -1, -1, -1]


def takes(folder: Path, names: list[str], bones: list[str]) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    for subject in dict.fromkeys(name.split("_")[0] for name in names):
        skeleton = asf(text(folder / subject / f"{subject}.asf"))
        rest = [skeleton[bone]["direction"] for bone in bones]
        out[f"dirs_{subject}"] = np.array(rest)
        leg = skeleton["lfemur"]["length"] + skeleton["ltibia"]["length"]
        for name in (name for name in names if name.split("_")[0] == subject):
            turns, places = amc(text(folder / subject / f"{name}.amc"), skeleton, bones)
            every = CAPTURED_RATE // KEPT_RATE
            out[f"{name}|q"] = np.round(turns[::every] * 32767).astype(np.int16)
            out[f"{name}|p"] = (places[::every] / leg).astype(np.float32)
    return {**out, "bones": np.array(bones)}


def asf(content: str) -> dict[str, dict]:
    """Acclaim skeleton: bone -> direction, length, axis (a turn), degrees of freedom, parent."""
    bones: dict[str, dict] = {
        "root": {"parent": None, "axis": about("X", 0), "dof": [], "direction": np.array([0, 1.0, 0])}
    }
    section, bone = "", {}
    for line in content.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0].startswith(":"):
            section = words[0]
        elif section == ":bonedata":
            match words[0]:
                case "begin":
                    bone = {"dof": []}
                case "name":
                    bones[words[1]] = bone
                case "direction":
                    bone["direction"] = np.array(words[1:4], float)
                case "length":
                    bone["length"] = float(words[1])
                case "axis":  # angles about fixed axes x, then y, then z
                    x, y, z = (math.radians(float(a)) for a in words[1:4])
                    bone["axis"] = product([about("Z", z), about("Y", y), about("X", x)])
                case "dof":
                    bone["dof"] = words[1:]
        elif section == ":hierarchy":
            for child in words[1:] if words[0] in bones else []:
                bones[child]["parent"] = words[0]
    return bones


def amc(content: str, skeleton: dict[str, dict], bones: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Turns of bones in the world (t, b, 4) and places of the root (t, 3)."""
    order = [name for name in skeleton if name == "root"]
    for name in order:
        order += [child for child, bone in skeleton.items() if bone.get("parent") == name]
    turns, places, frame = [], [], {}

    def finish() -> None:
        world = {}
        for name in order:
            values, bone = frame.get(name, []), skeleton[name]
            if name == "root":
                places.append(values[:3])
                given = [("X", values[3]), ("Y", values[4]), ("Z", values[5])]
            else:
                given = [(dof[1].upper(), v) for dof, v in zip(bone["dof"], values, strict=False) if dof[0] == "r"]
            moved = product([about(axis, math.radians(v)) for axis, v in reversed(given)])
            local = product([bone["axis"], moved, inverse(bone["axis"])])
            world[name] = local if name == "root" else product([world[bone["parent"]], local])
        turns.append([world[name] for name in bones])

    for line in content.splitlines():
        words = line.split()
        if len(words) == 1 and words[0].isdigit():
            if frame:
                finish()
            frame = {}
        elif len(words) > 1 and words[0] in skeleton:
            frame[words[0]] = [float(x) for x in words[1:]]
    if frame:
        finish()
    return np.array(turns), np.array(places)


def textures(listed: dict[str, dict], roots: tuple[Path, ...], skins: Path | None, out: Path) -> list[str]:
    """Shrink all that are there; the names of those that are not."""
    missing = []
    for name, entry in listed.items():
        source = entry["from"]
        places = [root / source for root in roots]
        if source.startswith("comm_skins/") and skins is not None:
            places = sorted(skins.rglob(Path(source).name))
        path = next((p for p in places if p.is_file() and not p.read_bytes().startswith(b"version https")), None)
        if path is None:
            missing.append(source)
            continue
        if "sha256" in entry and hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
            print(f"warning: {path.name} is not the file that the published people were made with", file=sys.stderr)
        with Image.open(path) as opened:
            picture = opened.convert(entry["mode"])
        height = max(1, entry["size"] * picture.height // picture.width)
        picture.resize((entry["size"], height), Image.Resampling.LANCZOS).save(out / f"{name}.webp", quality=QUALITY)
    return missing


if __name__ == "__main__":
    main()
