"""Guidance from disk: every layout an artist may have, and a clear sentence for every one that does not fit."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from PIL import Image

from vimatte.engine.errors import ConfigError, MediaError
from vimatte.engine.vis.mask_files import LoadedMasks, load_masks
from vimatte.engine.vis.mask_numbers import MaskName
from vimatte.ocio.clip import ClipInfo
from vimatte.ocio.frame_range import FrameRange

WIDTH, HEIGHT = 48, 32


def shot(
    first: int = 1001, count: int = 40, *, kind: str = "sequence", size: tuple[int, int] = (WIDTH, HEIGHT)
) -> ClipInfo:
    return ClipInfo(
        path=Path("shot"),
        kind=kind,  # type: ignore[arg-type]
        width=size[0],
        height=size[1],
        frames=FrameRange.span(first, count),
        missing=FrameRange(()),
        fps=Fraction(24),
    )


def load(path: Path, info: ClipInfo | None = None, frames: str | None = None) -> LoadedMasks:
    info = info or shot()
    return load_masks(path, info=info, frames=FrameRange.parse(frames) if frames else info.frames)


def box(x: int, width: int = 8, *, size: tuple[int, int] = (WIDTH, HEIGHT)) -> np.ndarray:
    mask = np.zeros((size[1], size[0]), dtype=bool)
    mask[6:26, x : x + width] = True
    return mask


def save(path: Path, pixels: np.ndarray, channels: tuple[str, ...] | None = None) -> Path:
    """Write with OpenImageIO in the array's own type."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], str(pixels.dtype))
    if channels:
        spec.channelnames = channels
    out = oiio.ImageOutput.create(str(path))
    assert out
    assert out.open(str(path), spec), out.geterror()
    assert out.write_image(np.ascontiguousarray(pixels))
    out.close()
    return path


def paint(path: Path, mask: np.ndarray) -> Path:
    return save(path, mask.astype(np.uint8) * 255)


def same(loaded: LoadedMasks, frame: int, name: str, mask: np.ndarray) -> bool:
    return bool(np.array_equal(loaded.keys.masks[frame][name].decode(), mask))


class TestFolderPerPerson:
    def test_names_frames_and_masks(self, tmp_path: Path) -> None:
        paint(tmp_path / "bruno" / "1001.png", box(20))
        paint(tmp_path / "anna" / "matte_v2.1001.png", box(2))
        paint(tmp_path / "anna" / "matte_v2.1010.png", box(6))
        paint(tmp_path / "bruno" / "1010.png", box(30))
        loaded = load(tmp_path)
        assert loaded.keys.names == ("anna", "bruno")
        assert loaded.keys.frames == (1001, 1010)
        assert same(loaded, 1010, "anna", box(6))
        assert same(loaded, 1001, "bruno", box(20))
        assert loaded.keys.unsaid == {}
        assert loaded.interpretation == "2 people (anna, bruno) from a folder each, on frames 1001,1010"

    def test_a_person_without_a_picture_on_a_key_frame_is_unsaid_and_an_empty_picture_says_absent(
        self, tmp_path: Path
    ) -> None:
        paint(tmp_path / "anna" / "1001.png", box(2))
        paint(tmp_path / "bruno" / "1001.png", box(20))
        paint(tmp_path / "carla" / "1001.png", box(30))
        paint(tmp_path / "bruno" / "1010.png", box(22))
        paint(tmp_path / "carla" / "1010.png", np.zeros((HEIGHT, WIDTH), bool))
        keys = load(tmp_path).keys
        assert keys.unsaid == {1010: ("anna",)}
        assert keys.of("anna").keys() == {1001}
        assert keys.of("carla")[1010] is None
        assert keys.of("bruno")[1010] is not None
        assert set(keys.masks[1010]) == {"bruno"}

    def test_one_picture_without_a_number_is_the_first_frame_of_the_job(self, tmp_path: Path) -> None:
        paint(tmp_path / "anna" / "mask.png", box(2))
        assert load(tmp_path, frames="1005-1020").keys.frames == (1005,)

    def test_folder_names_become_unique_layer_names(self, tmp_path: Path) -> None:
        for x, name in enumerate(["Anna B", "Anna-B", "7"]):
            paint(tmp_path / name / "1001.png", box(10 * x))
        loaded = load(tmp_path)
        assert loaded.keys.names == ("p_7", "Anna_B", "Anna_B_2")
        assert any("'Anna B' is called Anna_B" in w for w in loaded.warnings)

    def test_people_come_in_natural_order(self, tmp_path: Path) -> None:
        for x, name in enumerate(["p10", "p2", "P1"]):
            paint(tmp_path / name / "1001.png", box(10 * x))
        assert load(tmp_path).keys.names == ("P1", "p2", "p10")

    def test_overlaps_are_kept(self, tmp_path: Path) -> None:
        paint(tmp_path / "anna" / "1001.png", box(2, 20))
        paint(tmp_path / "bruno" / "1001.png", box(10, 20))
        loaded = load(tmp_path)
        assert same(loaded, 1001, "anna", box(2, 20))
        assert same(loaded, 1001, "bruno", box(10, 20))

    def test_hidden_and_foreign_files_are_not_looked_at(self, tmp_path: Path) -> None:
        paint(tmp_path / "anna" / "1001.png", box(2))
        (tmp_path / "anna" / "Thumbs.db").write_bytes(b"x")
        (tmp_path / ".hidden").mkdir()
        (tmp_path / "notes").mkdir()
        (tmp_path / "notes" / "readme.txt").write_text("hello")
        assert load(tmp_path).keys.names == ("anna",)

    def test_labels_in_a_persons_folder_are_refused(self, tmp_path: Path) -> None:
        save(tmp_path / "labels" / "1001.png", (box(2) * 1 + box(20) * 2 + box(30) * 3).astype(np.uint8))
        with pytest.raises(ConfigError, match="should be the mask of one person but holds 3 labels"):
            load(tmp_path)


class TestFilePerPerson:
    def test_first_frame(self, tmp_path: Path) -> None:
        paint(tmp_path / "bruno.png", box(20))
        paint(tmp_path / "anna.png", box(2))
        loaded = load(tmp_path)
        assert loaded.keys.names == ("anna", "bruno")
        assert loaded.keys.frames == (1001,)
        assert same(loaded, 1001, "bruno", box(20))

    def test_numbered_people_are_people(self, tmp_path: Path) -> None:
        paint(tmp_path / "person_1.png", box(2))
        paint(tmp_path / "person_2.png", box(20))
        assert load(tmp_path).keys.names == ("person_1", "person_2")

    def test_names_with_frames(self, tmp_path: Path) -> None:
        for frame in (1001, 1010):
            paint(tmp_path / f"anna.{frame}.png", box(2))
            paint(tmp_path / f"bruno.{frame}.png", box(20))
        loaded = load(tmp_path)
        assert loaded.keys.names == ("anna", "bruno")
        assert loaded.keys.frames == (1001, 1010)

    def test_one_without_a_number_among_numbered_is_refused(self, tmp_path: Path) -> None:
        paint(tmp_path / "anna.1001.png", box(2))
        paint(tmp_path / "bruno.png", box(20))
        with pytest.raises(ConfigError, match=r"bruno\.png has no frame number .* bruno\.1001\.png"):
            load(tmp_path)

    def test_two_pictures_of_a_person_without_numbers_are_refused(self, tmp_path: Path) -> None:
        paint(tmp_path / "anna" / "front.png", box(2))
        paint(tmp_path / "anna" / "back.png", box(2))
        with pytest.raises(ConfigError, match="has no frame number and lies among 2 files"):
            load(tmp_path)

    def test_same_frame_twice_is_refused(self, tmp_path: Path) -> None:
        paint(tmp_path / "anna" / "a.1001.png", box(2))
        paint(tmp_path / "anna" / "b.1001.png", box(2))
        with pytest.raises(ConfigError, match="are both frame 1001"):
            load(tmp_path)


class TestLabels:
    @pytest.mark.parametrize("values", [(1, 2, 3), (50, 100, 255), (5, 9, 12)])
    def test_grey_labels(self, tmp_path: Path, values: tuple[int, int, int]) -> None:
        label = sum((box(14 * i, 8) * v for i, v in enumerate(values)), np.zeros((HEIGHT, WIDTH), int))
        loaded = load(save(tmp_path / "labels.png", label.astype(np.uint8)))
        own = max(values) <= 99
        names = [f"person_{v if own else i:02d}" for i, v in enumerate(values, 1)]
        assert list(loaded.keys.names) == names
        for i, name in enumerate(names):
            assert same(loaded, 1001, name, box(14 * i, 8))

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    @pytest.mark.parametrize("value", [1, 128, 255])
    def test_zero_and_one_other_value_is_one_mask(self, tmp_path: Path, dtype: type, value: int) -> None:
        loaded = load(save(tmp_path / "mask.png", (box(2) * value).astype(dtype)))
        assert loaded.keys.names == ("person_01",)
        assert same(loaded, 1001, "person_01", box(2))

    def test_sixteen_bit_and_float_labels(self, tmp_path: Path) -> None:
        label = box(2) * 300 + box(20) * 4000
        for file in (
            save(tmp_path / "labels.png", label.astype(np.uint16)),
            save(tmp_path / "labels.exr", label.astype(np.float32), ("Y",)),
        ):
            assert same(load(file), 1001, "person_02", box(20))

    def test_flat_colours(self, tmp_path: Path) -> None:
        rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        rgb[box(2)], rgb[box(20)], rgb[box(34)] = (0, 0, 255), (255, 0, 0), (10, 200, 30)
        rgb[3, 3] = (100, 0, 0)
        loaded = load(save(tmp_path / "labels.png", rgb))
        assert loaded.keys.names == ("person_01", "person_02", "person_03")
        assert same(loaded, 1001, "person_01", box(2))
        assert same(loaded, 1001, "person_03", box(20))
        assert "1 pixels of blended edge colours" in loaded.warnings[0]

    def test_soft_edged_colours_go_to_the_nearest(self, tmp_path: Path) -> None:
        """Red, green and blue mattes in one picture, as compositors pass them on."""
        big = np.zeros((HEIGHT * 8, WIDTH * 8, 3), np.float32)
        rows, columns = np.mgrid[: HEIGHT * 8, : WIDTH * 8]
        for i in range(3):
            disc = np.hypot(rows - 128, columns - 70 - 115 * i) < 60
            big[disc] = np.eye(3)[i]
        small = big.reshape(HEIGHT, 8, WIDTH, 8, 3).mean(axis=(1, 3))
        loaded = load(save(tmp_path / "rgb.png", np.rint(small * 255).astype(np.uint8)))
        # Ascending packed colours: blue, green, red.
        assert loaded.keys.names == ("person_01", "person_02", "person_03")
        for name, channel in (("person_01", 2), ("person_02", 1), ("person_03", 0)):
            wrong = loaded.keys.masks[1001][name].decode() ^ (small[..., channel] > 0.5)
            assert np.count_nonzero(wrong) <= 4

    def test_indexed_png_keeps_its_indices(self, tmp_path: Path) -> None:
        indices = (box(2) * 1 + box(20) * 2 + box(34) * 255).astype(np.uint8)
        image = Image.fromarray(indices, mode="P")
        # Two entries of the same colour: only the indices tell them apart.
        image.putpalette([0, 0, 0, 200, 0, 0, 200, 0, 0, *[9] * 759])
        image.save(tmp_path / "labels.png")
        loaded = load(tmp_path / "labels.png")
        assert loaded.keys.names == ("person_01", "person_02")
        assert same(loaded, 1001, "person_02", box(20))
        assert "255 was left out" in loaded.warnings[0]

    def test_ids_stay_over_frames_where_not_all_are_seen(self, tmp_path: Path) -> None:
        save(tmp_path / "seg.1001.png", (box(2) * 1 + box(20) * 2).astype(np.uint8))
        save(tmp_path / "seg.1002.png", (box(22) * 2).astype(np.uint8))
        save(tmp_path / "seg.1003.png", np.zeros((HEIGHT, WIDTH), np.uint8))
        save(tmp_path / "seg.1004.png", (box(30) * 3).astype(np.uint8))
        for path in (tmp_path, tmp_path / "seg.####.png", tmp_path / "seg.%04d.png"):
            loaded = load(path)
            assert loaded.keys.names == ("person_01", "person_02", "person_03")
            assert {f: set(m) for f, m in loaded.keys.masks.items()} == {
                1001: {"person_01", "person_02"},
                1002: {"person_02"},
                1003: set(),
                1004: {"person_03"},
            }
            assert loaded.keys.unsaid == {}

    def test_colour_ids_stay_where_only_a_grey_one_is_left(self, tmp_path: Path) -> None:
        for frame, people in ((1001, (0, 1)), (1002, (1,))):
            rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            for i in people:
                rgb[box(2 + 20 * i)] = [(200, 0, 0), (200, 200, 200)][i]
            save(tmp_path / f"{frame}.png", rgb)
        loaded = load(tmp_path)
        assert set(loaded.keys.masks[1002]) == {"person_02"}

    def test_a_photograph_is_refused(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        for file in (
            save(tmp_path / "grey.png", rng.integers(0, 256, (HEIGHT, WIDTH), np.uint8)),
            save(tmp_path / "colour.png", rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)),
        ):
            with pytest.raises(ConfigError, match="probably a photograph"):
                load(file)

    def test_labels_among_alphas_are_refused(self, tmp_path: Path) -> None:
        save(tmp_path / "1001.png", (box(2) * 1 + box(20) * 2).astype(np.uint8))
        save(tmp_path / "1002.png", np.dstack([box(2) * 255] * 4).astype(np.uint8))
        with pytest.raises(ConfigError, match=r"of different kinds \(alpha, grey\)"):
            load(tmp_path)


class TestSoft:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    def test_half_of_the_range(self, tmp_path: Path, dtype: type) -> None:
        ramp = np.zeros((HEIGHT, WIDTH))
        ramp[:, 16:32] = np.linspace(0, 1, 16)
        ramp[:, 32:] = 1
        full = 1 if dtype is np.float32 else np.iinfo(dtype).max
        suffix = "exr" if dtype is np.float32 else "png"
        pixels = (ramp * full).astype(dtype)
        names = ("Y",) if suffix == "exr" else None
        single = load(save(tmp_path / f"mask.{suffix}", pixels, names))
        assert same(single, 1001, "person_01", ramp > 0.5)
        folder = load(save(tmp_path / "people" / "anna" / f"1001.{suffix}", pixels, names).parents[1])
        assert same(folder, 1001, "anna", ramp > 0.5)

    def test_a_sequence_of_one_person_stays_one_person(self, tmp_path: Path) -> None:
        soft = box(2).astype(float)
        soft[:, 10] = 0.7 * soft[:, 9]
        save(tmp_path / "anna.1001.png", (soft * 255).astype(np.uint8))
        paint(tmp_path / "anna.1002.png", box(4))
        save(tmp_path / "anna.1003.png", np.zeros((HEIGHT, WIDTH), np.uint8))
        loaded = load(tmp_path)
        assert loaded.keys.names == ("anna",)
        assert same(loaded, 1001, "anna", soft > 0.5)
        assert same(loaded, 1002, "anna", box(4))
        assert loaded.keys.masks[1003] == {}

    def test_jpeg_noise_makes_no_labels(self, tmp_path: Path) -> None:
        Image.fromarray(box(2, 20).astype(np.uint8) * 255).save(tmp_path / "anna.jpg", quality=60)
        loaded = load(tmp_path / "anna.jpg")
        assert loaded.keys.names == ("anna",)
        assert np.count_nonzero(loaded.keys.masks[1001]["anna"].decode() ^ box(2, 20)) < 30

    def test_alpha_counts_where_it_says_something(self, tmp_path: Path) -> None:
        rgba = np.full((HEIGHT, WIDTH, 4), 200, np.uint8)
        rgba[..., 3] = box(2) * 255
        assert same(load(save(tmp_path / "anna.png", rgba)), 1001, "anna", box(2))
        rgba[..., :3] = (box(20) * 255)[..., None]
        rgba[..., 3] = 255
        assert same(load(save(tmp_path / "bruno.png", rgba)), 1001, "bruno", box(20))
        for file in ("anna", "bruno"):
            (tmp_path / "people").mkdir(exist_ok=True)
            (tmp_path / f"{file}.png").rename(tmp_path / "people" / f"{file}.png")
        both = load(tmp_path / "people")
        assert same(both, 1001, "anna", box(2))
        assert same(both, 1001, "bruno", box(20))


class TestExr:
    def test_named_layers_and_the_plate_is_ignored(self, tmp_path: Path) -> None:
        plate = np.full((HEIGHT, WIDTH, 3), 0.8, np.float32)
        soft = box(20) * np.float32(0.6) + box(2) * np.float32(0.4)
        pixels = np.dstack([plate, box(2) | box(20), box(2), soft]).astype(np.float16)
        for frame in (1001, 1002):
            save(tmp_path / f"layers.{frame}.exr", pixels, ("R", "G", "B", "A", "person_02.A", "person_01.A"))
        loaded = load(tmp_path / "layers.####.exr")
        assert loaded.keys.names == ("person_01", "person_02")
        assert same(loaded, 1002, "person_01", box(20))
        assert same(loaded, 1001, "person_02", box(2))
        assert "EXR layers" in loaded.interpretation

    def test_a_layer_that_vanishes_is_absent(self, tmp_path: Path) -> None:
        save(tmp_path / "l.1001.exr", np.dstack([box(2), box(20)]).astype(np.float32), ("a.A", "b.A"))
        save(tmp_path / "l.1002.exr", np.dstack([box(2), box(20) * 0]).astype(np.float32), ("a.A", "b.A"))
        assert {f: set(m) for f, m in load(tmp_path).keys.masks.items()} == {1001: {"a", "b"}, 1002: {"a"}}

    def test_layers_beside_another_sequence_are_not_taken_for_one_person(self, tmp_path: Path) -> None:
        for frame in (1001, 1002):
            pixels = np.dstack([box(2) | box(20), box(2), box(20)]).astype(np.float32)
            save(tmp_path / f"layers.{frame}.exr", pixels, ("A", "anna.A", "bruno.A"))
            save(tmp_path / f"other.{frame}.exr", pixels[..., :1], ("A",))
        with pytest.raises(
            ConfigError, match=r"holds the layers anna, bruno; give such files to --masks by themselves"
        ):
            load(tmp_path)
        assert load(tmp_path / "layers.####.exr").keys.names == ("anna", "bruno")

    def test_a_persons_only_layer_is_the_person(self, tmp_path: Path) -> None:
        save(tmp_path / "anna" / "1001.exr", box(2)[..., None].astype(np.float32), ("roto.A",))
        assert same(load(tmp_path), 1001, "anna", box(2))

    def test_rgba_exr_is_one_person(self, tmp_path: Path) -> None:
        pixels = np.dstack([box(20)] * 3 + [box(2)]).astype(np.float32)
        file = save(tmp_path / "anna.1010.exr", pixels, ("R", "G", "B", "A"))
        assert same(load(file), 1010, "anna", box(2))

    def test_data_window_smaller_than_the_display(self, tmp_path: Path) -> None:
        spec = oiio.ImageSpec(10, 8, 1, "half")
        spec.channelnames = ("anna.A",)
        spec.x, spec.y = 5, 7
        spec.full_x, spec.full_y, spec.full_width, spec.full_height = 0, 0, WIDTH, HEIGHT
        out = oiio.ImageOutput.create("x.exr")
        assert out
        assert out.open(str(tmp_path / "x.exr"), spec)
        assert out.write_image(np.ones((8, 10, 1), np.float32))
        out.close()
        assert load(tmp_path / "x.exr").keys.masks[1001]["anna"].box == (5, 7, 15, 15)

    def test_parts_named_after_people(self, tmp_path: Path) -> None:
        specs = []
        for name, channels in (("rgba", ("R", "G", "B", "A")), ("anna", ("A",)), ("bruno", ("A",))):
            spec = oiio.ImageSpec(WIDTH, HEIGHT, len(channels), "half")
            spec.channelnames = channels
            spec.attribute("oiio:subimagename", name)
            specs.append(spec)
        out = oiio.ImageOutput.create("x.exr")
        assert out
        assert out.open(str(tmp_path / "x.exr"), tuple(specs))
        for i, (spec, mask) in enumerate(zip(specs, (box(2), box(2), box(20)), strict=True)):
            if i:
                assert out.open(str(tmp_path / "x.exr"), spec, "AppendSubimage")
            assert out.write_image(np.repeat(mask[..., None], spec.nchannels, axis=2).astype(np.float32))
        out.close()
        loaded = load(tmp_path / "x.exr")
        assert loaded.keys.names == ("anna", "bruno")
        assert same(loaded, 1001, "bruno", box(20))


class TestRefusals:
    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(MediaError, match=r"No masks at .*gone"):
            load(tmp_path / "gone")
        with pytest.raises(MediaError, match="No masks match"):
            load(tmp_path / "gone.####.png")

    def test_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(MediaError, match="is empty: no pictures"):
            load(tmp_path)

    def test_size(self, tmp_path: Path) -> None:
        file = paint(tmp_path / "anna" / "1001.png", box(2))
        with pytest.raises(ConfigError, match=rf"{file.name} is 48x32 but the shot is 96x64"):
            load(tmp_path, shot(size=(96, 64)))

    def test_size_of_an_indexed_png(self, tmp_path: Path) -> None:
        Image.fromarray(box(2).astype(np.uint8), mode="P").save(tmp_path / "labels.png")
        with pytest.raises(ConfigError, match="is 48x32 but the shot is 96x64"):
            load(tmp_path, shot(size=(96, 64)))

    @pytest.mark.parametrize("name", ["anna.png", "anna.exr", "anna.tif"])
    @pytest.mark.parametrize("content", [b"", b"not a picture at all"])
    def test_unreadable(self, tmp_path: Path, name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MediaError, match=rf"{name} (cannot be read|is broken)"):
            load(tmp_path / name)

    @pytest.mark.parametrize("suffix", ["png", "exr"])
    def test_truncated(self, tmp_path: Path, suffix: str) -> None:
        noise = np.random.default_rng(0).random((HEIGHT, WIDTH)).astype(np.float32)
        pixels = noise if suffix == "exr" else (noise * 65535).astype(np.uint16)
        file = save(tmp_path / f"anna.{suffix}", pixels, ("Y",) if suffix == "exr" else None)
        file.write_bytes(file.read_bytes()[:-1500])
        with pytest.raises(MediaError, match=rf"{file.name} (cannot be read|is broken)"):
            load(file)

    @pytest.mark.parametrize("layout", ["folder", "file", "single"])
    def test_nobody_painted(self, tmp_path: Path, layout: str) -> None:
        empty = np.zeros((HEIGHT, WIDTH), bool)
        if layout == "single":
            path = paint(tmp_path / "anna.png", empty)
        else:
            between = "/1001" if layout == "folder" else ""
            paint(tmp_path / f"anna{between}.png", empty)
            paint(tmp_path / f"bruno{between}.png", box(2))
            path = tmp_path
        with pytest.raises(ConfigError, match="empty on frame 1001"):
            load(path)

    @pytest.mark.parametrize("start", [0, 1])
    def test_counted_from_zero_or_one(self, tmp_path: Path, start: int) -> None:
        for i in range(3):
            paint(tmp_path / "anna" / f"{start + i:05d}.png", box(2))
        with pytest.raises(ConfigError, match=rf"count from {start}, so add {1001 - start} .* carry the plate's own"):
            load(tmp_path)
        with pytest.raises(ConfigError, match=f"--start-frame {start}"):
            load(tmp_path, shot(kind="movie"))

    def test_other_numbers(self, tmp_path: Path) -> None:
        paint(tmp_path / "anna" / "2001.png", box(2))
        with pytest.raises(ConfigError, match="numbered 2001 but the shot's frames are 1001-1040"):
            load(tmp_path)
        paint(tmp_path / "anna" / "1002.png", box(2))
        with pytest.raises(ConfigError, match="numbered 2001, which is not in the shot"):
            load(tmp_path)

    def test_masks_off_the_job(self, tmp_path: Path) -> None:
        paint(tmp_path / "anna" / "1001.png", box(2))
        with pytest.raises(ConfigError, match="on other frames of the shot than the job's"):
            load(tmp_path, frames="1010-1020")
        paint(tmp_path / "anna" / "1015.png", box(2))
        loaded = load(tmp_path, frames="1010-1020")
        assert loaded.keys.frames == (1015,)
        assert loaded.warnings == ("Masks on 1001 were left out: the job covers 1010-1020.",)

    def test_a_single_files_small_number_is_said_to_be_ignored(self, tmp_path: Path) -> None:
        loaded = load(paint(tmp_path / "person_3.png", box(2)))
        assert loaded.keys.frames == (1001,)
        assert loaded.warnings == ("person_3.png was taken for frame 1001: 3 is not a frame of the shot.",)

    def test_saved_tracks(self, tmp_path: Path) -> None:
        (tmp_path / "tracks.json").write_text("{}")
        with pytest.raises(ConfigError, match="--tracks"):
            load(tmp_path)

    def test_movies_among_pictures(self, tmp_path: Path) -> None:
        paint(tmp_path / "anna.png", box(2))
        (tmp_path / "bruno.mp4").write_bytes(b"")
        with pytest.raises(ConfigError, match="mixes movies and pictures"):
            load(tmp_path)


def test_what_was_understood_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paint(tmp_path / "Anna B.png", box(2))
    with caplog.at_level(logging.INFO, logger="vimatte.engine.vis.mask_files"):
        load(tmp_path / "Anna B.png")
    assert "1 person (Anna_B) from a black and white mask, on frame 1001" in caplog.text
    assert "is called Anna_B" in caplog.text


@pytest.mark.parametrize(
    ("stem", "base", "number", "clear"),
    [
        ("1001", "", 1001, True),
        ("00003", "", 3, True),
        ("anna.7", "anna", 7, True),
        ("shot010_v02_0007", "shot010_v02", 7, True),
        ("person_2", "person", 2, False),
        ("mask01", "mask", 1, False),
        ("anna", "anna", None, False),
    ],
)
def test_names_taken_apart(stem: str, base: str, number: int | None, clear: bool) -> None:
    found = MaskName.of(Path(f"{stem}.png"))
    assert (found.base, found.number, found.clearly_frame) == (base, number, clear)


def test_example_masks(example: Path) -> None:
    loaded = load(example / "masks", shot(size=(960, 540)))
    assert loaded.keys.names == ("anna", "bruno", "carla")
    assert loaded.keys.frames == (1001,)
    assert all(rle.area > 1000 for rle in loaded.keys.masks[1001].values())


def test_example_truth_is_soft(example: Path) -> None:
    loaded = load(example / "truth", shot(size=(960, 540)), "1001-1003")
    painted = load(example / "masks", shot(size=(960, 540)))
    for name in loaded.keys.names:
        assert loaded.keys.masks[1001][name] == painted.keys.masks[1001][name]


@pytest.mark.footage
def test_real_alphas_count_from_zero(footage: Path) -> None:
    folder = footage / "composite_gt_share" / "alpha_visible"
    loaded = load(folder, shot(0, 36, size=(768, 432)), "0-35x7")
    assert loaded.keys.names == ("person1", "person2", "person3")
    assert loaded.keys.frames == (0, 7, 14, 21, 28, 35)
    with pytest.raises(ConfigError, match="count from 0, so add 1001"):
        load(folder, shot(1001, 36, size=(768, 432)))


@pytest.mark.footage
@pytest.mark.parametrize("person", ["person1", "person2", "person3"])
@pytest.mark.parametrize("which", ["alpha_visible", "alpha_unoccluded"])
def test_real_soft_mattes_are_not_taken_for_labels(footage: Path, which: str, person: str) -> None:
    loaded = load(footage / "composite_gt_share" / which / person, shot(0, 36, size=(768, 432)), "0-35x5")
    assert loaded.keys.names == ("person_01",)


@pytest.mark.footage
def test_real_cryptomatte(footage: Path) -> None:
    pytest.importorskip("vimatte.ocio.cryptomatte")
    file = footage / "exr_cryptomatte" / "debug_images" / "special_chars.exr"
    loaded = load(file, shot(size=(64, 64)))
    assert len(loaded.keys.names) >= 3
    assert "Cryptomatte" in loaded.interpretation
    assert sum(r.area for r in loaded.keys.masks[1001].values()) <= 64 * 64


@pytest.mark.footage
def test_real_movie_mask(footage: Path) -> None:
    pytest.importorskip("vimatte.ocio.readers")
    folder = footage / "clip_boys_beach"
    loaded = load(folder / "mask_00.mp4", shot(1001, 85, size=(640, 384)), "1001-1005")
    assert loaded.keys.names == ("mask_00",)
    assert loaded.keys.frames == (1001, 1002, 1003, 1004, 1005)
    assert 100 < loaded.keys.masks[1001]["mask_00"].area < 640 * 384 // 4
