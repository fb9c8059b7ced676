"""The script that builds people's assets: a tiny clone in, a folder that the engine reads out."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vimatte.engine.training.people.assets import load_assets
from vimatte.engine.training.people.maths import from_quaternions

SCRIPT = Path(__file__).parents[3] / "install_scripts" / "build_people_assets.py"
OBJ = """v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 2 0 0
vt 0 0
vt 1 0
vt 1 1
vt 0 1
g body
f 1/1 2/2 3/3 4/4
g helper-tights
f 2/1 5/2 3/3
g joint-root
f 1/1 2/2 3/3 4/4
"""
BVH = """HIERARCHY
ROOT root
{
 OFFSET 0 0 0
 CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
 JOINT spine01
 {
  OFFSET 0 UP
  CHANNELS 3 Zrotation Xrotation Yrotation
  End Site
  {
   OFFSET 0 1 0
  }
 }
}
MOTION
Frames: 1
Frame Time: 0.04
0 0 0 0 0 0 90 0 0
"""
ASF = """:version 1.10
:root
 order TX TY TZ RX RY RZ
:bonedata
 begin
  id 1
  name lfemur
  direction 0 -1 0
  length 2
  axis 0 0 90 XYZ
  dof rx ry rz
 end
 begin
  id 2
  name ltibia
  direction 0 -1 0
  length 3
  axis 0 0 0 XYZ
  dof rx
 end
:hierarchy
 begin
  root lfemur
  lfemur ltibia
 end
"""
AMC = ":FULLY-SPECIFIED\n" + "".join(f"{t}\nroot 0 5 {t} 0 0 0\nlfemur 0 90 0\nltibia 90\n" for t in range(1, 5))
MHCLO = """# a hat
name hat
obj_file hat.obj
x_scale 0 1 1.0
y_scale 0 3 1.0
z_scale 0 3 1.0
verts 0
0 1 2 0.5 0.25 0.25 0.1 0 0
1
0 1 2 1 0 0 0 0 0
delete_verts
0 2 - 3
"""
HAT = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0.5 0.25\nf 1/1 2/1 3/1\n"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_people_assets", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


@pytest.fixture
def clone(tmp_path: Path) -> dict[str, Path]:
    """Tiny clones of everything, and a manifest of what is in them."""
    data, base = tmp_path / "makehuman" / "makehuman" / "data", tmp_path / "assets" / "base"
    write(data / "3dobjs" / "base.obj", OBJ)
    joints = {"root_head": [0], "root_tail": [0, 1], "spine_tail": [2, 3]}
    bones = {
        "root": {"head": "root_head", "tail": "root_tail", "parent": None},
        "spine01": {"head": "root_tail", "tail": "spine_tail", "parent": "root"},
    }
    write(data / "rigs" / "default.mhskel", json.dumps({"bones": bones, "joints": joints}))
    weights = {"root": [[0, 1.0], [1, 0.5], [2, 1], [3, 1], [4, 1]], "spine01": [[1, 0.5]]}
    write(data / "rigs" / "default_weights.mhw", json.dumps({"weights": weights}))
    write(data / "targets" / "nose" / "nose-up.target", "# by hand\n3 0 0.0125 0\n1 0.001 0 -0.02\n2 0 0 0.0001\n")
    write(data / "poseunits" / "face-poseunits.json", json.dumps({"framemapping": ["Rest"]}))
    write(data / "poseunits" / "face-poseunits.bvh", BVH.replace("UP", "0 1"))
    write(base / "poses" / "standing01.bvh", BVH.replace("UP", "1 0"))
    write(base / "poses" / "standing02.bvh", BVH.replace("UP", "0 1"))
    write(base / "expressions" / "smile01.mhpose", json.dumps({"unit_poses": {"Rest": 0.5}}))
    write(base / "clothes" / "hat" / "hat.mhclo", MHCLO)
    write(base / "clothes" / "hat" / "hat.obj", HAT)
    write(tmp_path / "mocap" / "02" / "02.asf", ASF)
    write(tmp_path / "mocap" / "02" / "02_01.amc", AMC)
    Image.new("RGB", (64, 32), (200, 100, 50)).save(base / "clothes" / "hat" / "hat.png")
    skins = tmp_path / "skins" / "pack"
    skins.mkdir(parents=True)
    Image.new("RGB", (32, 32), (90, 60, 40)).save(skins / "fair.png")
    manifest: dict[str, Any] = {
        "bones": ["root", "spine01"],
        "targets": {"nose": ["nose-up"]},
        "items": {"clothes/hat": "clothes/hat/hat"},
        "poses": ["standing01", "standing02"],
        "expressions": ["smile01"],
        "takes": ["02_01"],
        "capture_bones": ["root", "lfemur", "ltibia"],
        "textures": {
            "cl_hat": {"from": "clothes/hat/hat.png", "size": 16, "mode": "RGB", "sha256": "0" * 64},
            "skin_fair": {"from": "comm_skins/fair.png", "size": 8, "mode": "RGB"},
        },
        "arrays": {},
    }
    write(tmp_path / "manifest.json", json.dumps(manifest))
    return {name: tmp_path / name for name in ("makehuman", "assets", "mocap", "skins", "out", "manifest.json")}


def built(script: ModuleType, clone: dict[str, Path], *, skins: bool = True) -> Path:
    roots = clone["makehuman"], clone["assets"], clone["skins"] if skins else None, clone["mocap"], clone["out"]
    script.build(*roots, manifest=clone["manifest.json"])
    return clone["out"]


def test_a_clone_becomes_assets_that_the_engine_reads(
    script: ModuleType, clone: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assets = load_assets(built(script, clone))
    said = capsys.readouterr()
    assert "not as published" in said.out
    assert "hat.png is not the file" in said.err
    np.testing.assert_array_equal(assets.vertices[4], [2, 0, 0])
    np.testing.assert_array_equal(assets.body_faces, [[0, 1, 2, 3]])
    np.testing.assert_array_equal(assets.faces[1], [1, 4, 2, -1])
    np.testing.assert_array_equal(assets.heads, [[0, -1], [0, 1]])
    np.testing.assert_allclose(assets.weights[1], [0.5, 0.5], atol=1e-4)
    target = assets.targets["nose/nose-up"]
    np.testing.assert_array_equal(target.index, [1, 3])
    np.testing.assert_array_equal(target.offset, [[1, 0, -20], [0, 12, 0]])
    hat = assets.items["clothes/hat"]
    np.testing.assert_array_equal(hat.corners, [[0, 1, 2], [1, 1, 1], [0, 1, 2]])
    np.testing.assert_array_equal(hat.shares[1], [1, 0, 0])
    np.testing.assert_array_equal(hat.covers, [0, 2, 3])
    np.testing.assert_array_equal(hat.scale[1], [0, 3, 1])
    assert assets.expressions == {"smile01": {"Rest": 0.5}}
    assert assets.texture("cl_hat").shape == (8, 16, 3)
    assert assets.has_texture("skin_fair")


def test_poses_turn_about_up_whatever_axis_their_file_calls_up(script: ModuleType, clone: dict[str, Path]) -> None:
    assets = load_assets(built(script, clone))
    quarter = math.sqrt(0.5)
    np.testing.assert_allclose(assets.poses["standing01"][1], [quarter, 0, 0, quarter], atol=1e-6)
    np.testing.assert_allclose(assets.poses["standing02"][1], [quarter, 0, quarter, 0], atol=1e-6)
    np.testing.assert_allclose(assets.poses["standing01"][0], [1, 0, 0, 0])


def test_captured_bones_turn_about_their_own_axes(script: ModuleType, clone: dict[str, Path]) -> None:
    assets = load_assets(built(script, clone))
    take = assets.takes["02_01"]
    assert len(take.rotations) == 2, "every second frame"
    np.testing.assert_allclose(take.places, [[0, 1, 0.2], [0, 1, 0.6]], atol=1e-6)  # in lengths of the leg, 2 + 3
    np.testing.assert_allclose(assets.capture_rest["02"][1], [0, -1, 0])
    turns = from_quaternions(take.rotations[0] / 32767)
    # The thigh's own y lies along the world's -x: a quarter turn about it takes down to the front.
    np.testing.assert_allclose(turns[1] @ [0, -1, 0], [0, 0, 1], atol=1e-3)
    # The shin bends about x in the thigh's frame, which stays where it was: from the front upwards again.
    np.testing.assert_allclose(turns[2] @ [0, -1, 0], turns[1] @ [0, 0, -1], atol=1e-3)


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("makehuman/makehuman/data/rigs/default.mhskel", "default.mhskel' was not found"),
        ("assets/base/clothes/hat/hat.mhclo", "hat.mhclo' was not found"),
        ("mocap/02/02_01.amc", "02_01.amc' was not found"),
        ("assets/base/clothes/hat/hat.png", "git lfs pull"),
    ],
)
def test_what_is_missing_is_said(
    script: ModuleType, clone: dict[str, Path], tmp_path: Path, gone: str, said: str
) -> None:
    (tmp_path / gone).unlink()
    with pytest.raises(script.WrongError, match=said):
        built(script, clone)


def test_skins_that_were_not_given_are_said(script: ModuleType, clone: dict[str, Path]) -> None:
    with pytest.raises(script.WrongError, match="--skins"):
        built(script, clone, skins=False)


def test_pointers_of_git_lfs_are_recognised(script: ModuleType, clone: dict[str, Path]) -> None:
    write(clone["assets"] / "base" / "clothes" / "hat" / "hat.obj", "version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(script.WrongError, match="pointer"):
        built(script, clone)


def test_the_command_says_one_sentence(script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    arguments = ["--makehuman", tmp_path, "--assets", tmp_path, "--mocap", tmp_path, "--out", tmp_path / "out"]
    monkeypatch.setattr(sys, "argv", ["build_people_assets.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        script.main()
    assert str(left.value.code).startswith("error: ")


def test_the_manifest_names_what_the_engine_needs() -> None:
    listed = json.loads(SCRIPT.with_name("people_assets.json").read_text(encoding="utf-8"))
    assert sum(len(names) for names in listed["targets"].values()) == 686
    assert len(listed["bones"]) == 163
    assert len(listed["textures"]) == 79
    assert sum("sha256" in entry for entry in listed["textures"].values()) == 78
    assert sorted(listed["arrays"]) == ["base", "items", "mocap", "poses", "targets"]
