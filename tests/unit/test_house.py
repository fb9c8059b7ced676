"""Rules of the house that no other tool checks: what may import what, and what every file has."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("plugin", "engine", "cli", "ocio")
SOURCES = sorted(p for folder in FOLDERS for p in (ROOT / folder / "vimatte").rglob("*.py"))
# What the applications bring along that a plug-in runs in.
HOSTS = {"bpy", "bpy_extras", "gpu", "mathutils", "nuke", "nukescripts"}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def exported(path: Path) -> list[str] | None:
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return list(ast.literal_eval(node.value))
    return None


def imported(path: Path) -> list[str]:
    """Absolute names of every import, those inside functions included."""
    names: list[str] = []
    for node in ast.walk(tree(path)):
        match node:
            case ast.Import():
                names += [a.name for a in node.names]
            case ast.ImportFrom(level=0):
                names.append(node.module or "")
    return names


def in_fresh_python(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_the_four_folders_are_one_namespace() -> None:
    for folder in FOLDERS:
        assert (ROOT / folder / "vimatte" / folder / "__init__.py").is_file()
        assert not (ROOT / folder / "__init__.py").exists()
        assert not (ROOT / folder / "vimatte" / "__init__.py").exists(), "it would hide the other three folders"


def test_imports_point_one_way(tmp_path: Path) -> None:
    """The contracts in pyproject.toml hold: cli -> engine -> ocio, plugin alone, no torch in ocio."""
    beside = Path(sysconfig.get_path("scripts")) / ("lint-imports.exe" if os.name == "nt" else "lint-imports")
    command = str(beside) if beside.is_file() else shutil.which("lint-imports")
    if command is None:
        pytest.skip("import-linter is not installed; pip install -e '.[dev]'")
    config = ROOT / "pyproject.toml"
    result = subprocess.run(
        [command, "--no-cache", "--config", str(config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"Contracts: [4-9] kept, 0 broken", result.stdout), result.stdout


def test_pictures_can_be_used_without_torch() -> None:
    modules = [module_name(p) for p in SOURCES if named(p).startswith("ocio")]
    assert len(modules) > 5
    code = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        "print([m for m in ('torch', 'vimatte.engine', 'vimatte.cli', 'vimatte.plugin') if m in sys.modules])"
    )
    assert in_fresh_python(code) == "[]"


def test_the_engine_is_imported_without_the_command_line() -> None:
    assert in_fresh_python(
        "import sys, vimatte.engine; print('vimatte.cli' in sys.modules, 'click' in sys.modules)"
    ) == ("False False")


@pytest.mark.parametrize("path", [p for p in SOURCES if named(p).startswith("plugin")], ids=named)
def test_plugins_need_the_standard_library_only(path: Path) -> None:
    for name in imported(path):
        top = name.split(".")[0]
        assert name.startswith("vimatte.plugin") or top in HOSTS or top in sys.stdlib_module_names, name


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_every_module_says_what_it_is(path: Path) -> None:
    text = ast.get_docstring(tree(path))
    assert text
    assert text.splitlines()[0].endswith((".", ":", "…", "?")), "the first line is a sentence"


def order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions; each by name."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


@pytest.mark.parametrize("path", [p for p in SOURCES if exported(p) is not None], ids=named)
def test_what_a_module_exports_is_sorted_and_there(path: Path) -> None:
    names = exported(path)
    assert names is not None
    assert names == sorted(names, key=order)
    assert len(names) == len(set(names))
    if HOSTS.isdisjoint(n.split(".")[0] for n in imported(path)):
        module = importlib.import_module(module_name(path))
        assert [n for n in names if not hasattr(module, n)] == []


def test_the_public_api_is_eight_names() -> None:
    import vimatte.engine

    assert vimatte.engine.__all__ == [
        "MatteJob",
        "VimatteError",
        "backends",
        "matte_instances",
        "open_clip",
        "run_job",
        "track_instances",
        "write_mattes",
    ]


@pytest.mark.parametrize("path", [p for p in SOURCES if not named(p).startswith("cli")], ids=named)
def test_only_the_command_line_prints(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"print", "exit", "quit"}, f"line {node.lineno}"


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    place = re.compile(r"/(work|root|home|Users)/\w")
    for path in [*SOURCES, *(ROOT / "docs").rglob("*.md"), *(ROOT / "install_scripts").glob("*"), ROOT / "README.md"]:
        if path.is_file():
            found = place.search(path.read_text(encoding="utf-8"))
            assert not found, f"{named(path)}: {found}"


def test_licences() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0 AND GPL-3.0-or-later"
    for file in project["license-files"]:
        assert (ROOT / file).is_file()
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")[:400]
    blender = (ROOT / "plugin" / "vimatte" / "plugin" / "blender" / "LICENSE").read_text(encoding="utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in blender[:400]


def test_types_travel_with_the_package() -> None:
    for folder in FOLDERS:
        assert (ROOT / folder / "vimatte" / folder / "py.typed").is_file()
