"""What an artist's compositor shows of the files we write; set VIMATTE_BPY_PYTHON to an interpreter that has `bpy`."""

from __future__ import annotations

import json
import os
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from vimatte.ocio.cryptomatte import write_cryptomatte
from vimatte.ocio.exr_header import HeaderValues, InstanceRow
from vimatte.ocio.output_pattern import OutputPattern
from vimatte.ocio.timecode import Timecode
from vimatte.ocio.write_exr import LayersWriter
from vimatte.ocio.written_alphas import Depth, written_alphas

pytestmark = pytest.mark.blender
SCRIPT = Path(__file__).with_name("compositor_script.py")
NAMES = ("person_01", "person_02", "anna")
START, COUNT, H, W = 1001, 3, 36, 64


@pytest.fixture(scope="module")
def bpy_python() -> str:
    python = os.environ.get("VIMATTE_BPY_PYTHON")
    if not python:
        pytest.skip("VIMATTE_BPY_PYTHON names no interpreter with bpy")
    return python


def frame(number: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(number)
    plate = (rng.random((H, W, 3), dtype=np.float32) * 8 - 1).astype(np.float16).astype(np.float32)
    alphas = rng.random((3, H, W), dtype=np.float32) * (rng.random((3, H, W)) < 0.5)
    alphas = (alphas / np.maximum(alphas.sum(axis=0), 1)).astype(np.float32)
    if number == START + 1:
        alphas[1] = 0  # person_02 is off screen
    return plate, alphas


def planes(path: Path) -> dict[str, np.ndarray]:
    """Everything in the file the compositor wrote: {item: (h, w) or (h, w, 4)}."""
    source = oiio.ImageInput.open(str(path))
    assert source is not None, oiio.geterror()
    found: dict[str, dict[str, np.ndarray]] = {}
    part = 0
    while source.seek_subimage(part, 0):
        spec = source.spec()
        data = source.read_image(part, 0, 0, spec.nchannels, "float")
        for i, channel in enumerate(spec.channelnames):
            item, _, letter = channel.rpartition(".")
            found.setdefault(item, {})[letter] = data[..., i]
        part += 1
    source.geterror()
    return {
        item: letters["V"] if "V" in letters else np.stack([letters[c] for c in "RGBA" if c in letters], axis=-1)
        for item, letters in found.items()
    }


def shown(python: str, job: dict[str, object], folder: Path) -> dict[str, object]:
    file = folder / "job.json"
    file.write_text(json.dumps(job), encoding="utf-8")
    done = subprocess.run(
        [python, str(SCRIPT), str(file)], capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "BLENDER_USER_RESOURCES": str(folder / "user")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    assert lines, done.stdout + done.stderr
    return json.loads(lines[-1].removeprefix("FOUND "))


@pytest.mark.parametrize("depth", ["half", "float"])
def test_the_compositor_shows_every_layer_exactly(bpy_python: str, tmp_path: Path, depth: Depth) -> None:
    pattern = OutputPattern.parse(tmp_path / "shot Zoë" / "layers.exr")
    header = HeaderValues(
        fps=Fraction(24),
        interop_id="lin_rec709_scene",
        settings_digest="d",
        instances=tuple(InstanceRow(id=i, name=n) for i, n in enumerate(NAMES, 1)),
    )
    writer = LayersWriter(pattern=pattern, names=NAMES, depth=depth, plate_depth=depth, header=header)
    for number in range(START, START + COUNT):
        plate, alphas = frame(number)
        writer.write(number, plate=plate, alphas=alphas, timecode=Timecode(hours=1, minutes=0, seconds=0, frames=1))
        mattes = dict(zip(NAMES, written_alphas(alphas, depth=depth), strict=True))
        write_cryptomatte(pattern.sibling("crypto").path(number), mattes=mattes, layer_name="layers")
    out = tmp_path / "out"
    out.mkdir()
    job = {
        "first": str(pattern.path(START)), "start": START, "count": COUNT, "width": W, "height": H,
        "crypto": str(pattern.sibling("crypto").path(START)), "names": NAMES, "out": str(out),
    }  # fmt: skip
    found = shown(bpy_python, job, tmp_path)
    assert found["type"] == "MULTILAYER"
    sockets = dict(found["sockets"])  # type: ignore[attr-defined]
    assert sockets == {"Combined": "RGBA", "Alpha": "VALUE", **dict.fromkeys(NAMES, "VALUE")}
    items: dict[str, str] = found["items"]  # type: ignore[assignment]
    for number in range(START, START + COUNT):
        plate, alphas = frame(number)
        expected = dict(zip(NAMES, written_alphas(alphas, depth=depth), strict=True))
        got = {items[item]: data for item, data in planes(out / f"shown_{number}.exr").items() if item in items}
        for name, alpha in expected.items():
            np.testing.assert_array_equal(got[name], alpha, err_msg=f"{name} on frame {number}")
            np.testing.assert_array_equal(got[f"crypto {name}"], alpha, err_msg=f"Cryptomatte {name}, frame {number}")
        np.testing.assert_array_equal(got["Combined"][..., :3], plate)
        np.testing.assert_array_equal(got["Alpha"], sum(expected.values()))
        np.testing.assert_array_equal(got["Combined"][..., 3], got["Alpha"])
