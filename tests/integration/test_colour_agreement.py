"""One shot delivered in four ways must give the networks one picture."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import OpenImageIO as oiio
import pytest
from numpy.typing import NDArray

from vimatte.engine.clip_shot import open_shot
from vimatte.ocio.config import ConfigChoice, load_config, processor_between

from support.faults import write_image

WIDTH, HEIGHT, FRAMES = 96, 64, 3
LINEAR = "Linear Rec.709 (sRGB)"
SRGB = "sRGB Encoded Rec.709 (sRGB)"
AP1 = (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)

# Difference to the ACEScg EXR's picture, in [0, 1]: mean, and the 99.9th percentile. An 8-bit step is 0.0039. What is
# left is the half floats' and the ProRes codec's own rounding.
MAD = {"logc4": 6e-4, "png": 2e-4, "prores": 4e-3}
P999 = {"logc4": 3e-3, "png": 1e-3, "prores": 3e-2}

# Mean absolute difference of the mattes, from first-frame masks, over all pixels, frames and people.
MATTE_MAD = {"logc4": 3e-4, "png": 4e-4, "prores": 1.5e-3}

Pixels = NDArray[np.float32]


def light(number: int) -> Pixels:
    """Linear Rec.709: ramps from -0.02 to 8, soft coloured disks that move, a little grain."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    ramp = 0.02 + 0.9 * x / WIDTH
    rgb = np.stack([ramp, ramp * (0.4 + 0.6 * y / HEIGHT), ramp[:, ::-1] * 0.7 + 0.02], axis=-1)
    for cx, cy, colour in ((30, 20, (0.7, 0.35, 0.25)), (60, 40, (0.05, 0.3, 0.5)), (80, 16, (8.0, 7.0, 5.0))):
        soft = np.clip((10 - np.hypot(x - cx - 2 * number, y - cy)) / 4, 0, 1)[..., None]
        rgb = rgb * (1 - soft) + np.array(colour) * soft
    rgb[:4, :24] = (-0.02, 0.01, 0.3)
    rgb *= 1 + 0.02 * np.random.default_rng(number).standard_normal(rgb.shape)
    return np.ascontiguousarray(rgb, np.float32)


def converted(choice: ConfigChoice, pixels: Pixels, space: str) -> Pixels:
    out = pixels.copy()
    flat = out.reshape(1, -1, 3)
    processor_between(choice, LINEAR, space).getDefaultCPUProcessor().applyRGB(flat)
    return out


def write_exr(folder: Path, pictures: Sequence[Pixels], *, chromaticities: tuple[float, ...] | None) -> Path:
    folder.mkdir()
    for number, picture in enumerate(pictures, start=1001):
        spec = oiio.ImageSpec(WIDTH, HEIGHT, 3, oiio.HALF)
        if chromaticities:
            spec.attribute("chromaticities", "float[8]", chromaticities)
        _write(folder / f"shot.{number}.exr", spec, picture)
    return folder / "shot.####.exr"


def write_png(folder: Path, pictures: Sequence[Pixels]) -> Path:
    folder.mkdir()
    for number, picture in enumerate(pictures, start=1001):
        codes = np.rint(np.clip(picture, 0, 1) * 65535).astype(np.uint16)
        _write(folder / f"shot.{number}.png", oiio.ImageSpec(WIDTH, HEIGHT, 3, oiio.UINT16), codes)
    return folder / "shot.####.png"


def _write(path: Path, spec: oiio.ImageSpec, pixels: NDArray[np.generic]) -> None:
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec)
    assert out.write_image(pixels)
    out.close()


def write_prores(path: Path, pictures: Sequence[Pixels]) -> Path:
    """ProRes 4444 from R'G'B' codes: BT.709 matrix, studio range, 10 bit, tags on every frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("prores_ks", rate=24)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p10le"
        stream.options = {"profile": "4444"}
        for index, picture in enumerate(pictures):
            red, green, blue = np.moveaxis(np.clip(picture, 0, 1).astype(np.float64), -1, 0)
            luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
            planes = (
                luma * 876 + 64,
                (blue - luma) / 1.8556 * 896 + 512,
                (red - luma) / 1.5748 * 896 + 512,
            )
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv444p10le")
            for plane, values in zip(frame.planes, planes, strict=True):
                rows = np.zeros((HEIGHT, plane.line_size // 2), "<u2")
                rows[:, :WIDTH] = np.rint(values)
                plane.update(rows.tobytes())
            frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc = 1, 1, 1, 1
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def deliveries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("deliveries")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OCIO", raising=False)
        choice = load_config()
    plates = [light(number) for number in range(FRAMES)]

    def all_in(space: str) -> list[Pixels]:
        return [converted(choice, plate, space) for plate in plates]

    return {
        "acescg": write_exr(root / "acescg", all_in("ACEScg"), chromaticities=AP1),
        "logc4": write_exr(root / "logc4", all_in("ARRI LogC4"), chromaticities=None),
        "png": write_png(root / "png", all_in(SRGB)),
        "prores": write_prores(root / "shot.mov", all_in("Camera Rec.709")),
    }


def pictures_of(path: Path, *, device: str = "cpu") -> tuple[NDArray[np.float32], str]:
    with open_shot(path, device=device) as shot:
        return np.stack([picture for _, picture in shot.pictures(shot.frames)]), shot.decision.space


@pytest.fixture
def _no_ocio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCIO", raising=False)


@pytest.mark.usefixtures("_no_ocio")
@pytest.mark.parametrize(("name", "space"), [("logc4", "ARRI LogC4"), ("png", SRGB), ("prores", "Camera Rec.709")])
def test_every_delivery_gives_the_picture_of_the_acescg_exr(deliveries: dict[str, Path], name: str, space: str) -> None:
    wanted, first_space = pictures_of(deliveries["acescg"])
    found, found_space = pictures_of(deliveries[name])
    assert first_space == "ACEScg"
    assert found_space == space
    difference = np.abs(found - wanted)
    assert difference.mean() < MAD[name]
    assert np.percentile(difference, 99.9) < P999[name]


@pytest.mark.usefixtures("_no_ocio")
def test_the_picture_is_the_srgb_encoding_of_the_light(deliveries: dict[str, Path]) -> None:
    wanted, _ = pictures_of(deliveries["acescg"])
    held = np.clip(np.stack([light(number) for number in range(FRAMES)]).astype(np.float64), 0, 1)
    srgb = np.where(held <= 0.0031308, held * 12.92, 1.055 * held ** (1 / 2.4) - 0.055)
    assert np.abs(wanted - srgb).mean() < 2e-4


@pytest.mark.usefixtures("_no_ocio")
def test_linear_plates_are_not_touched_and_log_and_video_become_linear(deliveries: dict[str, Path]) -> None:
    with open_shot(deliveries["acescg"]) as shot:
        plate = shot.plate(1002)
        assert shot.working.apply(plate.rgb) is plate.rgb
        assert plate.rgb.max() > 4
    for name, tolerance in (("logc4", 0.02), ("prores", 0.02)):
        with open_shot(deliveries[name]) as shot:
            assert shot.working.space == LINEAR
            found = shot.working.apply(shot.plate(1002).rgb)
            wanted = light(1)
            inside = (wanted > 0.02) & (wanted < 0.95)
            assert np.abs(found - wanted)[inside].mean() < tolerance


@pytest.mark.usefixtures("_no_ocio")
def test_one_delivery_is_one_picture_every_time(deliveries: dict[str, Path]) -> None:
    first, _ = pictures_of(deliveries["prores"])
    second, _ = pictures_of(deliveries["prores"])
    assert np.array_equal(first, second)


def mattes_of(path: Path, masks: Path) -> NDArray[np.float32]:
    """(frames, people, h, w) from the masks of the first frame."""
    from vimatte.engine import matte_instances, track_instances

    with open_shot(path) as shot:
        tracks = track_instances(shot, masks=masks, device="cpu")
        return np.stack([m.alphas for m in matte_instances(shot, tracks, device="cpu")])


@pytest.mark.usefixtures("_no_ocio")
def test_every_delivery_gives_the_same_mattes(deliveries: dict[str, Path], tmp_path: Path) -> None:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    for name, cx, cy in (("anna", 32, 20), ("bruno", 62, 40)):
        disk = (np.hypot(x - cx, y - cy) < 8)[..., None]
        write_image(tmp_path / name / "1001.png", disk.astype(np.float32), "uint8")
    reference = mattes_of(deliveries["acescg"], tmp_path)
    assert (reference.max(axis=(0, 2, 3)) == 1).all()
    assert ((reference > 0.1) & (reference < 0.9)).any(), "needs soft edges to mean anything"
    for name, limit in MATTE_MAD.items():
        difference = np.abs(mattes_of(deliveries[name], tmp_path) - reference)
        assert float(difference.mean()) < limit, (name, float(difference.mean()), float(difference.max()))
