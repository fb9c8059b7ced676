"""`vimatte nuke`: layers on disk to a script that the strict reader takes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from vimatte.ocio.exr_header import HeaderValues, InstanceRow, apply_header

from support.cli_runner import vimatte
from support.nk import parse_nk


def write(path: Path, channels: tuple[str, ...], *, aspect: float = 1.0, people: tuple[InstanceRow, ...] = ()) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    spec = oiio.ImageSpec(32, 18, len(channels), "half")
    spec.channelnames = channels
    apply_header(spec, HeaderValues(fps=Fraction(24000, 1001), pixel_aspect=aspect, instances=people))
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec), out.geterror()
    out.write_image(np.zeros((18, 32, len(channels)), np.float32))
    out.close()


PEOPLE = (InstanceRow(id=3, name="anna"), InstanceRow(id=9, name="bruno"))


@pytest.fixture
def layers(tmp_path: Path) -> Path:
    """1001 to 1004 without 1003, with a Cryptomatte, in a folder with a space and an accent."""
    folder = tmp_path / "mattes é"
    for n in (1001, 1002, 1004):
        write(folder / f"layers.{n}.exr", ("R", "G", "B", "A", "anna.A", "bruno.A"), people=PEOPLE)
        write(folder / f"layers_crypto.{n}.exr", ("vimatte00.R",))
    return folder / "layers.exr"


def test_the_script_shows_what_is_there(layers: Path, tmp_path: Path) -> None:
    run = vimatte("nuke", layers, "--out", tmp_path / "comp.nk")
    assert run.code == 0, run.err
    assert "3 frames, anna, bruno" in run.out
    text = (tmp_path / "comp.nk").read_text(encoding="utf-8")
    script = parse_nk(text)
    assert script.root == {
        "inputs": "0", "frame": "1001", "first_frame": "1001", "last_frame": "1004", "lock_range": "true",
        "fps": "23.976", "format": "32 18 0 0 32 18 1 ",
    }  # fmt: skip
    assert [(n.kind, n.name) for n in script.nodes] == [
        ("Read", "layers"), ("Shuffle2", "matte_anna"), ("Shuffle2", "matte_bruno"), ("Read", "crypto_layers"),
        ("Cryptomatte", "cryptomatte"),
    ]  # fmt: skip
    assert script.layers == {"anna": ("anna.alpha",), "bruno": ("bruno.alpha",)}
    read, crypto = script.named("layers").knobs, script.named("crypto_layers").knobs
    assert read["file"] == layers.with_name("layers.####.exr").as_posix()
    assert crypto["file"] == layers.with_name("layers_crypto.####.exr").as_posix()
    for knobs in (read, crypto):
        assert (knobs["first"], knobs["last"], knobs["on_error"], knobs["raw"]) == ("1001", "1004", "black", "true")
    assert vimatte("nuke", layers, "--out", tmp_path / "again.nk").code == 0
    assert (tmp_path / "again.nk").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("asked", ["layers.####.exr", "layers.%04d.exr", "layers.1002.exr"])
def test_layers_are_named_in_any_way(layers: Path, tmp_path: Path, asked: str) -> None:
    assert vimatte("nuke", layers.with_name(asked), "--out", tmp_path / "comp.nk").code == 0
    knobs = parse_nk((tmp_path / "comp.nk").read_text(encoding="utf-8")).named("layers").knobs
    assert (knobs["first"], knobs["last"]) == ("1001", "1004")


def test_a_still_with_colours_and_wide_pixels(tmp_path: Path) -> None:
    write(tmp_path / "layers.exr", ("anna.A", "anna.B", "anna.G", "anna.R"), aspect=2, people=PEOPLE[:1])
    write(tmp_path / "layers_crypto.exr", ("vimatte00.R",))
    assert vimatte("nuke", tmp_path / "layers.exr", "--out", tmp_path / "comp.nk").code == 0
    script = parse_nk((tmp_path / "comp.nk").read_text(encoding="utf-8"))
    assert "first_frame" not in script.root
    assert script.root["format"] == "32 18 0 0 32 18 2 "
    assert "first" not in script.named("layers").knobs
    assert script.named("crypto_layers").knobs["file"] == (tmp_path / "layers_crypto.exr").as_posix()
    assert script.named("matte_anna").mappings[0] == ("anna.red", "rgba.red")


def test_other_paddings_and_no_cryptomatte(tmp_path: Path) -> None:
    for n in (-5, 7, 8):
        write(tmp_path / f"m_{n:06d}_v2.exr", ("anna.A",))
    write(tmp_path / "m_9_v2.exr", ("bruno.A",))
    assert vimatte("nuke", tmp_path / "m_######_v2.exr", "--out", tmp_path / "comp.nk").code == 0
    script = parse_nk((tmp_path / "comp.nk").read_text(encoding="utf-8"))
    assert script.named("layers").knobs["file"].endswith("/m_######_v2.exr")
    knobs = script.named("layers").knobs
    assert (knobs["first"], knobs["last"], knobs["on_error"]) == ("-5", "8", "black")
    assert script.of("Cryptomatte") == []


def test_what_cannot_be_done_is_one_sentence(layers: Path, tmp_path: Path) -> None:
    out = tmp_path / "comp.nk"
    write(tmp_path / "plate.1001.exr", ("R", "G", "B"))
    write(tmp_path / "take [1]" / "layers.1001.exr", ("anna.A",))
    for code, says, arguments in (
        (3, "No layers were found", (tmp_path / "none.exr", "--out", out)),
        (3, "No layers were found", (tmp_path / "none.####.exr", "--out", out)),
        (3, "cannot be listed", (tmp_path / "none" / "layers.exr", "--out", out)),
        (3, "no person layers", (tmp_path / "plate.####.exr", "--out", out)),
        (2, "names no layers", (tmp_path, "--out", out)),
        (2, "is no Nuke script", (layers, "--out", tmp_path / "comp.txt")),
        (2, "expression", (tmp_path / "take [1]" / "layers.exr", "--out", out)),
    ):
        run = vimatte("nuke", *arguments)
        assert run.code == code, run.err
        assert says in run.err
        assert run.err.count("\n") == 1
        assert not out.exists()
    out.write_text("mine")
    assert vimatte("nuke", layers, "--out", out).code == 2
    assert out.read_text() == "mine"
    assert vimatte("nuke", layers, "--out", out, "--overwrite").code == 0
    parse_nk(out.read_text(encoding="utf-8"))
