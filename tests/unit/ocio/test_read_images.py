from __future__ import annotations

import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from vimatte.ocio.errors import MediaError
from vimatte.ocio.image_file import read_image
from vimatte.ocio.read_images import ImageClip
from vimatte.ocio.readers import open_clip
from vimatte.ocio.timecode import Timecode

from support.pictures import write_parts, write_picture


def values(height: int = 6, width: int = 9, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 3, (height, width, channels)).astype(np.float32)


def write_sequence(folder: Path, numbers: list[int], *, name: str = "shot.{:04d}.exr", height: int = 6) -> Path:
    for number in numbers:
        write_picture(folder / name.format(number), np.full((height, 9, 3), number, np.float32), kind="float")
    return folder


class TestValues:
    def test_every_half_comes_back_bit_exactly(self, tmp_path: Path) -> None:
        codes = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(256, 256)
        pixels = np.repeat(codes[..., None], 3, -1)
        path = write_picture(tmp_path / "a.exr", pixels, kind="half", attributes={"compression": "zip"})
        rgb = read_image(path).rgb
        expected = pixels.astype(np.float32)
        np.testing.assert_array_equal(np.isnan(rgb), np.isnan(expected))
        number = ~np.isnan(expected)
        np.testing.assert_array_equal(rgb[number].view(np.uint32), expected[number].view(np.uint32))

    def test_floats_nan_and_infinity_come_back_bit_exactly(self, tmp_path: Path) -> None:
        pixels = values()
        pixels[0, 0] = [np.nan, np.inf, -np.inf]
        pixels[1, 0] = [1e30, -1e-40, 0.1]
        path = write_picture(tmp_path / "a.exr", pixels)
        np.testing.assert_array_equal(read_image(path).rgb.view(np.uint32), pixels.view(np.uint32))

    @pytest.mark.parametrize("suffix", ["png", "tif", "dpx"])
    @pytest.mark.parametrize(("kind", "peak"), [("uint8", 255), ("uint16", 65535)])
    def test_codes_become_fractions_of_the_largest(self, tmp_path: Path, suffix: str, kind: str, peak: int) -> None:
        codes = np.random.default_rng(3).integers(0, peak, (7, 5, 3), endpoint=True).astype(kind)
        rgb = read_image(write_picture(tmp_path / f"a.{suffix}", codes, kind=kind)).rgb
        np.testing.assert_array_equal(rgb, (codes.astype(np.float32) / np.float32(peak)))

    @pytest.mark.parametrize("bits", [10, 12])
    def test_dpx_10_and_12_bit_codes_are_exact(self, tmp_path: Path, bits: int) -> None:
        codes = np.arange(48).reshape(4, 4, 3) * (((1 << bits) - 1) // 47)
        wide = (codes << (16 - bits) | codes >> (2 * bits - 16)).astype(np.uint16)
        path = write_picture(tmp_path / "a.dpx", wide, kind="uint16", attributes={"oiio:BitsPerSample": bits})
        rgb = read_image(path).rgb
        np.testing.assert_allclose(rgb, codes / ((1 << bits) - 1), atol=1e-7)
        with open_clip(path) as clip:
            assert clip.info.tags.bits == bits

    def test_jpeg_is_read(self, tmp_path: Path) -> None:
        path = write_picture(tmp_path / "a.jpg", np.full((16, 16, 3), 128, np.uint8), kind="uint8")
        np.testing.assert_allclose(read_image(path).rgb, 128 / 255, atol=0.01)

    def test_tiles_and_levels_read_level_zero(self, tmp_path: Path) -> None:
        pixels = values(32, 48)
        path = write_picture(tmp_path / "a.exr", pixels, tile=16)
        np.testing.assert_array_equal(read_image(path).rgb, pixels)


class TestChannels:
    def test_channels_are_chosen_by_name_not_by_place(self, tmp_path: Path) -> None:
        pixels = values(channels=5)
        path = write_picture(tmp_path / "a.exr", pixels, channels=("mask.A", "Z", "B", "G", "R"))
        rgb = read_image(path).rgb
        np.testing.assert_array_equal(rgb, pixels[..., [4, 3, 2]])

    @pytest.mark.parametrize("names", [("Y",), ("Y", "A")])
    def test_grey_is_replicated(self, tmp_path: Path, names: tuple[str, ...]) -> None:
        pixels = values(channels=len(names))
        picture = read_image(write_picture(tmp_path / "a.exr", pixels, channels=names))
        np.testing.assert_array_equal(picture.rgb, np.repeat(pixels[..., :1], 3, -1))
        assert (picture.alpha is not None) == (len(names) == 2)

    def test_no_colour_lists_what_there_is(self, tmp_path: Path) -> None:
        path = write_picture(tmp_path / "a.exr", values(channels=2), channels=("Z", "mask.A"))
        with pytest.raises(MediaError, match=r"no colour channels .* it has .*Z"):
            open_clip(path)

    def test_the_part_with_colour_is_read_and_named(self, tmp_path: Path) -> None:
        depth, beauty = values(channels=1).astype(np.float16), values(channels=4, seed=2).astype(np.float16)
        path = write_parts(tmp_path / "a.exr", [("depth", depth, ("Z",)), ("beauty", beauty, ("R", "G", "B", "A"))])
        with open_clip(path) as clip:
            assert any("part 1 'beauty'" in sentence for sentence in clip.info.warnings)
            np.testing.assert_array_equal(clip.read(clip.info.frames.first).rgb, beauty[..., :3].astype(np.float32))

    def test_a_layer_is_read_where_the_root_has_no_colour(self, tmp_path: Path) -> None:
        pixels = values(channels=4)
        names = ("ViewLayer.Combined.R", "ViewLayer.Combined.G", "ViewLayer.Combined.B", "ViewLayer.Combined.A")
        path = write_picture(tmp_path / "a.exr", pixels, channels=names)
        with open_clip(path) as clip:
            assert any("ViewLayer.Combined" in sentence for sentence in clip.info.warnings)
            np.testing.assert_array_equal(clip.read(1001).rgb, pixels[..., :3])
            assert clip.info.alpha_state == "premultiplied"

    def test_deep_pixels_are_refused_in_words(self, tmp_path: Path) -> None:
        path = tmp_path / "a.exr"
        spec = oiio.ImageSpec(2, 2, 4, "half")
        spec.channelnames = ("A", "Z", "ZBack", "id")
        spec.deep = True
        data = oiio.DeepData()
        data.init(spec)
        out = oiio.ImageOutput.create(str(path))
        assert out.open(str(path), spec)
        assert out.write_deep_image(data)
        out.close()
        with pytest.raises(MediaError, match="deep pixels"):
            open_clip(path)


class TestAlpha:
    def test_png_alpha_stays_straight(self, tmp_path: Path) -> None:
        codes = np.array([[[200, 100, 50, 128], [255, 255, 255, 0]]], np.uint8)
        path = tmp_path / "a.png"
        write_picture(
            path, codes, kind="uint8", channels=("R", "G", "B", "A"), attributes={"oiio:UnassociatedAlpha": 1}
        )
        with open_clip(path) as clip:
            frame = clip.read(1001)
            assert frame.alpha_state == "straight"
            np.testing.assert_array_equal(frame.rgb, codes[..., :3].astype(np.float32) / np.float32(255))
            assert frame.alpha is not None
            np.testing.assert_array_equal(frame.alpha, codes[..., 3].astype(np.float32) / np.float32(255))

    @pytest.mark.parametrize("straight", [0, 1])
    def test_tiff_says_which_alpha_it_has(self, tmp_path: Path, straight: int) -> None:
        codes = np.array([[[100, 50, 25, 128]]], np.uint8)
        path = write_picture(
            tmp_path / "a.tif",
            codes,
            kind="uint8",
            channels=("R", "G", "B", "A"),
            attributes={"oiio:UnassociatedAlpha": straight},
        )
        with open_clip(path) as clip:
            assert clip.info.alpha_state == ("straight" if straight else "premultiplied")
            np.testing.assert_array_equal(
                clip.read(1001).rgb[0, 0], codes[0, 0, :3].astype(np.float32) / np.float32(255)
            )

    def test_exr_alpha_is_premultiplied_and_untouched(self, tmp_path: Path) -> None:
        pixels = values(channels=4)
        path = write_picture(tmp_path / "a.exr", pixels, channels=("R", "G", "B", "A"))
        with open_clip(path) as clip:
            frame = clip.read(1001)
            assert frame.alpha_state == clip.info.alpha_state == "premultiplied"
            np.testing.assert_array_equal(frame.rgb, pixels[..., :3])
            assert frame.alpha is not None
            np.testing.assert_array_equal(frame.alpha, pixels[..., 3])


class TestWindows:
    @pytest.mark.parametrize(
        ("origin", "display"),
        [((2, 1), (0, 0, 16, 12)), ((-3, -2), (0, 0, 5, 3)), ((4, 4), (2, 3, 9, 6)), ((100, 100), (0, 0, 4, 4))],
    )
    def test_data_is_placed_in_the_display_window(
        self, tmp_path: Path, origin: tuple[int, int], display: tuple[int, int, int, int]
    ) -> None:
        pixels = values()
        path = write_picture(tmp_path / "a.exr", pixels, origin=origin, display=display)
        expected = np.zeros((display[3], display[2], 3), np.float32)
        for y in range(6):
            for x in range(9):
                row, column = y + origin[1] - display[1], x + origin[0] - display[0]
                if 0 <= row < display[3] and 0 <= column < display[2]:
                    expected[row, column] = pixels[y, x]
        with open_clip(path) as clip:
            assert any("data window" in sentence for sentence in clip.info.warnings)
            assert (clip.info.width, clip.info.height) == display[2:]
            np.testing.assert_array_equal(clip.read(clip.info.frames.first).rgb, expected)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_orientation_is_respected(self, tmp_path: Path, orientation: int) -> None:
        stored = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, -1)
        path = write_picture(tmp_path / "a.tif", stored, kind="uint8", attributes={"Orientation": orientation})
        upright = oiio.ImageBufAlgo.reorient(oiio.ImageBuf(str(path))).get_pixels(oiio.UINT8)
        with open_clip(path) as clip:
            rgb = clip.read(1001).rgb
            assert (clip.info.height, clip.info.width) == upright.shape[:2]
            np.testing.assert_array_equal(np.rint(rgb * 255), upright)


class TestHeaders:
    def test_exr_headers_are_carried(self, tmp_path: Path) -> None:
        primaries = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)
        path = write_picture(
            tmp_path / "shot.1007.exr",
            values(),
            kind="half",
            attributes={
                "compression": "zip",
                "framesPerSecond": ("rational", (24000, 1001)),
                "chromaticities": ("float[8]", primaries),
                "smpte:TimeCode": ("timecode", (0x01020304, 0)),
                "PixelAspectRatio": 2.0,
                "camera": "alexa",
                "iso": 800,
                "lens": ("float[2]", (32.0, 2.8)),
            },
        )
        with open_clip(path) as clip:
            info = clip.info
            assert info.kind == "still"
            assert info.frames.numbers == (1007,)
            assert info.fps == Fraction(24000, 1001)
            assert info.timecode == Timecode(hours=1, minutes=2, seconds=3, frames=4)
            assert info.pixel_aspect == 2
            assert info.tags.chromaticities == pytest.approx(primaries)
            assert info.tags.float_pixels
            assert info.tags.bits == 16
            assert info.codec == "openexr half zip"
            assert info.metadata["camera"] == "alexa"
            assert info.metadata["iso"] == 800
            assert info.metadata["lens"] == pytest.approx((32.0, 2.8))
            assert not {"compression", "chromaticities", "framesPerSecond"} & set(info.metadata)

    def test_interop_id_is_carried(self, tmp_path: Path) -> None:
        path = write_picture(tmp_path / "a.exr", values(), attributes={"oiio:ColorSpace": "ACEScg"})
        with open_clip(path) as clip:
            assert clip.info.tags.interop_id == "lin_ap1_scene"

    def test_timecode_is_each_frames_own_or_counted(self, tmp_path: Path) -> None:
        code = {"smpte:TimeCode": ("timecode", (0x10000023, 0)), "framesPerSecond": ("rational", (24, 1))}
        write_picture(tmp_path / "s.0001.exr", values(), attributes=code)
        write_picture(tmp_path / "s.0002.exr", values())
        with open_clip(tmp_path / "s.####.exr") as clip:
            assert [str(f.timecode) for f in clip.frames([1, 2])] == ["10:00:00:23", "10:00:01:00"]


class TestSequence:
    def test_gaps_are_listed_and_a_missing_frame_is_named(self, tmp_path: Path) -> None:
        write_sequence(tmp_path, [1001, 1002, 1005, 1007])
        with open_clip(tmp_path / "shot.####.exr") as clip:
            assert clip.info.frames.numbers == (1001, 1002, 1005, 1007)
            assert clip.info.missing.numbers == (1003, 1004, 1006)
            assert any("lacks frames 1003-1004,1006" in sentence for sentence in clip.info.warnings)
            with pytest.raises(MediaError, match=r"Frame 1003 .* missing; there are 1001-1002,1005,1007"):
                clip.read(1003)

    def test_frames_come_in_the_order_asked(self, tmp_path: Path) -> None:
        write_sequence(tmp_path, list(range(1001, 1021)))
        before = threading.active_count()
        with open_clip(tmp_path, threads=3, space="ACEScg") as clip:
            asked = [1020, 1001, 1010, 1010, 1002]
            frames = list(clip.frames(asked))
            assert [f.number for f in frames] == asked
            assert [f.rgb[0, 0, 0] for f in frames] == asked
            assert {f.space for f in frames} == {"ACEScg"}
            stream = clip.frames(clip.info.frames)
            next(stream)
            del stream
        assert threading.active_count() == before

    def test_a_frame_of_another_size_is_named(self, tmp_path: Path) -> None:
        write_sequence(tmp_path, [1, 2])
        write_sequence(tmp_path, [3], height=8)
        with (
            open_clip(tmp_path) as clip,
            pytest.raises(MediaError, match=r"Frame 3 .* is 9x8, but .* is 9x6"),
        ):
            list(clip.frames([1, 2, 3]))

    def test_a_moving_data_window_is_no_other_size(self, tmp_path: Path) -> None:
        for number in (1, 2):
            write_picture(tmp_path / f"s.{number:04d}.exr", values(), origin=(number, 0), display=(0, 0, 12, 8))
        with open_clip(tmp_path) as clip:
            assert {f.rgb.shape for f in clip.frames([1, 2])} == {(8, 12, 3)}

    def test_a_damaged_first_frame_does_not_hide_the_rest(self, tmp_path: Path) -> None:
        write_sequence(tmp_path, [1001, 1002, 1003])
        (tmp_path / "shot.1001.exr").write_bytes(b"\x76\x2f\x31\x01 no more")
        with open_clip(tmp_path) as clip:
            assert clip.read(1002).rgb[0, 0, 0] == 1002
            with pytest.raises(MediaError, match=r"shot\.1001\.exr"):
                clip.read(1001)

    @pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
    def test_a_truncated_exr_is_named(self, tmp_path: Path, share: float) -> None:
        path = write_picture(tmp_path / "a.1001.exr", values(64, 64), attributes={"compression": "zip"})
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        with pytest.raises(MediaError, match=r"a\.1001\.exr"), open_clip(path) as clip:
            clip.read(1001)

    def test_a_closed_clip_says_so(self, tmp_path: Path) -> None:
        clip = open_clip(write_picture(tmp_path / "a.exr", values()))
        clip.close()
        with pytest.raises(MediaError, match="closed"):
            clip.read(1001)

    def test_no_files_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(MediaError, match="no frames"):
            ImageClip({}, path=tmp_path, space="unknown", threads=1)


@pytest.mark.footage
class TestFootage:
    def test_no_damaged_exr_crashes_or_leaks_another_error(self, footage: Path) -> None:
        folder = footage / "exr_openexr_images" / "Damaged"
        code = (
            "import sys; from pathlib import Path; from vimatte.ocio.readers import open_clip\n"
            "from vimatte.ocio.errors import MediaError\n"
            "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
            "    try:\n"
            "        with open_clip(path) as clip: clip.read(clip.info.frames.first); print('read', path.name)\n"
            "    except MediaError as error: print('refused', path.name)\n"
        )
        done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        lines = done.stdout.splitlines()
        assert len(lines) == len(list(folder.iterdir()))
        assert not [line for line in lines if line.startswith("read")]

    def test_every_sound_picture_is_read(self, footage: Path) -> None:
        refused = {}
        folders = [footage / "exr_openexr_images", footage / "exr_dpx_oiio_images", footage / "exr_cryptomatte"]
        suffixes = (".exr", ".dpx", ".cin", ".tif", ".png", ".jpg", ".psd", ".pfm")
        paths = [p for f in folders for p in sorted(f.rglob("*")) if p.suffix in suffixes]
        assert len(paths) > 35
        for path in paths:
            try:
                with open_clip(path) as clip:
                    number = clip.info.frames.first
                    assert clip.read(number).rgb.shape == (clip.info.height, clip.info.width, 3), path
            except MediaError as error:
                refused[path.name] = str(error)
        assert set(refused) == {"Trunks.exr", "WideFloatRange.exr", "invalid_gray_alpha_sbit.png"}, refused
        assert "deep" in refused["Trunks.exr"]

    def test_display_windows_of_the_openexr_test_set(self, footage: Path) -> None:
        folder = footage / "exr_openexr_images" / "DisplayWindow"
        for path in sorted(folder.glob("t*.exr")):
            picture = read_image(path)
            stored = oiio.ImageBuf(str(path))
            inside = oiio.ImageBufAlgo.cut(stored, stored.roi_full).get_pixels(oiio.FLOAT)
            np.testing.assert_array_equal(picture.rgb, inside[..., :3], err_msg=path.name)

    def test_nan_and_infinity_of_the_openexr_test_set_pass(self, footage: Path) -> None:
        rgb = read_image(footage / "exr_openexr_images" / "TestImages" / "BrightRingsNanInf.exr").rgb
        assert np.isnan(rgb).any()
        assert np.isinf(rgb).any()
