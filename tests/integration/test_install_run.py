"""Installing and uninstalling for real, without an index: from hollow wheels always, from a true bundle when named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.installing import Desk, hollow_bundle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="install.sh is for Linux and macOS"),
]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A user of Blender and Nuke who has other things there."""
    made = Desk(tmp_path)
    (made.home / ".nuke").mkdir()
    (made.home / ".nuke" / "init.py").write_bytes(b"import nuke\nnuke.pluginAddPath('./gizmos')")
    (made.home / ".config" / "blender" / "4.5" / "scripts").mkdir(parents=True)
    (made.home / "Documents").mkdir()
    return made


def test_installed_linked_run_and_removed_without_a_trace(desk: Desk, tmp_path: Path) -> None:
    bundle = hollow_bundle(tmp_path / "Bündel auf Stick")
    before = desk.listing()
    prefix = desk.home / ".vimatte"
    script = bundle / "install.sh"

    ran = desk.run("--link-blender", "--link-nuke", script=script)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "doctor: hollow" in ran.stdout
    engine = prefix / "venv" / "bin" / "vimatte"
    assert subprocess.run([str(engine)], capture_output=True, text=True, check=True).stdout == "doctor: hollow\n"
    weights = desk.home / ".cache" / "vimatte" / "weights" / "tiny" / "tiny.tflite"
    assert weights.read_bytes() == b"numbers"
    extension = desk.home / ".config/blender/4.5/extensions/user_default/vimatte"
    assert extension.is_symlink()
    assert (extension / "blender_manifest.toml").is_file()
    assert (extension / "bridge" / "locate.py").is_file()
    last = (desk.home / ".nuke" / "init.py").read_bytes().splitlines()[-1]
    paths: list[str] = []
    exec(last.replace(b"import os, nuke; ", b""), {"nuke": type("N", (), {"pluginAddPath": paths.append})})
    assert (Path(paths[0]) / "menu.py").is_file()

    again = desk.run(script=script)
    assert again.returncode == 0, again.stdout + again.stderr
    record = json.loads((prefix / "installed.json").read_text())
    assert (len(record["lines"]), len(record["links"]), len(record["trees"])) == (1, 1, 1)

    # From the copy that lies in the installation: the checkout or the stick may be gone.
    gone = desk.run("--uninstall", script=prefix / "scripts" / "install.sh")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert desk.listing() == before


def test_what_others_put_there_is_kept_and_a_damaged_bundle_refused(desk: Desk, tmp_path: Path) -> None:
    bundle = hollow_bundle(tmp_path / "bundle")
    wheel = next((bundle / "wheels").glob("torch-*"))
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[:-1] + b"x")
    before = desk.listing()
    ran = desk.run(script=bundle / "install.sh")
    assert ran.returncode == 3
    assert f"wheels/{wheel.name} of the bundle is damaged" in ran.stderr
    assert desk.listing() == before

    wheel.write_bytes(whole)
    prefix = desk.home / "Büro 2" / "v"
    ran = desk.run("--prefix", prefix, "--link-nuke", script=bundle / "install.sh")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert b'setdefault("VIMATTE_VENV", ' in (desk.home / ".nuke" / "init.py").read_bytes()
    (prefix / "notes.txt").write_text("mine")
    theirs = desk.home / ".cache" / "vimatte" / "weights" / "other"
    theirs.mkdir()
    (desk.home / ".nuke" / "init.py").write_bytes((desk.home / ".nuke" / "init.py").read_bytes() + b"more = 1\n")
    gone = desk.run("--uninstall", script=prefix / "scripts" / "install.sh")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    after = desk.listing()
    assert after.pop("Büro 2/v/notes.txt") == b"mine"
    assert after.pop(".nuke/init.py") == b"import nuke\nnuke.pluginAddPath('./gizmos')\nmore = 1\n"
    kept = {"Büro 2", "Büro 2/v", ".cache", ".cache/vimatte", ".cache/vimatte/weights", ".cache/vimatte/weights/other"}
    assert set(after) - set(before) == kept


@pytest.mark.skipif("VIMATTE_BUNDLE" not in os.environ, reason="VIMATTE_BUNDLE names no bundle made by bundle.sh")
def test_a_true_bundle_installs_mattes_and_goes(desk: Desk, example: Path) -> None:
    before = desk.listing()
    script = Path(os.environ["VIMATTE_BUNDLE"]) / "install.sh"
    # A proxy that nobody listens at: whoever asks a network fails.
    ran = desk.run("--link-blender", "--link-nuke", script=script, HTTPS_PROXY="http://127.0.0.1:9")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    command = [str(desk.home / ".vimatte/venv/bin/vim-batch"), str(example / "shot.mov"), "--frames", "1001-1002"]
    command += ["--masks", str(example / "masks"), "--out", str(desk.home.parent / "out" / "layers.exr"), "--quiet"]
    env = {"HOME": str(desk.home), "PATH": str(desk.bin), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, env=env, check=True)
    assert (desk.home.parent / "out" / "layers.1002.exr").is_file()
    gone = desk.run("--uninstall", script=desk.home / ".vimatte" / "scripts" / "install.sh")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert desk.listing() == before
