"""The extension in real Blenders: set VIMATTE_BPY_PYTHON to an interpreter with `bpy`; `nox` runs them all."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest

from support import faults, movies

pytestmark = [pytest.mark.blender, pytest.mark.slow]
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
H, W = 64, 96
PEOPLE = {"anna": 20, "bruno": 48, "carla": 76}


@pytest.fixture(scope="module")
def bpy_python() -> str:
    python = os.environ.get("VIMATTE_BPY_PYTHON")
    if not python:
        pytest.skip("VIMATTE_BPY_PYTHON names no interpreter with bpy")
    return python


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build(folder)
    return next(folder.glob("vimatte-*.zip"))


def build(folder: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "install_scripts" / "build_extension"), str(folder)], check=True)


def clip(folder: Path, numbers: list[int], *, masked: int = 1001) -> dict[str, str]:
    """Ellipses that move a pixel a frame over noise, and a mask of each on one frame."""
    ys, xs = np.mgrid[:H, :W].astype(np.float32)
    for n in numbers:
        plate = np.random.default_rng(n).normal(0.2, 0.02, (H, W, 3)).astype(np.float32)
        for i, x in enumerate(PEOPLE.values()):
            inside = ((xs - x - (n - numbers[0]) % 8) / 9) ** 2 + ((ys - 36) / 20) ** 2 < 1
            plate[inside] = np.eye(3, dtype=np.float32)[i] * 0.6 + 0.1
        faults.write_image(folder / f"plate.{n:04d}.exr", plate)
    for name, x in PEOPLE.items():
        mask = ((xs - x - (masked - numbers[0]) % 8) / 9) ** 2 + ((ys - 36) / 20) ** 2 < 1
        faults.write_image(folder / "masks" / name / f"{masked:04d}.png", mask[..., None].astype("f4"), "uint8")
    return {"first": str(folder / f"plate.{numbers[0]:04d}.exr"), "masks": str(folder / "masks")}


def command(
    python: str, scenario: str, job: dict[str, Any], folder: Path, user: str
) -> tuple[list[str], dict[str, str]]:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{scenario}.json"
    file.write_text(json.dumps(job), encoding="utf-8")
    env = {
        **os.environ,
        "BLENDER_USER_RESOURCES": str(folder / user),
        "VIMATTE_ENGINE": sys.executable,
        "OMP_NUM_THREADS": "1",
    }
    (folder / user).mkdir(exist_ok=True)
    return [python, str(HERE / "extension_script.py"), scenario, str(file)], env


def play(python: str, scenario: str, job: dict[str, Any], folder: Path, *, user: str = "user") -> dict[str, Any]:
    arguments, env = command(python, scenario, job, folder, user)
    done = subprocess.run(arguments, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    assert lines, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert "Error" not in done.stderr or scenario in ("clean", "people", "gaps", "trouble"), done.stderr
    return json.loads(lines[-1].removeprefix("FOUND "))


def channels(path: Path) -> dict[str, np.ndarray]:
    """Every channel of every part by name."""
    source = oiio.ImageInput.open(str(path))
    assert source is not None, f"{path}: {oiio.geterror()}"
    found, part = {}, 0
    while source.seek_subimage(part, 0):
        spec = source.spec()
        data = source.read_image(part, 0, 0, spec.nchannels, "float")
        found |= {name: data[..., i] for i, name in enumerate(spec.channelnames)}
        part += 1
    source.geterror()
    return found


def shown(path: Path, items: dict[str, str]) -> dict[str, np.ndarray]:
    """What came out of each socket: (h, w) or (h, w, 4)."""
    found = channels(path)
    out = {}
    for item, name in items.items():
        if f"{item}.V" in found:
            out[name] = found[f"{item}.V"]
        else:
            out[name] = np.stack([found[f"{item}.{c}"] for c in "RGBA" if f"{item}.{c}" in found], axis=-1)
    return out


def test_the_zip_is_complete_and_always_the_same(extension: Path, tmp_path: Path) -> None:
    build(tmp_path)
    assert (tmp_path / extension.name).read_bytes() == extension.read_bytes()
    with zipfile.ZipFile(extension) as archive:
        names = set(archive.namelist())
        manifest = archive.read("blender_manifest.toml").decode()
    assert {"__init__.py", "LICENSE", "blender/panel.py", "bridge/client.py"} <= names
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version is not None
    assert f'version = "{version[1]}"' in manifest
    assert 'id = "vimatte"' in manifest
    assert "SPDX:GPL-3.0-or-later" in manifest
    assert 'blender_version_min = "4.2.0"' in manifest
    values = tomllib.loads(manifest)
    for text in (values["tagline"], *values["permissions"].values()):
        assert len(text) <= 64, "Blender refuses longer ones"
        assert text[-1].isalnum(), "and punctuation at the end"


def test_sockets_give_the_layers_exactly_and_the_file_renders_without_the_addon(
    bpy_python: str, extension: Path, tmp_path: Path
) -> None:
    out, bare = tmp_path / "out", tmp_path / "bare"
    out.mkdir()
    bare.mkdir()
    plate = clip(tmp_path / "plate", list(range(1001, 1007)), masked=1003)
    job = {**plate, "zip": str(extension), "folder": str(tmp_path), "out": str(out)}
    found = play(bpy_python, "shot", job, tmp_path)
    assert found["adopted"] == [11, 4, 1001], "as the Image node shows it"
    assert [p[1] for p in found["people"]] == list(PEOPLE)
    assert found["early"] == ["Combined", "Alpha", *PEOPLE], "sockets can be wired before mattes are made"
    assert dict(map(tuple, found["sockets"])) == {"Combined": "RGBA", **dict.fromkeys(["Alpha", *PEOPLE], "VALUE")}
    assert found["plain"] == "CompositorNodeTree"
    assert found["inner"] == ["CompositorNodeImage", "NodeGroupOutput"]
    assert found["image"] == "//mattes/Video_Instance_Matte/layers.1002.exr", "relative paths stay relative"
    assert found["thumbnail"].startswith("//mattes/")
    assert found["missing"] == ""
    assert "Matte" in found["log"]
    play(bpy_python, "bare", {"blend": found["blend"], "out": str(bare)}, tmp_path, user="other_user")
    layers = tmp_path / "mattes" / "Video_Instance_Matte"
    assert sorted(p.name for p in layers.glob("layers.*.exr")) == [f"layers.{n}.exr" for n in range(1002, 1006)]
    for scene_frame, number in zip(range(11, 15), range(1002, 1006), strict=True):
        expected = channels(layers / f"layers.{number}.exr")
        for folder in (out, bare):
            got = shown(folder / f"shown_{scene_frame:04d}.exr", found["items"])
            for name in PEOPLE:
                assert expected[f"{name}.A"].max() == 1
                np.testing.assert_array_equal(got[name], expected[f"{name}.A"], err_msg=f"{name}, {scene_frame}")
            np.testing.assert_array_equal(got["Alpha"], expected["A"])
            np.testing.assert_array_equal(got["Combined"], np.stack([expected[c] for c in "RGBA"], axis=-1))
            np.testing.assert_array_equal(got["Matte"], expected["bruno.A"])


def test_renaming_merging_and_dropping_keep_the_links_that_make_sense(
    bpy_python: str, extension: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    plate = clip(tmp_path / "plate", [1001, 1002])
    found = play(
        bpy_python, "people", {**plate, "zip": str(extension), "folder": str(tmp_path), "out": str(out)}, tmp_path
    )
    rows = [[1, "anna", "anna"], [2, "bruno", "bruno"], [3, "carla", "carla"]]
    assert found["frames"] == [1001, 1000]
    assert found["first"] == rows
    assert {"vimatte.matte", "name", "chosen", "colour", "vimatte.solo", "folder", "VIMATTE_MT_matte"} <= set(
        found["drawn"]
    )
    assert "Frames 1001-1002" in found["drawn"]
    assert "Select or add a Video Instance Matte." in found["drawn_without"]
    both = ["Alpha", "Combined"]
    assert found["linked"] == sorted([*both, *PEOPLE])
    assert found["renamed"] == ["Zo", "Zo_2", "p_alpha"]
    assert found["after_rename"] == [
        sorted([*both, "Zo", "anna", "carla"]),
        [[1, "Zo", "anna"], [2, "anna", "bruno"], rows[2]],
    ]
    assert found["solo"] == "anna"
    assert found["solo_over"] is True
    assert found["rematted"] == [
        sorted([*both, "Zo", "anna", "carla"]),
        [[1, "Zo", "Zo"], [2, "anna", "anna"], rows[2]],
    ]
    assert found["merged"] == [sorted([*both, "Zo", "carla"]), [[1, "Zo", "Zo"], rows[2]], "anna"]
    # Linked twice by then: the second File Output was added after the merge.
    twice = sorted([*both, *both, "Zo", "Zo", "carla", "carla"])
    assert found["merged_matted"] == [twice, [[1, "Zo", "Zo"], rows[2]], ""]
    assert found["dropped"] == [sorted([*both, *both, "Zo", "Zo"]), [[1, "Zo", "Zo"]]]
    assert found["dropped_matted"] == found["dropped"]
    assert "There is no 'nobody'" in found["refused"]
    # Whom the engine finds again keeps the artist's name, socket and links; the others are new.
    assert found["found_again"] == [
        found["dropped"][0],
        [[1, "Zo", "Zo"], [2, "bruno", "bruno"], [3, "carla", "carla"]],
    ]
    got = shown(out / "b_1001.exr", found["merged_items"])
    assert set(np.unique(got["Zo"])) > {0, 1}
    np.testing.assert_allclose(got["Zo"] + got["carla"], got["Alpha"], atol=1e-6)
    final = channels(tmp_path / "mattes" / "Video_Instance_Matte" / "layers.1001.exr")
    assert sorted(final) == ["A", "B", "G", "R", "Zo.A"]


def test_a_movies_layers_carry_the_scenes_frame_numbers(bpy_python: str, extension: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    frames = [movies.grey_frame(40 + 30 * i, size=(W, H)) for i in range(6)]
    shot = tmp_path / "shot.mkv"
    movies.write_movie(shot, frames, codec="ffv1", pix_fmt="yuv420p")
    mask = np.zeros((H, W, 1), np.float32)
    mask[10:50, 20:40] = 1
    faults.write_image(tmp_path / "masks" / "anna" / "0021.png", mask, "uint8")
    job = {"first": str(shot), "masks": str(tmp_path / "masks"), "layers": str(tmp_path / "elsewhere"),
           "zip": str(extension), "folder": str(tmp_path), "out": str(tmp_path / "out")}  # fmt: skip
    found = play(bpy_python, "movie", job, tmp_path)
    assert found["placed"] == [21, 3, 20]
    assert found["image"] == str(tmp_path / "elsewhere" / "Video_Instance_Matte" / "layers.0021.exr")
    greys = []
    for scene_frame in (21, 22, 23):
        got = shown(tmp_path / "out" / f"shown_{scene_frame:04d}.exr", found["items"])
        expected = channels(tmp_path / "elsewhere" / "Video_Instance_Matte" / f"layers.{scene_frame:04d}.exr")
        np.testing.assert_array_equal(got["anna"], expected["anna.A"])
        greys.append(float(got["Combined"][5, 5, 1]))
        np.testing.assert_allclose(got["Combined"][5, 5, :3], got["Image"][5, 5, :3], rtol=0.03, err_msg="the plate")
    # Movie frames 3, 4, 5 have luma 100, 130, 160: as sRGB to light 0.127, 0.233, 0.38.
    codes = np.array([(100 - 16) / 219, (130 - 16) / 219, (160 - 16) / 219])
    light = ((codes + 0.055) / 1.055) ** 2.4
    np.testing.assert_allclose(greys, light, rtol=0.03)


def test_a_movie_clip_lies_under_its_layers(bpy_python: str, extension: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    job = {**clip(tmp_path / "plate", list(range(1001, 1011)), masked=1004), "zip": str(extension)}
    found = play(bpy_python, "clip", {**job, "folder": str(tmp_path), "out": str(tmp_path / "out")}, tmp_path)
    assert found["adopted"][0] == 4
    assert found["image"] == "//mattes/Video_Instance_Matte/layers.1003.exr"
    for scene_frame in range(5, 9):
        got = shown(tmp_path / "out" / f"shown_{scene_frame:04d}.exr", found["items"])
        assert got["Image"][..., :3].std() > 0.01
        np.testing.assert_array_equal(got["Combined"][..., :3], got["Image"][..., :3])


def test_a_still_has_one_file_without_a_number(bpy_python: str, extension: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    plate = clip(tmp_path / "plate", [1001])
    first = tmp_path / "still.exr"
    Path(plate["first"]).rename(first)
    mask = tmp_path / "plate" / "masks" / "anna" / "1001.png"
    job = {"first": str(first), "mask": str(mask), "zip": str(extension), "folder": str(tmp_path)}
    found = play(bpy_python, "still", {**job, "out": str(tmp_path / "out")}, tmp_path)
    assert found["image"] == "//mattes/Video_Instance_Matte/layers.exr"
    assert len(found["people"]) == 1
    got = shown(tmp_path / "out" / "shown_0007.exr", found["items"])
    expected = channels(tmp_path / "mattes" / "Video_Instance_Matte" / "layers.exr")
    name = found["people"][0][1]
    np.testing.assert_array_equal(got[name], expected[f"{name}.A"])


def test_missing_frames_and_ranges_are_told(bpy_python: str, extension: Path, tmp_path: Path) -> None:
    plate = clip(tmp_path / "plate", [1001, 1002, 1004, 1005, 1006], masked=1002)
    found = play(bpy_python, "gaps", {**plate, "zip": str(extension), "folder": str(tmp_path)}, tmp_path)
    assert found["adopted"] == [1, 6, 1000]
    assert found["missing"] == "3"
    assert found["placed"] == [2, 4, 1001]
    assert "Scene frames without layers, because the source lacks them: 3." in found["said"]
    assert "shows nothing on scene frames 2 to 5" in found["refused"]


def test_the_documented_script_puts_another_shot_into_a_comp(bpy_python: str, extension: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    first = clip(tmp_path / "plate", list(range(1001, 1007)), masked=1003)
    job = {**first, "zip": str(extension), "folder": str(tmp_path), "out": str(tmp_path / "out")}
    found = play(bpy_python, "template", job, tmp_path)
    other = tmp_path / "other.mkv"
    frames = [movies.grey_frame(60 + 20 * i, size=(W, H)) for i in range(3)]
    movies.write_movie(other, frames, codec="ffv1", pix_fmt="yuv420p")
    mask = np.zeros((H, W, 1), np.float32)
    mask[10:50, 20:40] = 1
    # The scene begins at 11, so the movie's first frame is frame 11 of the scene.
    faults.write_image(tmp_path / "other" / "bruno" / "0011.png", mask, "uint8")
    page = (ROOT / "docs" / "blender.md").read_text(encoding="utf-8")
    script = tmp_path / "matte_and_render.py"
    script.write_text(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], encoding="utf-8")
    _, env = command(bpy_python, "template", {}, tmp_path, "user")
    done = subprocess.run(
        [bpy_python, str(script), "--", found["blend"], str(other), str(tmp_path / "other")],
        env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "people: ['bruno'] missing: none" in done.stdout
    for scene_frame in (11, 12, 13):
        got = channels(tmp_path / "out" / f"shown_{scene_frame:04d}.exr")
        expected = channels(tmp_path / "mattes" / "Video_Instance_Matte" / f"layers.{scene_frame:04d}.exr")
        item = next(k for k, name in found["items"].items() if name == "bruno")
        np.testing.assert_array_equal(got[f"{item}.V"], expected["bruno.A"], "the link by name survived")


def test_cancel_and_a_killed_engine_leave_whole_files_and_a_working_blender(
    bpy_python: str, extension: Path, tmp_path: Path
) -> None:
    plate = clip(tmp_path / "plate", list(range(1001, 1061)))
    found = play(bpy_python, "trouble", {**plate, "zip": str(extension), "folder": str(tmp_path)}, tmp_path)
    assert "still runs" in found["busy"]
    assert {"Starting …", "vimatte.cancel"} <= set(found["drawn"])
    message, failed, busy, seconds = found["cancelled"]
    assert message.startswith("Cancelled")
    assert (failed, busy) == (False, False)
    assert seconds < 10
    assert found["kept_engine"] is True
    message, failed, busy = found["killed"]
    assert "SIGKILL" in message
    assert (failed, busy) == (True, False)
    assert found["still_here"] is True
    assert found["went_on"][1] is False, found["went_on"]
    assert found["after_disable"] == [False, []]
    for when in ("after_cancel", "after_kill"):
        assert [n for n in found[when] if n.startswith(".")] == [], when
        assert [n for n in found[when] if n.endswith(".exr")], when
    for path in (tmp_path / "mattes" / "Video_Instance_Matte").glob("*.exr"):
        assert np.isfinite(channels(path)["anna.A"]).all()


def test_unregistering_leaves_blender_clean_and_refusals_are_sentences(
    bpy_python: str, extension: Path, tmp_path: Path
) -> None:
    plate = clip(tmp_path / "plate", [1001, 1002])
    found = play(bpy_python, "clean", {**plate, "late_zip": str(extension), "out": str(tmp_path)}, tmp_path)
    assert found["there"]["tree"] is True
    assert "matte" in found["there"]["ops"]
    assert found["there"] != found["before"]
    assert found["cycles"] == [found["before"]] * 3
    assert found["after"] == found["before"]
    assert "save it first" in found["unsaved"]
    assert "No image is picked" in found["no_source"]
    assert "$VIMATTE_ENGINE" in found["no_engine"]
    assert "the add-on's setting" in found["no_engine_set"]
    assert "There is no Video Instance Matte named 'none'" in found["no_group"]
    assert "'painted' is generated" in found["generated"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_the_engine_ends_with_a_blender_that_is_killed(bpy_python: str, extension: Path, tmp_path: Path) -> None:
    plate = clip(tmp_path / "plate", list(range(1001, 1061)))
    job = {**plate, "zip": str(extension), "folder": str(tmp_path)}
    arguments, env = command(bpy_python, "abandon", job, tmp_path, "user")
    process = subprocess.Popen(arguments, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    line = next(line for line in process.stdout if line.startswith("FOUND "))
    pid = json.loads(line.removeprefix("FOUND "))["pid"]
    os.kill(pid, 0)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    end = time.monotonic() + 15
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    hidden = [p.name for p in (tmp_path / "mattes" / "Video_Instance_Matte").iterdir() if p.name.startswith(".")]
    assert hidden == []
