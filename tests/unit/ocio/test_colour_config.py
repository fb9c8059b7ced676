from __future__ import annotations

from pathlib import Path

import numpy as np
import PyOpenColorIO
import pytest

from vimatte.ocio import config as config_module
from vimatte.ocio.config import BUILTIN_CONFIGS, load_config, processor_between
from vimatte.ocio.errors import ColourError
from vimatte.ocio.known_spaces import KNOWN_SPACES

SHIPPED = [a for a in BUILTIN_CONFIGS if a.removeprefix("ocio://") in list(PyOpenColorIO.BuiltinConfigRegistry())]
"""Those of the pinned configs that the installed OCIO has; OCIO 2.4 lacks the newest."""

TINY = """ocio_profile_version: {version}
search_path: luts
roles: {{default: lin, scene_linear: lin}}
displays:
  screen:
    - !<View> {{name: film, colorspace: sRGB}}
colorspaces:
  - !<ColorSpace>
    name: lin
  - !<ColorSpace>
    name: sRGB
    from_reference: !<ExponentTransform> {{value: [0.4545, 0.4545, 0.4545, 1]}}
  - !<ColorSpace>
    name: lost
    to_reference: !<FileTransform> {{src: lost.spi1d}}
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCIO", raising=False)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "config.ocio"
    path.write_text(TINY.format(version=1))
    return path


def test_default_is_the_pinned_studio_config() -> None:
    choice = load_config()
    assert choice.name == SHIPPED[0]
    assert not choice.from_studio
    assert "built-in" in choice.origin


@pytest.mark.parametrize("address", SHIPPED)
def test_every_pinned_config_has_camera_spaces_and_srgb(address: str) -> None:
    choice = load_config(address)
    assert choice.resolve("ARRI LogC3 (EI800)")
    assert choice.resolve("sRGB Encoded Rec.709 (sRGB)")
    assert choice.resolve("Linear Rec.709 (sRGB)")


def test_an_older_library_falls_back_to_an_older_pinned_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_module, "BUILTIN_CONFIGS", ("ocio://studio-config-v99", *SHIPPED[1:]))
    assert load_config().name == SHIPPED[1]


def test_no_loadable_built_in_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_module, "BUILTIN_CONFIGS", ("ocio://studio-config-v99",))
    with pytest.raises(ColourError, match="install opencolorio"):
        load_config()


def test_option_wins_over_environment_and_empty_counts_as_unset(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCIO", "")
    assert not load_config().from_studio
    monkeypatch.setenv("OCIO", str(tiny))
    assert load_config().name == str(tiny)
    assert "$OCIO" in load_config().origin
    chosen = load_config(SHIPPED[0])
    assert chosen.name == SHIPPED[0]
    assert chosen.from_studio


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colorspaces: [", "cannot be loaded"),
        (TINY.format(version=1).replace("ocio_profile_version: 1", "ocio_profile_version: 2.99"), "cannot be loaded"),
    ],
    ids=["bad-yaml", "too-new"],
)
def test_broken_configs_are_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.ocio"
    path.write_text(text)
    with pytest.raises(ColourError, match=said) as caught:
        load_config(str(path))
    message = str(caught.value)
    assert "--ocio" in message
    assert "bad.ocio" in message
    assert "\n" not in message


def test_missing_file_and_unknown_address() -> None:
    with pytest.raises(ColourError, match="there is no such file"):
        load_config("nowhere/config.ocio")
    with pytest.raises(ColourError, match="built in are ocio://studio-config"):
        load_config("ocio://nope")


def test_missing_file_in_environment_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCIO", "nowhere/config.ocio")
    with pytest.raises(ColourError, match=r"\$OCIO names"):
        load_config()


def test_missing_lut_is_named(tiny: Path) -> None:
    choice = load_config(str(tiny))
    with pytest.raises(ColourError, match=r"LUT it needs is missing.*lost\.spi1d"):
        processor_between(choice, "lost", "sRGB")


def test_names_aliases_roles_and_closest() -> None:
    choice = load_config()
    assert choice.find("lin_ap1") == "ACEScg"
    assert choice.find("SCENE_LINEAR") == "ACEScg"
    assert choice.find("nope") is None
    with pytest.raises(ColourError, match="'ARRI LogC4'"):
        choice.require("logc4", asked_by="--in-space")
    with pytest.raises(ColourError, match="'ACEScg'"):
        choice.require("ACESgc", asked_by="--in-space")


def test_scene_linear_is_probed_where_the_config_does_not_say(tiny: Path) -> None:
    choice = load_config(str(tiny))
    assert choice.is_scene_linear("lin")
    assert not choice.is_scene_linear("sRGB")


def test_interop_ids_both_ways() -> None:
    choice = load_config()
    assert choice.interop_id("ACEScg") == "lin_ap1_scene"
    assert choice.by_interop_id("lin_rec709_scene") == "Linear Rec.709 (sRGB)"
    assert choice.by_interop_id("nope") is None
    old = load_config(BUILTIN_CONFIGS[-1])
    assert old.interop_id("ACEScg") == "lin_ap1_scene"


def test_known_chromaticities_agree_with_ocio() -> None:
    """Primaries of the table, sent to XYZ by hand, must be those that OCIO's own matrices give."""
    choice = load_config()
    seen = 0
    for space in KNOWN_SPACES:
        name = choice.resolve(space)
        if space.chromaticities is None or name is None:
            continue
        cpu = processor_between(choice, name, "CIE XYZ-D65 - Scene-referred").getDefaultCPUProcessor()
        xy = space.chromaticities
        if abs(xy[6] - 0.3127) > 1e-4:
            continue  # adapted white: primaries move
        for index in range(3):
            unit = [0.0, 0.0, 0.0]
            unit[index] = 1.0
            xyz = np.array(cpu.applyRGB(unit))
            assert np.allclose(xyz[:2] / xyz.sum(), xy[2 * index : 2 * index + 2], atol=0.004), (
                space.key
            )  # CAT02 to the ACES white and back
        seen += 1
    assert seen >= 8


def test_a_camera_space_that_only_the_studio_config_has_is_pointed_to() -> None:
    small = load_config("ocio://cg-config-v2.1.0_aces-v1.3_ocio-v2.3")
    with pytest.raises(ColourError, match="has 'ARRI LogC4': type --ocio ocio://studio-config"):
        small.require("ARRI LogC4", asked_by="--in-space")
