"""What is put among other people's files is taken out again to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.installing import installer

links: Any = installer("links")
records: Any = installer("record")
errors: Any = installer("errors")


@pytest.fixture
def record(tmp_path: Path) -> Any:
    made = records.Record(prefix=tmp_path / "vimatte")
    records.make_folder(made, made.prefix)
    return made


@pytest.mark.parametrize(
    "before",
    [b"", b"import nuke\n", b"import nuke", b"import nuke\r\nx = 1\r\n", b"\xef\xbb\xbf# K\xc3\xb6ln\n\n", b"#\n\n\n"],
    ids=["empty", "a line", "no newline", "windows", "utf-8 mark", "blank lines"],
)
def test_a_file_is_as_before(record: Any, tmp_path: Path, before: bytes) -> None:
    file = tmp_path / "init.py"
    file.write_bytes(before)
    file.chmod(0o640)
    links.add_line(record, file, "import vimatte  # ours")
    during = file.read_bytes()
    assert during.startswith(before)
    assert b"import vimatte  # ours" in during.splitlines()
    assert (b"\r\n" in during) == (b"\r\n" in before)
    loaded = records.load(record.prefix)
    assert links.remove_line(loaded.lines[0])
    assert file.read_bytes() == before
    assert file.stat().st_mode & 0o777 == 0o640
    assert not links.remove_line(loaded.lines[0])


def test_a_file_that_was_not_there_is_gone_again_unless_somebody_wrote_into_it(record: Any, tmp_path: Path) -> None:
    file = tmp_path / ".nuke" / "init.py"
    links.add_line(record, file, "ours")
    assert str(tmp_path / ".nuke") in record.folders
    links.remove_line(record.lines[0])
    assert not file.exists()
    links.add_line(record, file, "ours")
    file.write_bytes(file.read_bytes() + b"theirs\n")
    links.remove_line(record.lines[0])
    assert file.read_bytes() == b"theirs\n"


def test_a_second_run_leaves_one_line(record: Any, tmp_path: Path) -> None:
    file = tmp_path / "init.py"
    file.write_bytes(b"theirs")
    links.add_line(record, file, "old")
    links.add_line(record, file, "new")
    assert file.read_bytes() == b"theirs\nnew\n"
    assert [line.line for line in record.lines] == ["new"]
    links.remove_line(record.lines[0])
    assert file.read_bytes() == b"theirs"


def test_a_file_that_is_a_link_stays_one(record: Any, tmp_path: Path) -> None:
    real, file = tmp_path / "dotfiles.py", tmp_path / "init.py"
    real.write_bytes(b"x\n")
    file.symlink_to(real)
    links.add_line(record, file, "ours")
    assert file.is_symlink()
    assert real.read_bytes() == b"x\nours\n"


@pytest.mark.parametrize("venv", [None, Path("/opt/Büro 🎬/venv")])
def test_nukes_line_is_ascii_and_says_the_path(venv: Path | None) -> None:
    plugin = Path("/home/Jürgen \"J\" 'K'/🎬/nuke")
    line = links.nuke_line(plugin, venv=venv)
    assert line.isascii()
    assert "\n" not in line
    paths: list[str] = []
    places: dict[str, str] = {}
    code = line.replace("import os, nuke; ", "")
    named = {"pluginAddPath": paths.append}
    exec(code, {"nuke": type("N", (), named), "os": type("O", (), {"environ": places})})
    assert paths == [plugin.as_posix()]
    assert places == ({} if venv is None else {"VIMATTE_VENV": venv.as_posix()})


def test_a_link_leads_into_the_prefix_and_only_ours_is_removed(record: Any, tmp_path: Path) -> None:
    target = record.prefix / "blender" / "vimatte"
    target.mkdir(parents=True)
    (target / "file").touch()
    place = tmp_path / "4.5" / "extensions" / "user_default" / "vimatte"
    links.link(record, place, target)
    links.link(record, place, target)
    assert (place / "file").is_file()
    assert record.links == [str(place)]
    assert links.unlink(place, prefix=record.prefix)
    assert (target / "file").is_file()
    place.mkdir()
    assert not links.unlink(place, prefix=record.prefix)
    with pytest.raises(errors.InstallError, match="there already"):
        links.link(record, place, target)
    place.rmdir()
    place.symlink_to(tmp_path)
    assert not links.unlink(place, prefix=record.prefix)


def test_a_record_that_cannot_be_read_is_no_reason_to_remove_anything(record: Any) -> None:
    records.save(record)
    (record.prefix / records.NAME).write_text('{"format": 99}')
    with pytest.raises(errors.InstallError, match=r"installed\.json"):
        records.load(record.prefix)
