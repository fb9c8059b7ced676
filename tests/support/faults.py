"""Every fault the product promises to survive: how to cause it, and what it must say.

`python tests/support/faults.py` causes them all and rewrites the table in docs/faults.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenImageIO as oiio

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "tests" / "data" / "example"
FOOTAGE = Path(os.environ.get("VIMATTE_FOOTAGE", ROOT.parent / "shared" / "data" / "footage"))


class CannotCause(Exception):
    """This machine does not allow the fault to be caused (no root, no footage)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which things go wrong."""

    name: str
    arguments: Callable[[Path], list[str]]
    """Prepares the fault in a scratch folder and gives vim-batch's arguments."""
    code: int
    """Exit code."""
    says: tuple[str, ...]
    """Words the message must hold."""


def write_image(path: Path, pixels: np.ndarray, kind: str = "half") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, channels = pixels.shape
    out = oiio.ImageOutput.create(str(path))
    out.open(str(path), oiio.ImageSpec(width, height, channels, kind))
    out.write_image(np.ascontiguousarray(pixels, np.float32))
    out.close()


def sequence(folder: Path, numbers: list[int], *, size: tuple[int, int] = (64, 48), name: str = "plate") -> str:
    """A small EXR sequence with a bright blob on a dark ground, and a first-frame mask of the blob in `masks/`."""
    width, height = size
    ys, xs = np.mgrid[:height, :width]
    blob = ((xs - width / 2) ** 2 / max(1, width / 5) ** 2 + (ys - height / 2) ** 2 / max(1, height / 3) ** 2) <= 1
    for n in numbers:
        picture = np.where(blob[..., None], [0.6, 0.4, 0.3], [0.05, 0.1, 0.2]).astype(np.float32)
        write_image(folder / f"{name}.{n:04d}.exr", picture)
    write_image(folder / "masks" / "anna" / f"{numbers[0]:04d}.png", blob[..., None].astype(np.float32), "uint8")
    return str(folder / f"{name}.####.exr")


def _job(folder: Path, shot: str, *more: str) -> list[str]:
    return [shot, "--out", str(folder / "out" / "layers.exr"), "--masks", str(folder / "masks"), *more]


def _missing_frames(folder: Path) -> list[str]:
    return _job(folder, sequence(folder, [1001, 1002, 1004, 1005]))


def _truncated_movie(folder: Path) -> list[str]:
    movie = folder / "cut.mov"
    data = (EXAMPLE / "shot.mov").read_bytes()
    movie.write_bytes(data[: len(data) // 2])
    return [str(movie), "--out", str(folder / "layers.exr"), "--masks", str(EXAMPLE / "masks")]


def _corrupt_exr(folder: Path) -> list[str]:
    shot = sequence(folder, [1001, 1002, 1003])
    broken = folder / "plate.1002.exr"
    broken.write_bytes(broken.read_bytes()[:600])
    return _job(folder, shot)


def _damaged_exr(folder: Path) -> list[str]:
    damaged = FOOTAGE / "exr_openexr_images" / "Damaged"
    if not damaged.is_dir():
        raise CannotCause("needs the footage folder")
    one = sorted(p for p in damaged.rglob("*") if p.is_file() and p.stat().st_size > 100)[0]
    shutil.copy(one, folder / "damaged.exr")
    sequence(folder, [1001])
    return _job(folder, str(folder / "damaged.exr"))


def _disk_full(folder: Path) -> list[str]:
    shot = sequence(folder, [1001, 1002, 1003], size=(320, 240))
    small = folder / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        raise CannotCause("mounting a small tmpfs needs root")
    rng = np.random.default_rng(1)
    for n in (1001, 1002, 1003):
        write_image(folder / f"plate.{n}.exr", rng.random((240, 320, 3), np.float32))
    return [shot, "--out", str(small / "layers.exr"), "--masks", str(folder / "masks")]


def _read_only(folder: Path) -> list[str]:
    shot = sequence(folder, [1001])
    # A folder that even root cannot write to.
    return [shot, "--out", "/proc/layers.exr", "--masks", str(folder / "masks")]


def _masks_of_wrong_size(folder: Path) -> list[str]:
    shot = sequence(folder, [1001, 1002])
    write_image(folder / "masks" / "anna" / "1001.png", np.ones((20, 30, 1), np.float32), "uint8")
    return _job(folder, shot)


def _empty_mask(folder: Path) -> list[str]:
    shot = sequence(folder, [1001, 1002])
    write_image(folder / "masks" / "anna" / "1001.png", np.zeros((48, 64, 1), np.float32), "uint8")
    return _job(folder, shot)


def _unknown_space(folder: Path) -> list[str]:
    return _job(folder, sequence(folder, [1001]), "--in-space", "ACESgc")


def _broken_config(folder: Path) -> list[str]:
    (folder / "config.ocio").write_text("ocio_profile_version: [2", encoding="utf-8")
    return _job(folder, sequence(folder, [1001]), "--ocio", str(folder / "config.ocio"))


def _zero_length(folder: Path) -> list[str]:
    (folder / "empty.mov").write_bytes(b"")
    return [str(folder / "empty.mov"), "--out", str(folder / "layers.exr")]


def _not_there(folder: Path) -> list[str]:
    sequence(folder, [1001])
    return [str(folder / "plate_v2.####.exr"), "--out", str(folder / "layers.exr")]


def _bad_range(folder: Path) -> list[str]:
    return _job(folder, sequence(folder, [1001, 1002]), "--frames", "1001-x")


def _range_outside(folder: Path) -> list[str]:
    return _job(folder, sequence(folder, [1001, 1002]), "--frames", "1001-1010")


def _already_there(folder: Path) -> list[str]:
    shot = sequence(folder, [1001])
    write_image(folder / "out" / "layers.1001.exr", np.zeros((4, 4, 3), np.float32))
    return _job(folder, shot)


def _wrong_extension(folder: Path) -> list[str]:
    return [sequence(folder, [1001]), "--out", str(folder / "layers.tif"), "--masks", str(folder / "masks")]


def _no_device(folder: Path) -> list[str]:
    return _job(folder, sequence(folder, [1001]), "--device", "cuda:7")


def _no_weights(folder: Path) -> list[str]:
    os.environ["VIMATTE_WEIGHTS"] = str(folder / "nothing")
    return [sequence(folder, [1001]), "--out", str(folder / "layers.exr")]


def _unknown_matting(folder: Path) -> list[str]:
    return _job(folder, sequence(folder, [1001]), "--matting", "magic")


def _bad_name(folder: Path) -> list[str]:
    return _job(folder, sequence(folder, [1001]), "--name", "1=anna.left")


def _nobody_named_so(folder: Path) -> list[str]:
    return _job(folder, sequence(folder, [1001]), "--name", "7=bruno")


def _one_frame(folder: Path) -> list[str]:
    return _job(folder, sequence(folder, [1001]))


def _one_pixel(folder: Path) -> list[str]:
    shot = sequence(folder, [1001, 1002], size=(1, 1))
    return _job(folder, shot)


def _odd_size(folder: Path) -> list[str]:
    return _job(folder, sequence(folder, [1001, 1002], size=(63, 47)), "--preview", "--cryptomatte")


def _non_ascii(folder: Path) -> list[str]:
    there = folder / "Aufnahme Nº 3 – Zoë 人"
    shot = sequence(there, [1001, 1002])
    return [shot, "--out", str(there / "masken für Zoë.exr"), "--masks", str(there / "masks")]


FAULTS = (
    Fault("missing frames in a sequence", _missing_frames, 3, ("1003", "--missing skip")),
    Fault("truncated movie", _truncated_movie, 3, ("cut.mov",)),
    Fault("corrupt EXR in a sequence", _corrupt_exr, 3, ("1002",)),
    Fault("damaged EXR still", _damaged_exr, 3, ("damaged.exr",)),
    Fault("disk full", _disk_full, 3, ("space", "layers")),
    Fault("output folder that cannot be written", _read_only, 3, ("/proc",)),
    Fault("masks of the wrong size", _masks_of_wrong_size, 2, ("30x20", "64x48")),
    Fault("empty mask", _empty_mask, 2, ("empty", "1001")),
    Fault("unknown colour space", _unknown_space, 3, ("ACESgc", "ACEScg")),
    Fault("broken OCIO config", _broken_config, 3, ("config.ocio",)),
    Fault("zero-length clip", _zero_length, 3, ("empty.mov",)),
    Fault("clip that is not there", _not_there, 3, ("plate_v2",)),
    Fault("frame range that is none", _bad_range, 2, ("1001-x", "1001-1040")),
    Fault("frame range outside the clip", _range_outside, 2, ("1003", "1002")),
    Fault("output already there", _already_there, 2, ("--resume", "--overwrite")),
    Fault("output of another format", _wrong_extension, 2, (".exr",)),
    Fault("device that is not there", _no_device, 5, ("cuda:7",)),
    Fault("no weights fetched, no masks", _no_weights, 4, ("vimatte weights pull blazepose", "--masks")),
    Fault("unknown matting model", _unknown_matting, 4, ("magic", "classical")),
    Fault("layer name that no host takes", _bad_name, 2, ("anna.left", "anna_left")),
    Fault("name for somebody who is not there", _nobody_named_so, 2, ("7", "1=anna")),
    Fault("one-frame clip", _one_frame, 0, ()),
    Fault("1x1 frames", _one_pixel, 0, ()),
    Fault("odd-sized frames", _odd_size, 0, ()),
    Fault("spaces and non-ASCII letters in the path", _non_ascii, 0, ()),
)


def _table() -> str:
    rows = ["| fault | exit code | what it says |", "|---|---|---|"]
    for fault in FAULTS:
        with tempfile.TemporaryDirectory(prefix="fault") as name:
            folder, env = Path(name), dict(os.environ)
            try:
                arguments = fault.arguments(folder)
                done = subprocess.run(
                    [sys.executable, "-c", "from vimatte.cli.entry import vim_batch; vim_batch()", *arguments],
                    capture_output=True,
                    text=True,
                )
                lines = [s for s in done.stderr.splitlines() if s.startswith("error: ")]
                says = lines[-1][7:] if lines else "(done)"
                rows.append(f"| {fault.name} | {done.returncode} | {says.replace(name, '…')} |")
            except CannotCause as why:
                rows.append(f"| {fault.name} | | not tried here: {why} |")
            finally:
                os.environ.clear()
                os.environ.update(env)
                subprocess.run(["umount", str(folder / "small")], capture_output=True)
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    page = ROOT / "docs" / "faults.md"
    head = (
        "# When things go wrong\n\nEvery fault below was caused and the message copied by "
        "`python tests/support/faults.py`; the tests cause them again.\n"
        "Nothing that was already written is lost, and nothing half-written has a final name.\n\n"
    )
    page.write_text(head + _table(), encoding="utf-8")
