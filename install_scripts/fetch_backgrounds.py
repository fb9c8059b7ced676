"""Fetch pictures without people to train before: photographs from Debian's wallpapers, views into Blender's lights.

    python install_scripts/fetch_backgrounds.py OUT [--debs FOLDER] [--bpy FOLDER]

The photographs come from four Debian packages (free licences, listed in each package's copyright file, which is kept
beside them): `apt-get download` fetches them, or `--debs` names a folder that holds them. The views are perspective
crops of the CC0 panoramas inside the bpy wheel: `--bpy` names a folder with an unpacked wheel or an installed one.
Written as JPEG, long side at most 1600 pixels. Needs dpkg-deb, OpenCV and vimatte.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vimatte.ocio.readers import open_clip

PACKAGES = ("gnome-backgrounds", "mate-backgrounds", "plasma-workspace-wallpapers", "ukui-wallpapers")
LONGEST = 1600
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
FLAT = 1.0
"""Pictures with less detail than this (mean absolute Laplacian, code values of 255) teach nothing about edges."""
PEOPLED = frozenset({"sunset"})
"""Panoramas with people in the distance."""
VIEWS = 12
"""Of each panorama."""


def main() -> int:
    """Fill the folder; returns the exit code."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("out", type=Path, help="folder to write to")
    options.add_argument("--debs", type=Path, help="folder with the .deb files; default: apt-get download")
    options.add_argument("--bpy", type=Path, help="folder that holds bpy, for its panoramas")
    chosen = options.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temp:
        for deb in _debs(chosen.debs, Path(temp)):
            unpacked = Path(temp) / deb.stem
            subprocess.run(["dpkg-deb", "-x", str(deb), str(unpacked)], check=True)
            name = deb.name.partition("_")[0]
            for copyright_file in unpacked.glob("usr/share/doc/*/copyright"):
                shutil.copy(copyright_file, chosen.out / f"{name}.copyright.txt")
            _write_photographs(unpacked, chosen.out, name)
    if chosen.bpy is not None:
        for path in sorted(chosen.bpy.rglob("studiolights/world/*.exr")):
            if path.stem not in PEOPLED:
                _write_views(path, chosen.out)
    sys.stdout.write(f"{chosen.out}: {len(list(chosen.out.glob('*.jpg')))} pictures\n")
    return 0


def _debs(folder: Path | None, temp: Path) -> list[Path]:
    if folder is None:
        subprocess.run(["apt-get", "download", *PACKAGES], cwd=temp, check=True)
        folder = temp
    found = [deb for name in PACKAGES for deb in sorted(folder.glob(f"{name}_*.deb"))[:1]]
    if len(found) < len(PACKAGES):
        names = ", ".join(PACKAGES)
        sys.exit(f"The folder '{folder}' must hold the Debian packages {names}; found {len(found)} of {len(PACKAGES)}.")
    return found


def _write_photographs(unpacked: Path, out: Path, package: str) -> None:
    """The largest picture of each wallpaper; the same one in many sizes is one wallpaper."""
    largest: dict[str, tuple[int, NDArray[np.uint8]]] = {}
    for path in sorted(unpacked.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or path.stem == "screenshot" or path.is_symlink():
            continue
        read = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if read is None:
            continue
        picture = np.asarray(read, np.uint8)
        sizes = path.parent.name.startswith("images")
        name = f"{path.parent.parent.parent.name}_{path.parent.name}" if sizes else path.stem
        if picture.size > largest.get(name, (0, picture))[0]:
            largest[name] = (picture.size, picture)
    for name, (_, picture) in largest.items():
        scale = min(1.0, LONGEST / max(picture.shape[:2]))
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if np.abs(cv2.Laplacian(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), cv2.CV_32F)).mean() >= FLAT:
            cv2.imwrite(str(out / f"{package}_{name}.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 93])


def _write_views(path: Path, out: Path) -> None:
    """Look around in a panorama (equirectangular, scene-linear) as cameras do; exposed for each view by itself."""
    with open_clip(path) as clip:
        frame = next(iter(clip.frames(clip.info.frames.numbers)))
    panorama = frame.rgb
    for view, (turn, tilt, angle) in enumerate(_looks()):
        linear = _looked(panorama, turn=turn, tilt=tilt, angle=angle)
        exposed = linear * (0.18 / max(float(np.exp(np.log(linear.mean(-1) + 1e-4).mean())), 1e-4))
        shoulder = exposed / (1 + exposed / 4)
        coded = np.where(
            shoulder < 0.0031308, 12.92 * shoulder, 1.055 * np.maximum(shoulder, 1e-8) ** (1 / 2.4) - 0.055
        )
        picture = (np.clip(coded, 0, 1)[..., ::-1] * 255 + 0.5).astype(np.uint8)
        cv2.imwrite(str(out / f"view_{path.stem}_{view:02d}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])


def _looks() -> Iterator[tuple[float, float, float]]:
    """Turn and tilt in radians, and the angle of view: all around, most of it level."""
    chance = np.random.default_rng(7)
    for view in range(VIEWS):
        turn = 2 * np.pi * (view + chance.random()) / VIEWS
        yield turn, float(chance.normal(0, 0.12)), float(np.radians(chance.uniform(45, 85)))


def _looked(panorama: NDArray[np.float32], *, turn: float, tilt: float, angle: float) -> NDArray[np.float32]:
    height, width = panorama.shape[:2]
    wide = int(min(LONGEST, width * angle / (2 * np.pi)))
    tall = wide * 3 // 4
    x, y = np.meshgrid(np.arange(wide) - wide / 2 + 0.5, np.arange(tall) - tall / 2 + 0.5)
    z = np.full_like(x, wide / 2 / np.tan(angle / 2))
    y, z = y * np.cos(tilt) - z * np.sin(tilt), y * np.sin(tilt) + z * np.cos(tilt)
    longitude = np.arctan2(x, z) + turn
    latitude = np.arctan2(y, np.hypot(x, z))
    u = (longitude / (2 * np.pi) % 1) * width - 0.5
    v = (latitude / np.pi + 0.5) * height - 0.5
    # Light of a lamp's own pixels may be negative by the filters of whoever made the panorama.
    return np.maximum(
        cv2.remap(panorama, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP),
        np.float32(0),
    )


if __name__ == "__main__":
    sys.exit(main())
