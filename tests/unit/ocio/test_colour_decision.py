from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from vimatte.ocio.clip import ClipInfo, ClipKind, ColourTags
from vimatte.ocio.colour_decision import decide_space
from vimatte.ocio.config import ConfigChoice, load_config
from vimatte.ocio.errors import ColourError
from vimatte.ocio.frame_range import FrameRange

AP1 = (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)
REC709 = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)


@pytest.fixture(scope="module")
def choice() -> ConfigChoice:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OCIO", raising=False)
        return load_config()


def clip(name: str, *, kind: ClipKind = "sequence", tags: ColourTags | None = None) -> ClipInfo:
    return ClipInfo(
        path=Path(name),
        kind=kind,
        width=8,
        height=8,
        frames=FrameRange.span(1001, 2),
        missing=FrameRange(()),
        fps=Fraction(24),
        tags=tags or ColourTags(),
    )


def exr(**more: object) -> ColourTags:
    return ColourTags(float_pixels=True, bits=16, **more)  # type: ignore[arg-type]


def test_in_space_wins_over_everything(choice: ConfigChoice) -> None:
    info = clip("shot_acescg.exr", tags=exr(interop_id="lin_rec709_scene", chromaticities=REC709))
    found = decide_space(info, choice, in_space="arri_logc4")
    assert found.space == "ARRI LogC4"
    assert not found.scene_linear
    assert found.warning is None
    with pytest.raises(ColourError, match="closest are 'ACEScg'"):
        decide_space(info, choice, in_space="ACES cg")


def test_interop_id_wins_over_chromaticities(choice: ConfigChoice) -> None:
    found = decide_space(clip("a.exr", tags=exr(interop_id="lin_ap1_scene", chromaticities=REC709)), choice)
    assert found.space == "ACEScg"
    assert found.scene_linear
    assert "colorInteropID" in found.reason


def test_unknown_interop_id_is_refused_and_the_word_unknown_is_ignored(choice: ConfigChoice) -> None:
    with pytest.raises(ColourError, match="colorInteropID 'studio:odd'"):
        decide_space(clip("a.exr", tags=exr(interop_id="studio:odd")), choice)
    assert decide_space(clip("a.exr", tags=exr(interop_id="unknown", chromaticities=AP1)), choice).space == "ACEScg"


@pytest.mark.parametrize(
    ("values", "space"),
    [
        (AP1, "ACEScg"),
        (REC709, "Linear Rec.709 (sRGB)"),
        ((0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767), "ACES2065-1"),
        ((0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329), "Linear P3-D65"),
        ((0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329), "Linear Rec.2020"),
    ],
)
def test_chromaticities(choice: ConfigChoice, values: tuple[float, ...], space: str) -> None:
    rounded = tuple(x + 0.0004 for x in values)
    found = decide_space(clip("a.exr", tags=exr(chromaticities=rounded)), choice)
    assert (found.space, found.scene_linear, found.warning) == (space, True, None)


def test_unknown_chromaticities_are_refused(choice: ConfigChoice) -> None:
    with pytest.raises(ColourError, match="no gamut known"):
        decide_space(clip("a.exr", tags=exr(chromaticities=(0.5, 0.4, 0.3, 0.5, 0.2, 0.1, 0.3, 0.3))), choice)


def test_chromaticities_of_integer_files_are_no_proof_of_linear_light(choice: ConfigChoice) -> None:
    found = decide_space(clip("a.png", tags=ColourTags(chromaticities=REC709)), choice)
    assert found.space == "sRGB Encoded Rec.709 (sRGB)"


@pytest.mark.parametrize(
    ("primaries", "transfer", "space"),
    [
        (1, 1, "Camera Rec.709"),
        (1, None, "Camera Rec.709"),
        (2, 1, "Camera Rec.709"),
        (6, 6, "Camera Rec.709"),
        (1, 13, "sRGB Encoded Rec.709 (sRGB)"),
        (1, 4, "Gamma 2.2 Encoded Rec.709"),
        (1, 8, "Linear Rec.709 (sRGB)"),
        (12, 13, "sRGB Encoded P3-D65"),
        (9, 16, "Rec.2100-PQ - Display"),
        (9, 18, "Rec.2100-HLG - Display"),
        (9, 8, "Linear Rec.2020"),
    ],
)
def test_stream_tags(choice: ConfigChoice, primaries: int | None, transfer: int | None, space: str) -> None:
    info = clip("a.mov", kind="movie", tags=ColourTags(primaries=primaries, transfer=transfer, matrix=1, bits=10))
    found = decide_space(info, choice)
    assert found.space == space
    assert "tagged" in found.reason
    assert found.warning is None


def test_odd_stream_tags_are_refused_with_their_names(choice: ConfigChoice) -> None:
    info = clip("a.mov", kind="movie", tags=ColourTags(primaries=11, transfer=17))
    with pytest.raises(ColourError, match="DCI-P3 and transfer DCI gamma"):
        decide_space(info, choice)


def test_untagged_video_is_rec709_with_a_warning(choice: ConfigChoice) -> None:
    found = decide_space(clip("a.mov", kind="movie", tags=ColourTags(bits=10, primaries=2, transfer=2)), choice)
    assert found.space == "Camera Rec.709"
    assert found.warning is not None
    assert "--in-space" in found.warning


def test_untagged_exr_is_linear_rec709_with_a_warning(choice: ConfigChoice) -> None:
    found = decide_space(clip("a.exr", tags=exr()), choice)
    assert (found.space, found.scene_linear) == ("Linear Rec.709 (sRGB)", True)
    assert found.warning is not None
    assert "--in-space ACEScg" in found.warning
    assert found.guessed


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_untagged_pictures_are_srgb_without_alarm(choice: ConfigChoice, name: str) -> None:
    found = decide_space(clip(name), choice)
    assert found.space == "sRGB Encoded Rec.709 (sRGB)"
    assert found.warning is None


def test_untagged_deep_tiff_warns(choice: ConfigChoice) -> None:
    assert decide_space(clip("a.tif", tags=ColourTags(bits=16)), choice).warning
    assert decide_space(clip("a.tif", tags=ColourTags(bits=32, float_pixels=True)), choice).scene_linear


@pytest.mark.parametrize("name", ["a.dpx", "a.cin"])
def test_untagged_dpx_is_refused_with_what_to_type(choice: ConfigChoice, name: str) -> None:
    with pytest.raises(ColourError) as caught:
        decide_space(clip(name, tags=ColourTags(bits=10)), choice)
    assert '--in-space "ARRI LogC4"' in str(caught.value)


@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("shot_acescg.1001.exr", "ACEScg"),
        ("plates/ACEScg/shot.1001.exr", "ACEScg"),
        ("sh010_LogC4_v2.dpx", "ARRI LogC4"),
        ("sh010-slog3-sgamut3.cine.exr", "S-Log3 S-Gamut3.Cine"),
        ("sh010_lin_rec709.exr", "Linear Rec.709 (sRGB)"),
        ("sh010_lin.exr", "Linear Rec.709 (sRGB)"),
        ("sh010_ACES2065-1.exr", "ACES2065-1"),
        ("notacescg.exr", "Linear Rec.709 (sRGB)"),
        ("ap1_sh010_vlog.exr", "Linear Rec.709 (sRGB)"),  # a show's code, a video blog
    ],
)
def test_a_space_named_in_the_path(choice: ConfigChoice, name: str, space: str) -> None:
    assert decide_space(clip(name, tags=exr()), choice).space == space


def test_path_speaks_only_where_the_file_does_not_but_contradiction_is_told(choice: ConfigChoice) -> None:
    tagged = ColourTags(primaries=1, transfer=1, matrix=1, bits=10)
    found = decide_space(clip("shot_logc4.mov", kind="movie", tags=tagged), choice)
    assert found.space == "Camera Rec.709"
    assert found.warning is not None
    assert '--in-space "ARRI LogC4"' in found.warning
    assert decide_space(clip("shot_rec709.mov", kind="movie", tags=tagged), choice).warning is None
    assert decide_space(clip("shot_logc4.mov", kind="movie"), choice).space == "ARRI LogC4"


STUDIO = """ocio_profile_version: 2
name: studio
search_path: luts
roles: {default: raw, scene_linear: show linear}
file_rules:
  - !<Rule> {name: plates, colorspace: show linear, pattern: "*plate*", extension: "exr"}
  - !<Rule> {name: Default, colorspace: default}
displays:
  screen:
    - !<View> {name: raw, colorspace: raw}
colorspaces:
  - !<ColorSpace>
    name: show linear
    encoding: scene-linear
  - !<ColorSpace>
    name: raw
    isdata: true
"""


@pytest.fixture
def studio(tmp_path: Path) -> ConfigChoice:
    path = tmp_path / "config.ocio"
    path.write_text(STUDIO)
    return load_config(str(path))


def test_the_studios_file_rules_speak_but_not_their_default(studio: ConfigChoice) -> None:
    found = decide_space(clip("sh010_plate.exr", tags=exr()), studio)
    assert found.space == "show linear"
    assert "file rule 'plates'" in found.reason
    assert found.warning is None
    other = decide_space(clip("sh010.exr", tags=exr()), studio)
    assert other.space == "show linear"  # the scene_linear role, for want of Linear Rec.709
    assert other.warning is not None


def test_a_space_the_config_lacks_is_named(studio: ConfigChoice) -> None:
    with pytest.raises(ColourError, match=r"ACEScg, which the OCIO config .* lacks"):
        decide_space(clip("sh010.exr", tags=exr(chromaticities=AP1)), studio)
    with pytest.raises(ColourError, match="--in-space: show linear, raw"):
        decide_space(clip("sh010.mov", kind="movie"), studio)


def test_rules_of_ocios_own_configs_are_no_evidence() -> None:
    own = load_config("ocio://studio-config-v2.1.0_aces-v1.3_ocio-v2.3")
    assert decide_space(clip("sh010.exr", tags=exr()), own).space == "Linear Rec.709 (sRGB)"


def test_a_config_without_camera_rec709_takes_the_nearest_and_says_so() -> None:
    own = load_config("ocio://cg-config-v2.1.0_aces-v1.3_ocio-v2.3")
    found = decide_space(clip("a.mov", kind="movie", tags=ColourTags(primaries=1, transfer=1, matrix=1)), own)
    assert found.space == "Rec.1886 Rec.709 - Display"
    assert found.warning is not None
    assert "has no 'Camera Rec.709'" in found.warning
