"""The folder as it lies, in the Python of Nuke 15, with the real engine."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support import faults
from support.cli_runner import vimatte
from support.nk import parse_nk

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "plugin" / "vimatte" / "plugin"
FILES = sorted([*(PLUGIN / "nuke").rglob("*.py"), *(PLUGIN / "bridge").glob("*.py"), PLUGIN / "__init__.py"])
# What came with 3.11 and later, of what a file here might be tempted to import.
NEWER = {
    "tomllib",
    "Self",
    "StrEnum",
    "assert_never",
    "override",
    "TaskGroup",
    "ExceptionGroup",
    "LiteralString",
    "Never",
}

HOST = """
import json, sys
import nuke, vimatte_nuke
shot, out, masks = sys.argv[1:]
nuke.root()["name"].setValue(out + "/shot.nk")
nuke.select(nuke.nodes.Read(name="Read1", file=shot, first=1001, last=1003))
node = vimatte_nuke.create()
node["masks"].setValue(masks)
busy = sys.modules["vimatte_plugin.nuke.vimatte_glue.session"].current
for button in ("find_people", "matte"):
    nuke.press(node, button)
    nuke.pump(lambda: busy.work is None, seconds=110)
    node["people"].setValue(node["people"].value().replace("anna", "zoe"))
made = {n.name(): {k: v.value() for k, v in n.knobs().items()} for n in nuke.allNodes()}
said = node["said"].value()
print(json.dumps(dict(said=said, messages=nuke.messages, made=made, version=sys.version_info[:2], path=sys.path)))
busy._engine.stop()
"""


def python_310() -> str | None:
    """A Python 3.10 that starts; a name on the search path may be a stub."""
    homes = [Path.home() / ".pyenv" / "versions"]
    found = [str(p) for home in homes for p in sorted(home.glob("3.10.*/bin/python3.10"))]
    for program in [*found, *filter(None, [shutil.which("python3.10")])]:
        if subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode == 0:
            return program
    return None


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PLUGIN)))
def test_every_file_is_python_310(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path), feature_version=(3, 10))
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {alias.name.split(".")[0] for n in imports for alias in n.names}
    modules = {n.module.split(".")[0] for n in imports if isinstance(n, ast.ImportFrom) and n.module}
    assert NEWER.isdisjoint(names | modules)


@pytest.mark.parametrize("name", ["init.py", "menu.py"])
def test_what_an_old_nuke_reads_first_is_plain(name: str) -> None:
    tree = ast.parse((PLUGIN / "nuke" / name).read_text(encoding="utf-8"), feature_version=(3, 4))
    assert not any(isinstance(n, ast.ImportFrom | ast.JoinedStr | ast.AnnAssign) for n in ast.walk(tree))


@pytest.mark.parametrize("kept", [True, False], ids=["linked", "copied"])
def test_the_folder_may_be_linked_but_not_copied(tmp_path: Path, kept: bool) -> None:
    home = tmp_path / "plug ins é"
    home.mkdir()
    if kept:
        (home / "vimatte").symlink_to(PLUGIN / "nuke", target_is_directory=True)
    else:
        shutil.copytree(PLUGIN / "nuke", home / "vimatte")
    shutil.copy(ROOT / "tests" / "support" / "nuke_recorder.py", tmp_path / "nuke.py")
    code = "import nuke, vimatte_nuke; made = vimatte_nuke.create(); print(made.name() if made else nuke.messages)"
    result = subprocess.run(
        [python_310() or sys.executable, "-c", code],
        env={"PYTHONPATH": os.pathsep.join([str(home / "vimatte"), str(tmp_path)]), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if kept:
        assert result.stdout.strip() == "VideoInstanceMatte", result.stderr
    else:
        assert "link it, or name the original in NUKE_PATH" in result.stdout, result.stderr


def test_people_are_found_and_matted_by_the_real_engine(tmp_path: Path) -> None:
    shot = faults.sequence(tmp_path / "a shot é", [1001, 1002, 1003], size=(96, 64))
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "vimatte").symlink_to(PLUGIN / "nuke", target_is_directory=True)
    shutil.copy(ROOT / "tests" / "support" / "nuke_recorder.py", tmp_path / "nuke.py")
    program = python_310() or sys.executable
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "plugins" / "vimatte"), str(tmp_path)]),
        "VIMATTE_ENGINE": sys.executable,
        "OMP_NUM_THREADS": "1",
    }
    result = subprocess.run(
        [program, "-c", HOST, shot, str(tmp_path), str(tmp_path / "a shot é" / "masks")],
        env=environ, capture_output=True, text=True, encoding="utf-8", timeout=150, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    said = json.loads(result.stdout)
    assert said["messages"] == []
    assert said["said"].startswith("3 frames of 1 person in ")
    if program != sys.executable:
        assert said["version"] == [3, 10]
    assert str(PLUGIN) not in said["path"], "a folder with one in it that is called nuke"
    folder = tmp_path / "mattes" / "VideoInstanceMatte"
    made = said["made"]
    assert made["layers"]["file"] == f"{folder.as_posix()}/layers.####.exr"
    assert made["matte_zoe"]["in1"] == "zoe"
    for n in (1001, 1002, 1003):
        image = faults.oiio.ImageBuf(str(folder / f"layers.{n}.exr"))
        assert image.spec().channelnames == ("zoe.A",)
        assert 0.05 < np.mean(image.get_pixels(faults.oiio.FLOAT)) < 0.9
    assert (folder / "layers_crypto.1001.exr").is_file()

    # The same layers as a script say the same as the nodes that the button made.
    script = tmp_path / "comp.nk"
    assert vimatte("nuke", folder / "layers.exr", "--out", script).code == 0
    read = parse_nk(script.read_text(encoding="utf-8")).named("layers").knobs
    for knob in ("file", "first", "last", "before", "after", "on_error"):
        assert read[knob] == str(made["layers"][knob]), knob
