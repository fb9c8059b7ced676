"""What Nuke's colour knobs say, in the engine's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from vimatte.ocio.config import load_config
from vimatte.plugin.nuke.vimatte_glue.colour import Colour, colour_of, find_config

OCIO = Colour(managed_by_ocio=True, config="/c/config.ocio", working="scene_linear (ACES - ACEScg)")
OWN = Colour(managed_by_ocio=False, config="/c/config.ocio", working="linear")


@pytest.mark.parametrize(
    ("colour", "colorspace", "fields"),
    [
        (OCIO, "Input - ARRI - V3 LogC (EI800)", {"in_space": "Input - ARRI - V3 LogC (EI800)"}),
        (OCIO, "default (ACES - ACEScg)", {"in_space": "ACES - ACEScg"}),
        (OCIO, "compositing_log (ACES - ACEScct)", {"in_space": "ACES - ACEScct"}),
        (OCIO, "Linear Rec.709 (sRGB)", {"in_space": "Linear Rec.709 (sRGB)"}),
    ],
)
def test_ocio_names_the_spaces(colour: Colour, colorspace: str, fields: dict[str, str]) -> None:
    wanted = {**fields, "working_space": "ACES - ACEScg", "ocio": "/c/config.ocio"}
    assert colour_of(colour, colorspace=colorspace, raw=False, from_read=True) == wanted


def test_what_nobody_knows_is_left_to_the_file() -> None:
    source = {"working_space": "source"}
    assert colour_of(OCIO, colorspace="ACEScg", raw=True, from_read=True) == source
    assert colour_of(OCIO, colorspace="ACEScg", raw=False, from_read=False) == source
    assert colour_of(OWN, colorspace="AlexaV3LogC", raw=False, from_read=True) == source
    unknown = Colour(managed_by_ocio=True, config_known=False)
    assert colour_of(unknown, colorspace="ACEScg", raw=False, from_read=True) == source


def test_the_config_is_not_named_where_the_environment_names_it() -> None:
    fields = colour_of(Colour(managed_by_ocio=True), colorspace="ACEScg", raw=False, from_read=True)
    assert fields == {"in_space": "ACEScg", "working_space": "scene_linear"}


@pytest.mark.parametrize("curve", ["linear", "sRGB", "rec709", "default (sRGB)"])
def test_nukes_own_curves_are_spaces_of_the_engines_config(curve: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCIO", raising=False)
    config = load_config(None).config
    fields = colour_of(OWN, colorspace=curve, raw=False, from_read=True)
    assert set(fields) == {"in_space", "working_space"}
    for name in fields.values():
        assert config.getColorSpace(name) is not None, name


def test_the_config_is_looked_for_where_nuke_has_it(tmp_path: Path) -> None:
    program = tmp_path / "Nuke15.1" / "Nuke15.1"
    configs = program.parent / "plugins" / "OCIOConfigs" / "configs"
    (configs / "aces_1.2").mkdir(parents=True)
    (configs / "aces_1.2" / "config.ocio").touch()
    (configs / "fn-nuke_cg-config-v1.0.0.ocio").touch()

    def find(chosen: str, custom: str = "", **environ: str) -> tuple[str, bool]:
        return find_config(chosen, custom=custom, program=program, environ=environ)

    assert find("aces_1.2") == ((configs / "aces_1.2" / "config.ocio").as_posix(), True)
    assert find("fn-nuke_cg-config-v1.0.0") == ((configs / "fn-nuke_cg-config-v1.0.0.ocio").as_posix(), True)
    assert find("nuke-default") == ("", False)
    assert find("custom", "/c/config.ocio") == ("/c/config.ocio", True)
    assert find("custom") == ("", False)
    assert find("aces_1.2", OCIO="/studio/config.ocio") == ("", True)
