from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vimatte.engine.colour_ops import TorchPicture
from vimatte.engine.device import choose_device, describe_device
from vimatte.engine.errors import DeviceError
from vimatte.ocio.config import ConfigChoice, load_config
from vimatte.ocio.transform import PictureTransform

# Largest difference to the CPU in [0, 1]. The log spaces differ where a very bright colour outside Rec.709 is
# within a rounding step of the clamp.
EXACT = {
    "Linear Rec.709 (sRGB)": 3e-6,
    "ACEScg": 3e-6,
    "ACES2065-1": 3e-6,
    "sRGB Encoded Rec.709 (sRGB)": 0.0,
    "sRGB - Display": 0.0,
    "Camera Rec.709": 1e-6,
    "Rec.1886 Rec.709 - Display": 1e-6,
    "sRGB Encoded P3-D65": 1e-5,
    "ARRI LogC3 (EI800)": 2e-4,
    "ARRI LogC4": 1e-3,
    "S-Log3 S-Gamut3.Cine": 2e-4,
    "S-Log3 S-Gamut3": 2e-4,
    "V-Log V-Gamut": 2e-4,
    "Log3G10 REDWideGamutRGB": 1e-3,
    "ACEScct": 5e-4,
    "DaVinci Intermediate WideGamut": 2e-4,
    "BMDFilm WideGamut Gen5": 5e-4,
    "Apple Log": 2e-4,
    "CanonLog2 CinemaGamut D55": 5e-4,
    "Rec.2100-PQ - Display": 5e-4,
}
BAKED_MEAN = {"ADX10": 0.005, "ACEScc": 0.008, "Rec.2100-HLG - Display": 0.004}


@pytest.fixture(scope="module")
def choice() -> ConfigChoice:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OCIO", raising=False)
        return load_config()


def plate(choice: ConfigChoice, space: str) -> NDArray[np.float32]:
    random = np.random.default_rng(3)
    if choice.is_scene_linear(space):
        low, high = random.uniform(-0.05, 1.2, (90, 100, 3)), 2 ** random.uniform(-12, 6, (90, 100, 3))
        return np.concatenate([low, high]).astype(np.float32)
    return random.uniform(-0.05, 1.05, (180, 100, 3)).astype(np.float32)


@pytest.mark.parametrize("space", sorted(EXACT))
def test_torch_gives_what_the_cpu_gives(choice: ConfigChoice, space: str) -> None:
    transform = PictureTransform(choice, space)
    light = plate(choice, space)
    before = light.copy()
    ops = transform.ops()
    assert ops.exact
    picture = TorchPicture(ops)(torch.from_numpy(light)).numpy()
    difference = np.abs(picture - transform.apply(light))
    assert difference.max() <= EXACT[space]
    assert difference.mean() < 1e-6
    assert np.array_equal(light, before)


@pytest.mark.parametrize("space", sorted(BAKED_MEAN))
def test_what_has_no_formula_is_baked_and_says_so(choice: ConfigChoice, space: str) -> None:
    transform = PictureTransform(choice, space)
    light = plate(choice, space)
    ops = transform.ops()
    assert not ops.exact
    picture = TorchPicture(ops)(torch.from_numpy(light)).numpy()
    assert np.abs(picture - transform.apply(light)).mean() < BAKED_MEAN[space]


def test_broken_pixels_are_cleaned_as_on_the_cpu(choice: ConfigChoice) -> None:
    light = np.full((2, 3, 3), 0.2, np.float32)
    light[0] = [[np.nan, 0.5, 0.5], [np.inf] * 3, [-np.inf] * 3]
    light[1, 0] = 3e38
    for space in ("ACEScg", "ARRI LogC4", "Raw"):
        transform = PictureTransform(choice, space)
        picture = TorchPicture(transform.ops())(torch.from_numpy(light)).numpy()
        assert np.abs(picture - transform.apply(light)).max() < 1e-4


def test_wrong_shapes_are_refused(choice: ConfigChoice) -> None:
    picture = TorchPicture(PictureTransform(choice, "ACEScg").ops())
    with pytest.raises(ValueError, match="found"):
        picture(torch.zeros(3, 4, 4))


@pytest.mark.gpu
@pytest.mark.parametrize("space", ["ACEScg", "ARRI LogC4", "Camera Rec.709", "Apple Log"])
def test_a_gpu_gives_what_the_cpu_gives(choice: ConfigChoice, space: str) -> None:
    if not torch.cuda.is_available():
        if os.environ.get("VIMATTE_REQUIRE_CUDA"):
            pytest.fail("VIMATTE_REQUIRE_CUDA is set, and there is no CUDA device")
        pytest.skip("no CUDA device")
    transform = PictureTransform(choice, space)
    light = plate(choice, space)
    picture = TorchPicture(transform.ops(), "cuda")(torch.from_numpy(light)).cpu().numpy()
    assert np.abs(picture - transform.apply(light)).max() <= max(1e-5, EXACT[space])


def test_devices() -> None:
    assert choose_device("cpu") == "cpu"
    assert choose_device(" CPU ") == "cpu"
    assert choose_device() in {"cuda", "mps", "cpu"}
    assert describe_device("cpu").startswith("cpu (")
    with pytest.raises(DeviceError, match="'toaster' is no device; type --device auto, or one of cpu"):
        choose_device("toaster")
    with pytest.raises(DeviceError, match="'cuda:99' is not there; there is cpu"):
        choose_device("cuda:99")


def test_automatic_choice_prefers_cuda_then_mps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto") == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == "cpu"
