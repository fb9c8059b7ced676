from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vimatte.ocio.colour_decision import SpaceDecision
from vimatte.ocio.config import ConfigChoice, load_config
from vimatte.ocio.errors import ColourError
from vimatte.ocio.transform import PictureTransform, WorkingTransform

LINEAR = "Linear Rec.709 (sRGB)"
SRGB = "sRGB Encoded Rec.709 (sRGB)"


@pytest.fixture(scope="module")
def choice() -> ConfigChoice:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OCIO", raising=False)
        return load_config()


def pixels(low: float, high: float, *, height: int = 70, width: int = 50) -> NDArray[np.float32]:
    return np.random.default_rng(7).uniform(low, high, (height, width, 3)).astype(np.float32)


def srgb(light: NDArray[np.float32]) -> NDArray[np.float64]:
    """IEC 61966-2-1, written anew."""
    x = np.clip(light.astype(np.float64), 0, 1)
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055)


def test_linear_light_becomes_the_srgb_standard(choice: ConfigChoice) -> None:
    light = pixels(-0.2, 2.0)
    assert np.abs(PictureTransform(choice, LINEAR).apply(light) - srgb(light)).max() < 1e-4


@pytest.mark.parametrize("space", [SRGB, "sRGB - Display"])
def test_srgb_comes_through_unchanged(choice: ConfigChoice, space: str) -> None:
    codes = pixels(0, 1)
    assert np.array_equal(PictureTransform(choice, space).apply(codes), codes)


def test_input_is_not_written_to_and_output_is_new_c_contiguous_float32(choice: ConfigChoice) -> None:
    light = pixels(-1, 9)[::-1, ::2]
    light.setflags(write=False)
    before = light.copy()
    for space in (LINEAR, SRGB, "Raw", "ARRI LogC4"):
        picture = PictureTransform(choice, space).apply(light)
        assert picture.flags.c_contiguous
        assert picture.dtype == np.float32
        assert picture.shape == light.shape
        assert picture.min() >= 0
        assert picture.max() <= 1
        assert not np.shares_memory(picture, light)
    assert np.array_equal(light, before)


@pytest.mark.parametrize("space", [LINEAR, "ACEScg", "ARRI LogC4", "Log3G10 REDWideGamutRGB", "Raw", SRGB])
def test_nan_and_infinity_do_not_spread(choice: ConfigChoice, space: str) -> None:
    light = np.full((4, 4, 3), 0.2, np.float32)
    light[0, 0] = np.nan
    light[1, 1] = np.inf
    light[2, 2] = -np.inf
    light[3, 3] = 3e38
    picture = PictureTransform(choice, space).apply(light)
    assert np.isfinite(picture).all()
    clean = PictureTransform(choice, space).apply(np.full((4, 4, 3), 0.2, np.float32))
    assert np.array_equal(picture[0, 1:], clean[0, 1:])
    zero = PictureTransform(choice, space).apply(np.zeros((1, 1, 3), np.float32))
    assert np.array_equal(picture[0, 0], zero[0, 0])
    assert picture[1, 1].min() == 1
    assert picture[3, 3].min() == 1
    assert picture[2, 2].max() == 0


def test_one_nan_channel_leaves_its_neighbours_be(choice: ConfigChoice) -> None:
    light = np.array([[[np.nan, 0.5, 0.5]]], np.float32)
    wanted = PictureTransform(choice, "ACEScg").apply(np.array([[[0, 0.5, 0.5]]], np.float32))
    assert np.array_equal(PictureTransform(choice, "ACEScg").apply(light), wanted)


def test_threads_change_nothing(choice: ConfigChoice) -> None:
    light = pixels(-0.1, 4, height=720, width=720)
    one = PictureTransform(choice, "ACEScg", threads=1).apply(light)
    assert np.array_equal(one, PictureTransform(choice, "ACEScg", threads=3).apply(light))


def test_data_passes_through_clamped(choice: ConfigChoice) -> None:
    light = pixels(-1, 2)
    assert np.array_equal(PictureTransform(choice, "Raw").apply(light), np.clip(light, 0, 1))


def test_diffuse_white_of_hdr_video_is_white(choice: ConfigChoice) -> None:
    """BT.2408: 203 cd/m² is 58 % PQ and 75 % HLG; mid grey of 26 cd/m² is 38 % in both."""
    for space, code in (("Rec.2100-PQ - Display", 0.5807), ("Rec.2100-HLG - Display", 0.75)):
        transform = PictureTransform(choice, space)
        picture = transform.apply(np.full((1, 1, 3), code, np.float32))
        assert picture.min() > 0.97
        grey = transform.apply(np.full((1, 1, 3), 0.38, np.float32))
        assert 0.35 < grey.mean() < 0.45


@pytest.mark.parametrize("space", ["ARRI LogC3 (EI800)", "ARRI LogC4", "S-Log3 S-Gamut3.Cine", "V-Log V-Gamut"])
def test_mid_grey_of_cameras_is_mid_grey(choice: ConfigChoice, space: str) -> None:
    code = choice.config.getProcessor(LINEAR, space).getDefaultCPUProcessor().applyRGB([0.18] * 3)
    picture = PictureTransform(choice, space).apply(np.array([[code]], np.float32))
    assert np.abs(picture - 0.4613).max() < 1e-3


def decision(choice: ConfigChoice, space: str) -> SpaceDecision:
    return SpaceDecision(space=space, reason="", scene_linear=choice.is_scene_linear(space))


def test_a_scene_linear_plate_stays_the_very_same(choice: ConfigChoice) -> None:
    working = WorkingTransform(choice, decision(choice, "ACEScg"))
    light = pixels(-1, 100)
    assert working.identity
    assert working.apply(light) is light
    assert working.space == "ACEScg"
    assert working.interop_id == "lin_ap1_scene"
    assert working.chromaticities is not None
    assert working.chromaticities[0] == 0.713


def test_a_guess_is_not_passed_on_as_knowledge(choice: ConfigChoice) -> None:
    guess = SpaceDecision(space=LINEAR, reason="", scene_linear=True, guessed=True)
    untouched = WorkingTransform(choice, guess)
    assert (untouched.identity, untouched.chromaticities, untouched.interop_id) == (True, None, None)
    assert WorkingTransform(choice, guess, "ACEScg").interop_id == "lin_ap1_scene"


def test_log_and_video_go_to_linear_rec709_or_to_the_studios_scene_linear(choice: ConfigChoice) -> None:
    working = WorkingTransform(choice, decision(choice, "ARRI LogC4"))
    assert (working.space, working.identity, working.interop_id) == (LINEAR, False, "lin_rec709_scene")
    studio = load_config("ocio://studio-config-v2.1.0_aces-v1.3_ocio-v2.3")
    assert WorkingTransform(studio, decision(studio, "ARRI LogC4")).space == "ACEScg"
    codes = pixels(0, 1)
    codes.setflags(write=False)
    light = working.apply(codes)
    assert light.max() > 1  # nothing is clamped
    back = WorkingTransform(choice, decision(choice, LINEAR), "ARRI LogC4").apply(light)
    assert np.abs(back - codes).max() < 1e-3


def test_source_named_and_unknown_working_spaces(choice: ConfigChoice) -> None:
    source = WorkingTransform(choice, decision(choice, "ARRI LogC4"), "source")
    assert (source.space, source.identity, source.chromaticities) == ("ARRI LogC4", True, None)
    assert WorkingTransform(choice, decision(choice, "ARRI LogC4"), "lin_ap1").space == "ACEScg"
    assert WorkingTransform(choice, decision(choice, "Raw")).identity
    with pytest.raises(ColourError, match="--working-space asks for colour space 'ACESgc'"):
        WorkingTransform(choice, decision(choice, "Raw"), "ACESgc")


ACES_ONE = """ocio_profile_version: 1
roles: {default: ACES - ACES2065-1, scene_linear: ACES - ACEScg}
displays:
  screen:
    - !<View> {name: raw, colorspace: ACES - ACES2065-1}
colorspaces:
  - !<ColorSpace>
    name: ACES - ACES2065-1
  - !<ColorSpace>
    name: ACES - ACEScg
    to_reference: !<MatrixTransform> {matrix: [0.695452241357, 0.140678696470, 0.163869062172, 0,
      0.044794563372, 0.859671118456, 0.095534318172, 0,
      -0.005525882558, 0.004025210306, 1.001500672252, 0, 0, 0, 0, 1]}
  - !<ColorSpace>
    name: Utility - Linear - sRGB
    to_reference: !<MatrixTransform> {matrix: [0.439632981919, 0.382988698152, 0.177378319929, 0,
      0.089776442959, 0.813439428749, 0.096784128292, 0, 0.017541170383, 0.111546553302, 0.870912276314, 0, 0, 0, 0, 1]}
"""


def test_an_old_config_with_other_names_gives_the_same_picture(choice: ConfigChoice, tmp_path: Path) -> None:
    path = tmp_path / "config.ocio"
    path.write_text(ACES_ONE)
    old = load_config(str(path))
    light = pixels(-0.1, 3)
    space = old.require("ACES - ACEScg", asked_by="test")
    assert (
        np.abs(PictureTransform(old, space).apply(light) - PictureTransform(choice, "ACEScg").apply(light)).max() < 2e-3
    )
    assert WorkingTransform(old, decision(old, space)).interop_id == "lin_ap1_scene"


def test_a_config_without_srgb_is_reached_through_aces_interchange(choice: ConfigChoice, tmp_path: Path) -> None:
    text = ACES_ONE.replace("ocio_profile_version: 1", "ocio_profile_version: 2").replace(
        "roles: {default", "roles: {aces_interchange: ACES - ACES2065-1, default"
    )
    path = tmp_path / "config.ocio"
    path.write_text(text[: text.index("  - !<ColorSpace>\n    name: Utility")])
    bare = load_config(str(path))
    light = pixels(-0.1, 3)
    picture = PictureTransform(bare, "ACES - ACEScg").apply(light)
    assert np.abs(picture - PictureTransform(choice, "ACEScg").apply(light)).max() < 2e-3


def test_a_config_with_no_way_to_srgb_says_so(tmp_path: Path) -> None:
    path = tmp_path / "config.ocio"
    path.write_text(
        "ocio_profile_version: 1\nroles: {default: odd}\ndisplays:\n  s:\n    - !<View> {name: r, colorspace: odd}\n"
        "colorspaces:\n  - !<ColorSpace>\n    name: odd\n"
    )
    odd = load_config(str(path))
    with pytest.raises(ColourError, match="no aces_interchange role"):
        PictureTransform(odd, "odd")
