from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from vimatte.ocio.cryptomatte import cryptomatte_hash, cryptomatte_layers, read_cryptomatte, write_cryptomatte
from vimatte.ocio.errors import ConfigError, MediaError


def soft(n: int, *, seed: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    mattes = rng.random((n, 12, 17), dtype=np.float32) * (rng.random((n, 12, 17)) < 0.6)
    return {f"person_{i:02d}": m.astype(np.float32) for i, m in enumerate(mattes, 1)}


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        # From the manifests of the sample images that the authors of Cryptomatte publish.
        ("ball_asset", "79b62f5e"),
        ("toroidal_asset", "1539c043"),
        ("default", "42c9679f"),
        ("rightAsset", "8f3ccbde"),
        ("равнина", "9623511e"),
        ("name, with, comma", "62fa4db8"),
        ('name containing a "quote"  ', "af8bfa09"),
    ],
)
def test_ids_are_the_official_ones(name: str, bits: str) -> None:
    assert f"{cryptomatte_hash(name):08x}" == bits


def test_ids_are_ordinary_floats() -> None:
    bits = np.array([cryptomatte_hash(f"n{i}") for i in range(4000)], np.uint32)
    floats = bits.view(np.float32)
    assert np.isfinite(floats).all()
    assert (np.abs(floats) >= np.finfo(np.float32).tiny).all()


@pytest.mark.parametrize("depth", [4, 5, 6])
def test_overlapping_mattes_come_back_exactly(tmp_path: Path, depth: int) -> None:
    mattes = soft(4)
    write_cryptomatte(tmp_path / "c.exr", mattes=mattes, depth=depth)
    back = read_cryptomatte(tmp_path / "c.exr")
    assert list(back) == list(mattes)
    for name, matte in mattes.items():
        np.testing.assert_array_equal(back[name], matte)


def test_the_largest_are_kept_beyond_the_depth(tmp_path: Path) -> None:
    mattes = {f"p{i}": np.full((2, 2), v, np.float32) for i, v in enumerate([0.1, 0.4, 0.2, 0.3])}
    write_cryptomatte(tmp_path / "c.exr", mattes=mattes, depth=2)
    back = read_cryptomatte(tmp_path / "c.exr")
    assert {n: float(m[0, 0]) for n, m in back.items()} == {
        "p0": 0.0,
        "p1": float(np.float32(0.4)),
        "p2": 0.0,
        "p3": float(np.float32(0.3)),
    }


def test_channels_do_not_depend_on_who_is_there(tmp_path: Path) -> None:
    empty = {"anna": np.zeros((4, 5), np.float32)}
    write_cryptomatte(tmp_path / "one.exr", mattes=empty, layer_name="people")
    write_cryptomatte(tmp_path / "many.exr", mattes=soft(9), layer_name="people")
    specs = [oiio.ImageBuf(str(tmp_path / n)).spec() for n in ("one.exr", "many.exr")]
    expected = [f"people{r:02d}.{c}" for r in range(3) for c in "RGBA"]
    assert [list(s.channelnames) for s in specs] == [expected, expected]
    assert str(specs[0].format) == "float"
    assert not specs[0].channelformats
    keys = [a.name for a in specs[0].extra_attribs if a.name.startswith("cryptomatte/")]
    assert {len(k.split("/")[1]) for k in keys} == {7}
    assert {k.split("/")[2] for k in keys} == {"name", "hash", "conversion", "manifest"}
    manifest = specs[1].get_string_attribute(next(k for k in keys if k.endswith("/manifest")))
    assert json.loads(manifest) == {n: f"{cryptomatte_hash(n):08x}" for n in soft(9)}


def test_two_runs_are_byte_identical(tmp_path: Path) -> None:
    for name in ("a.exr", "b.exr"):
        write_cryptomatte(tmp_path / name, mattes=soft(5))
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "b.exr").read_bytes()


def test_nan_counts_as_nothing(tmp_path: Path) -> None:
    write_cryptomatte(tmp_path / "c.exr", mattes={"a": np.full((2, 2), np.nan, np.float32)})
    assert read_cryptomatte(tmp_path / "c.exr")["a"].max() == 0


def test_lossy_compression_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"break the ids.*zip"):
        write_cryptomatte(tmp_path / "c.exr", mattes=soft(1), compression="dwaa")


def test_a_picture_without_one_is_refused(tmp_path: Path) -> None:
    oiio.ImageBuf(oiio.ImageSpec(4, 4, 3, "half")).write(str(tmp_path / "plain.exr"))
    assert cryptomatte_layers(tmp_path / "plain.exr") == ()
    with pytest.raises(MediaError, match="holds no Cryptomatte"):
        read_cryptomatte(tmp_path / "plain.exr")
    with pytest.raises(MediaError, match="no file"):
        read_cryptomatte(tmp_path / "absent.exr")
    (tmp_path / "junk.exr").write_bytes(b"junk")
    with pytest.raises(MediaError, match="cannot be read"):
        read_cryptomatte(tmp_path / "junk.exr")


def test_a_truncated_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.exr"
    write_cryptomatte(path, mattes=soft(3), compression="zips")
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(MediaError, match="broken"):
        read_cryptomatte(path)


@pytest.mark.footage
def test_the_authors_own_files(footage: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = footage / "exr_cryptomatte"
    for file, layers in [
        ("cornellBox_CryptoWildcard.0001.exr", ["uCryptoWildcard"]),
        ("debug_images/multichannel.exr", ["crypto_asset", "crypto_material", "crypto_object"]),
        ("debug_images/special_chars.exr", ["special_chars"]),
        ("debug_images/sidecar_manifest.exr", ["crypto_asset"]),
    ]:
        found = cryptomatte_layers(folder / file)
        assert [one.name for one in found] == layers
        for one in found:
            assert one.manifest
            assert all(cryptomatte_hash(name) == bits for name, bits in one.manifest.items())
            mattes = read_cryptomatte(folder / file, layer=one.name)
            total = np.sum(list(mattes.values()), axis=0)
            assert 0.9 < total.max() < 1.0001
            assert not any(name.startswith("id_") for name in mattes)
    with caplog.at_level(logging.WARNING):
        first = read_cryptomatte(folder / "debug_images/multichannel.exr")
    assert "crypto_object" in caplog.text
    assert first["toroidal_asset"].sum() > first["ball_asset"].sum() > 1000
    with pytest.raises(ConfigError, match="crypto_material"):
        read_cryptomatte(folder / "debug_images/multichannel.exr", layer="nothing")


@pytest.mark.footage
def test_a_cropped_data_window_lies_in_its_place(footage: Path) -> None:
    mattes = read_cryptomatte(footage / "exr_cryptomatte" / "cornellBox_CryptoWildcard.0001.exr")
    ball = mattes["sphere_?_2"]
    assert ball.shape == (540, 960)
    assert ball[:, :167].max() == 0
    assert sum(m[:, 167:793].max() > 0.99 for m in mattes.values()) == 7
