from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from vimatte.ocio import whole_file as whole
from vimatte.ocio.clip import ColourTags
from vimatte.ocio.compressions import COMPRESSIONS
from vimatte.ocio.errors import ConfigError, MediaError
from vimatte.ocio.exr_header import HeaderValues, InstanceRow
from vimatte.ocio.output_pattern import OutputPattern
from vimatte.ocio.timecode import Timecode
from vimatte.ocio.whole_file import remove_stale
from vimatte.ocio.write_exr import LayersWriter, is_whole, plate_depth_for
from vimatte.ocio.written_alphas import written_alphas

H, W = 37, 53
NAMES = ("bruno", "anna")
HEADER = HeaderValues(fps=Fraction(24000, 1001), settings_digest="abc", version="1.2.3")


def pixels(n: int = 2, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    plate = (rng.random((H, W, 3), dtype=np.float32) * 20 - 2).astype(np.float16).astype(np.float32)
    alphas = rng.random((n, H, W), dtype=np.float32) * (rng.random((n, H, W)) < 0.6)
    return plate, (alphas / np.maximum(alphas.sum(axis=0), 1)).astype(np.float32)


def writer(tmp_path: Path, **changes: object) -> LayersWriter:
    pattern = OutputPattern.parse(tmp_path / "out" / "layers.exr")
    return replace(LayersWriter(pattern=pattern, names=NAMES, header=HEADER), **changes)  # type: ignore[arg-type]


def read(path: Path) -> tuple[oiio.ImageSpec, dict[str, np.ndarray]]:
    source = oiio.ImageInput.open(str(path))
    spec = source.spec()
    data = source.read_image("float")
    assert not source.seek_subimage(1, 0)
    source.geterror()
    source.close()
    return spec, {name: data[..., i] for i, name in enumerate(spec.channelnames)}


def formats(spec: oiio.ImageSpec) -> dict[str, str]:
    return {name: str(spec.channelformat(i)) for i, name in enumerate(spec.channelnames)}


def test_the_file_holds_plate_union_and_people(tmp_path: Path) -> None:
    plate, alphas = pixels()
    path = writer(tmp_path).write(1001, plate=plate, alphas=alphas)
    assert path == tmp_path / "out" / "layers.1001.exr"
    spec, found = read(path)
    assert list(found) == ["R", "G", "B", "A", "anna.A", "bruno.A"]
    assert set(formats(spec).values()) == {"half"}
    assert (spec.x, spec.y, spec.width, spec.height) == (0, 0, W, H)
    assert (spec.full_x, spec.full_y, spec.full_width, spec.full_height) == (0, 0, W, H)
    for i, c in enumerate("RGB"):
        np.testing.assert_array_equal(found[c], plate[..., i])
    expected = written_alphas(alphas)
    np.testing.assert_array_equal(found["bruno.A"], expected[0])
    np.testing.assert_array_equal(found["anna.A"], expected[1])
    np.testing.assert_array_equal(found["A"], found["bruno.A"].astype(np.float64) + found["anna.A"])


@pytest.mark.parametrize("compression", ["zip", "zips", "piz", "rle", "none", "htj2k32", "htj2k256"])
@pytest.mark.parametrize("plate_depth", ["half", "float"])
def test_lossless_compressions_are_exact(tmp_path: Path, compression: str, plate_depth: str) -> None:
    plate, alphas = pixels()
    if plate_depth == "float":
        plate = plate * np.float32(1.000123)
    path = writer(tmp_path, compression=compression, plate_depth=plate_depth).write(1, plate=plate, alphas=alphas)
    spec, found = read(path)
    assert spec.get_string_attribute("compression") == compression
    np.testing.assert_array_equal(np.stack([found[c] for c in "RGB"], -1), plate)
    np.testing.assert_array_equal(found["anna.A"], written_alphas(alphas)[1])


@pytest.mark.parametrize("compression", [*COMPRESSIONS, "dwaa:45"])
def test_every_compression_is_written_as_asked(tmp_path: Path, compression: str) -> None:
    plate, alphas = pixels()
    spec, _ = read(writer(tmp_path, compression=compression).write(1, plate=plate, alphas=alphas))
    assert spec.get_string_attribute("compression") == compression.partition(":")[0]


@pytest.mark.parametrize("compression", ["dwaa", "dwab", "pxr24"])
def test_mattes_are_exact_in_lossy_files_too(tmp_path: Path, compression: str) -> None:
    plate, alphas = pixels()
    _, found = read(writer(tmp_path, compression=compression).write(1, plate=plate, alphas=alphas))
    np.testing.assert_array_equal(found["bruno.A"], written_alphas(alphas)[0])


def test_a_float_plate_lies_beside_half_mattes(tmp_path: Path) -> None:
    plate, alphas = pixels()
    plate = plate + np.float32(1e-6)
    path = writer(tmp_path, plate_depth="float").write(1001, plate=plate, alphas=alphas)
    spec, found = read(path)
    assert formats(spec) == {
        "R": "float", "G": "float", "B": "float", "A": "half", "anna.A": "half", "bruno.A": "half",
    }  # fmt: skip
    np.testing.assert_array_equal(np.stack([found[c] for c in "RGB"], -1), plate)


def test_everything_in_float(tmp_path: Path) -> None:
    plate, alphas = pixels()
    spec, found = read(writer(tmp_path, plate_depth="float", depth="float").write(1, plate=plate, alphas=alphas))
    assert set(formats(spec).values()) == {"float"}
    np.testing.assert_array_equal(found["A"], found["bruno.A"].astype(np.float64) + found["anna.A"])


def test_strange_plate_values_pass(tmp_path: Path) -> None:
    plate, alphas = pixels()
    plate[0, 0] = [np.nan, np.inf, -np.inf]
    plate[0, 1] = [1e6, -1e6, 65504]
    plate[0, 2] = [-0.0, 6e-8, -3.5]
    _, half = read(writer(tmp_path).write(1, plate=plate, alphas=alphas))
    assert np.isnan(half["R"][0, 0])
    assert [half["G"][0, 0], half["B"][0, 0]] == [np.inf, -np.inf]
    assert [half[c][0, 1] for c in "RGB"] == [65504, -65504, 65504]
    assert np.signbit(half["R"][0, 2])
    assert half["G"][0, 2] == np.float16(6e-8)
    _, full = read(writer(tmp_path, plate_depth="float").write(2, plate=plate, alphas=alphas))
    np.testing.assert_array_equal(np.stack([full[c] for c in "RGB"], -1), plate)


@pytest.mark.parametrize(
    ("depth", "float_pixels", "bits", "expected"),
    [
        ("half", True, 16, "half"),
        ("half", True, 32, "float"),
        ("half", False, 8, "half"),
        ("half", False, 10, "half"),
        ("half", False, 12, "float"),
        ("half", False, 16, "float"),
        ("float", True, 16, "float"),
        ("float", False, 8, "float"),
    ],
)
def test_the_plate_s_precision(depth: str, float_pixels: bool, bits: int, expected: str) -> None:
    assert plate_depth_for(depth, ColourTags(float_pixels=float_pixels, bits=bits)) == expected  # type: ignore[arg-type]


def test_without_a_plate_only_people_are_written(tmp_path: Path) -> None:
    _, alphas = pixels()
    _, found = read(writer(tmp_path, plate=False).write(1, plate=None, alphas=alphas))
    assert list(found) == ["anna.A", "bruno.A"]


def test_nobody_found_still_gives_plate_and_an_empty_union(tmp_path: Path) -> None:
    plate, _ = pixels()
    _, found = read(writer(tmp_path, names=()).write(1, plate=plate, alphas=np.zeros((0, H, W), np.float32)))
    assert list(found) == ["R", "G", "B", "A"]
    assert found["A"].max() == 0


def test_foregrounds_are_written_where_somebody_is(tmp_path: Path) -> None:
    plate, alphas = pixels()
    colours = np.random.default_rng(5).random((2, H, W, 3), dtype=np.float32) * 3
    colours[:, 0, 0] = np.nan
    alphas[:, 0, 0] = 0
    path = writer(tmp_path, layers="rgba", plate_depth="float").write(1, plate=plate, alphas=alphas, foreground=colours)
    spec, found = read(path)
    assert sorted(found) == sorted(["R", "G", "B", "A", *(f"{n}.{c}" for n in NAMES for c in "RGBA")])
    alpha = found["bruno.A"]
    expected = np.where(alpha > 0, colours[0, ..., 1], 0)
    np.testing.assert_array_equal(found["bruno.G"], expected)
    assert formats(spec)["bruno.A"] == "half"
    assert formats(spec)["bruno.R"] == "float"


def test_the_channel_set_never_changes(tmp_path: Path) -> None:
    plate, alphas = pixels()
    one = writer(tmp_path)
    names = [read(one.write(n, plate=plate, alphas=alphas * k))[0].channelnames for n, k in [(1, 1), (2, 0)]]
    assert names[0] == names[1]
    assert set(names[0]) == set(one.channels)


def test_two_runs_are_byte_identical(tmp_path: Path) -> None:
    plate, alphas = pixels()
    first = writer(tmp_path / "a").write(1001, plate=plate, alphas=alphas).read_bytes()
    time.sleep(1.1)
    second = writer(tmp_path / "b").write(1001, plate=plate, alphas=alphas).read_bytes()
    assert first == second


# -- header ------------------------------------------------------------------------------------------------------------


def test_what_the_header_says(tmp_path: Path) -> None:
    plate, alphas = pixels()
    ap1 = (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)
    header = replace(
        HEADER,
        pixel_aspect=2.0,
        chromaticities=ap1,
        interop_id="lin_ap1_scene",
        models={"matting": {"name": "lite", "sha256": "00ff"}},
        instances=(InstanceRow(id=1, name="bruno", score=0.9123456789, first=1001, last=1040),),
    )
    path = writer(tmp_path, header=header).write(
        1001, plate=plate, alphas=alphas, timecode=Timecode.parse("01:02:03:04")
    )
    spec, _ = read(path)
    assert spec.getattribute("framesPerSecond") == (24000, 1001)
    assert spec.getattribute("smpte:TimeCode") == (0x01020304, 0)
    assert spec.getattribute("PixelAspectRatio") == 2.0
    assert spec.getattribute("chromaticities") == pytest.approx(ap1)
    assert spec.getattribute("colorInteropID") == "lin_ap1_scene"
    assert spec.getattribute("Software") == "vimatte"
    assert spec.getattribute("DateTime") == "2000:01:01 00:00:00"
    assert spec.getattribute("vimatte/version") == "1.2.3"
    assert spec.getattribute("vimatte/settings") == "abc"
    assert json.loads(spec.getattribute("vimatte/models")) == {"matting": {"name": "lite", "sha256": "00ff"}}
    assert json.loads(spec.getattribute("vimatte/instances")) == [
        {"id": 1, "name": "bruno", "label": "person", "score": 0.912346, "first": 1001, "last": 1040}
    ]


@pytest.mark.parametrize(
    ("text", "fps", "bits"),
    [
        ("23:59:58;29", Fraction(30000, 1001), 0x23595829 | 64),
        ("10:00:00:39", Fraction(50), 0x10000019 | 1 << 15),
        ("10:00:00:58", Fraction(60), 0x10000029),
    ],
)
def test_timecode_bits(tmp_path: Path, text: str, fps: Fraction, bits: int) -> None:
    plate, alphas = pixels()
    one = writer(tmp_path, header=replace(HEADER, fps=fps))
    spec, _ = read(one.write(1, plate=plate, alphas=alphas, timecode=Timecode.parse(text)))
    assert spec.getattribute("smpte:TimeCode")[0] == bits


def test_the_source_s_values_are_carried_over_but_never_win(tmp_path: Path) -> None:
    plate, alphas = pixels()
    source = {
        "Copyright": "Studio",
        "camera/lens": "50mm",
        "iso": 800,
        "exposure": 0.25,
        "worldToCamera": tuple(float(i) for i in range(16)),
        "pair": (1.0, 2.0),
        "five": (1.0, 2.0, 3.0, 4.0, 5.0),
        "numpy": np.float32(1.5),
        "vimatte/settings": "forged",
        "DATETIME": "1999:01:01 00:00:00",
        "FramesPerSecond": 12.0,
        "compression": "piz",
        "oiio:ColorSpace": "ACEScg",
        "cryptomatte/abc/manifest": "{}",
        "Orientation": 6,
        "type": "deepscanline",
        "dataWindow": (0, 0, 1, 1),
        "huge": 2**40,
        "dict": {"a": 1},
        "none": None,
        "": "nameless",
        "n" * 300: "long",
    }
    one = writer(tmp_path, header=replace(HEADER, metadata={"scene": "clip"}))
    spec, _ = read(one.write(1, plate=plate, alphas=alphas, metadata=source))
    for name in ("Copyright", "camera/lens", "iso", "exposure", "pair", "five", "worldToCamera"):
        assert spec.getattribute(name) == source[name]
    assert spec.getattribute("numpy") == 1.5
    assert spec.getattribute("vimatte/settings") == "abc"
    assert spec.getattribute("framesPerSecond") == (24000, 1001)
    assert spec.getattribute("compression") == "zip"
    assert spec.getattribute("DateTime") == "2000:01:01 00:00:00"
    for name in ("cryptomatte/abc/manifest", "Orientation", "huge", "dict", "none", "scene", "n" * 300):
        assert spec.getattribute(name) is None
    spec, _ = read(one.write(2, plate=plate, alphas=alphas))
    assert spec.getattribute("scene") == "clip"


@pytest.mark.footage
@pytest.mark.parametrize(
    ("file", "at_least"),
    [
        ("exr_cryptomatte/debug_images/multichannel.exr", 60),
        ("exr_dpx_oiio_images/dpx/dpx_nuke_10bits_rgb.dpx", 20),
        ("exr_dpx_oiio_images/tahoe-gps.jpg", 15),
        ("exr_dpx_oiio_images/grid-overscan.exr", 4),
        ("exr_dpx_oiio_images/grid.tif", 2),
    ],
)
def test_headers_of_real_files_pass_through(footage: Path, tmp_path: Path, file: str, at_least: int) -> None:
    source = oiio.ImageBuf(str(footage / file)).spec()
    metadata = {a.name: a.value for a in source.extra_attribs}
    plate, alphas = pixels()
    spec, _ = read(writer(tmp_path).write(1, plate=plate, alphas=alphas, metadata=metadata))
    assert (spec.full_width, spec.full_height, spec.x, spec.y) == (W, H, 0, 0)
    assert spec.getattribute("vimatte/settings") == "abc"
    kept = [n for n in metadata if spec.getattribute(n.replace("dpx:", "dpx/")) == metadata[n]]
    assert len(kept) >= at_least


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["01", "a.b", "a b", "", "Zoë", "x" * 55, "rgba", "Combined", "_a", "a\n"])
def test_names_that_no_host_would_show_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a layer name"):
        writer(tmp_path, names=(name,))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"names": ("a", "a")}, "rename one"),
        ({"names": (), "plate": False}, "--no-plate"),
        ({"compression": "jpeg"}, "type for instance zip"),
        ({"compression": "zip:9"}, "type for instance zip"),
        ({"compression": "dwaa:"}, "type for instance zip"),
        ({"compression": "htj2k"}, "htj2k32"),
    ],
)
def test_settings_that_make_no_sense(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        writer(tmp_path, **changes)


def test_shapes_must_agree(tmp_path: Path) -> None:
    plate, alphas = pixels()
    with pytest.raises(ValueError, match="plate must be"):
        writer(tmp_path).write(1, plate=plate[1:], alphas=alphas)
    with pytest.raises(ValueError, match="alphas must be"):
        writer(tmp_path).write(1, plate=plate, alphas=alphas[:1])
    with pytest.raises(ValueError, match="foreground must be"):
        writer(tmp_path, layers="rgba").write(1, plate=plate, alphas=alphas)


# -- whole or absent ---------------------------------------------------------------------------------------------------


def listing(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    plate, alphas = pixels()
    (tmp_path / "out").write_text("a file")
    with pytest.raises(MediaError, match=r"Frame 1001 cannot be written .*layers.1001.exr: .*choose another --out"):
        writer(tmp_path).write(1001, plate=plate, alphas=alphas)


def test_a_folder_in_the_way_of_a_file(tmp_path: Path) -> None:
    plate, alphas = pixels()
    (tmp_path / "out" / "layers.1001.exr").mkdir(parents=True)
    with pytest.raises(MediaError, match="choose another --out"):
        writer(tmp_path).write(1001, plate=plate, alphas=alphas)
    assert listing(tmp_path / "out") == ["layers.1001.exr"]


def test_a_failed_write_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plate, alphas = pixels()
    path = writer(tmp_path).write(1001, plate=plate, alphas=alphas)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole, "_flush", fail)
    with pytest.raises(MediaError, match=r"Frame 1001 .*the disk is full.*--resume"):
        writer(tmp_path).write(1001, plate=plate * 2, alphas=alphas)
    assert path.read_bytes() == before
    assert listing(path.parent) == ["layers.1001.exr"]


FULL_DISK = """
import resource, signal, sys
import numpy as np
from vimatte.ocio.errors import MediaError
from vimatte.ocio.output_pattern import OutputPattern
from vimatte.ocio.write_exr import LayersWriter

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
writer = LayersWriter(pattern=OutputPattern.parse(sys.argv[1]), names=("a",), compression="none")
rng = np.random.default_rng(0)
try:
    writer.write(1, plate=rng.random((64, 64, 3), dtype=np.float32), alphas=np.zeros((1, 64, 64), np.float32))
except MediaError as error:
    print(error)
    raise SystemExit(3)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files the POSIX way")
@pytest.mark.parametrize("limit", [0, 100, 5000, 30000, 42100])
def test_a_disk_that_fills_up_at_any_moment(tmp_path: Path, limit: int) -> None:
    """The library itself may say that all is well when the last bytes do not fit."""
    plain = tmp_path / "plain"
    command = [sys.executable, "-c", FULL_DISK]
    ok = subprocess.run([*command, str(plain / "l.exr"), "10000000"], capture_output=True, text=True, check=False)
    assert ok.returncode == 0, ok.stderr
    size = (plain / "l.0001.exr").stat().st_size
    assert size > 42100
    folder = tmp_path / "full"
    done = subprocess.run([*command, str(folder / "l.exr"), str(limit)], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("Frame 1 cannot be written to ")
    assert listing(folder) == []


def test_resume_knows_a_whole_file(tmp_path: Path) -> None:
    plate, alphas = pixels()
    one = writer(tmp_path)
    assert not one.is_done(1001)
    path = one.write(1001, plate=plate, alphas=alphas)
    assert one.is_done(1001)
    assert not is_whole(path, channels=(*one.channels, "carla.A"), settings_digest="abc")
    assert not is_whole(path, channels=one.channels[:-1], settings_digest="abc")
    assert not is_whole(path, channels=one.channels, settings_digest="abd")
    data = path.read_bytes()
    for kept in (0, 10, 600, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:kept])
        assert not one.is_done(1001), kept
    broken = bytearray(data)
    broken[-400:-300] = bytes(100)
    path.write_bytes(bytes(broken))
    assert not one.is_done(1001)


def test_temps_of_killed_runs_are_removed(tmp_path: Path) -> None:
    one = writer(tmp_path)
    plate, alphas = pixels()
    path = one.write(1001, plate=plate, alphas=alphas)
    folder = path.parent
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    dead = folder / f".layers.1002.exr.{whole._host()}.{child.pid}.tmp.exr"
    alive = folder / f".layers.1003.exr.{whole._host()}.{os.getpid()}.tmp.exr"
    elsewhere = folder / ".layers.1004.exr.farm-07.12.tmp.exr"
    ancient = folder / ".layers.1005.exr.farm-07.13.tmp.exr"
    other = folder / ".shot.1002.exr.farm-07.13.tmp.exr"
    for file in (dead, alive, elsewhere, ancient, other):
        file.write_bytes(b"")
    for file in (ancient, other):
        os.utime(file, (0, 0))
    assert remove_stale(one.pattern) == tuple(sorted([dead, ancient]))
    assert set(folder.iterdir()) == {path, alive, elsewhere, other}
    assert remove_stale(OutputPattern.parse(tmp_path / "absent" / "layers.exr")) == ()
