from __future__ import annotations

from pathlib import Path

import pytest

from vimatte.ocio.errors import ConfigError
from vimatte.ocio.output_pattern import OutputPattern


@pytest.mark.parametrize(
    ("text", "frame", "expected"),
    [
        ("out/layers.exr", 1001, "out/layers.1001.exr"),
        ("out/layers.####.exr", 7, "out/layers.0007.exr"),
        ("out/layers.######.exr", 7, "out/layers.000007.exr"),
        ("out/layers.@@@.exr", 7, "out/layers.007.exr"),
        ("out/layers.%04d.exr", 7, "out/layers.0007.exr"),
        ("out/layers.%d.exr", 7, "out/layers.7.exr"),
        ("out/layers_####.exr", 7, "out/layers_0007.exr"),
        ("out/layers####.exr", 7, "out/layers0007.exr"),
        ("out/layers.####_v02.exr", 7, "out/layers.0007_v02.exr"),
        ("out/layers.EXR", 7, "out/layers.0007.exr"),
        ("out/layers.exr", 123456, "out/layers.123456.exr"),
        ("out/layers.exr", -5, "out/layers.-005.exr"),
        ("out/my shot Zoë 人.exr", 1001, "out/my shot Zoë 人.1001.exr"),
        ("out/sh.010.v3.exr", 1001, "out/sh.010.v3.1001.exr"),
    ],
)
def test_frame_names(text: str, frame: int, expected: str) -> None:
    assert OutputPattern.parse(text).path(frame) == Path(expected)


def test_a_still_gets_exactly_the_name_typed() -> None:
    pattern = OutputPattern.parse("out/layers.exr", still=True)
    assert pattern.path(1001) == Path("out/layers.exr")
    assert pattern.sibling("crypto").path(1001) == Path("out/layers_crypto.exr")
    assert str(pattern) == str(Path("out/layers.exr"))


def test_a_still_with_a_token_keeps_its_number() -> None:
    assert OutputPattern.parse("layers.####.exr", still=True).path(3) == Path("layers.0003.exr")


@pytest.mark.parametrize("text", ["out/layers.exr", "out/layers.%04d.exr", "out/layers.####.exr"])
def test_everything_beside_it(text: str) -> None:
    pattern = OutputPattern.parse(text)
    assert pattern.sibling("crypto").path(1001) == Path("out/layers_crypto.1001.exr")
    assert pattern.beside(".tracks") == Path("out/layers.tracks")
    assert pattern.preview == Path("out/layers.preview.mp4")
    assert pattern.contact_sheet == Path("out/layers.contact.png")
    assert str(pattern) == str(Path("out/layers.####.exr"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("layers", "layers.exr"),
        ("layers.png", "layers.exr"),
        ("out/", "is a folder"),
        ("", "is a folder"),
        ("layers.####.%04d.exr", "two frame numbers"),
        ("####.exr", "put a name before it"),
        ("layers.1001.exr", "layers.####.exr"),
    ],
)
def test_refusals_say_what_to_type(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OutputPattern.parse(text)
    assert says in str(caught.value)


def test_an_existing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        OutputPattern.parse(tmp_path)
