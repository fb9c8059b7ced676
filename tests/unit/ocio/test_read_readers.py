from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vimatte.ocio.errors import MediaError
from vimatte.ocio.readers import open_clip
from vimatte.ocio.sequence import find_sequence, list_sequences, split_number

from support.pictures import write_picture


def sequence(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for count, name in enumerate(names):
        write_picture(folder / name, np.full((2, 3, 3), count, np.float32), kind="half")
    return folder


class TestNames:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("shot.1001.exr", ("shot.", 1001, 4, ".exr")),
            ("shot_0007.dpx", ("shot_", 7, 4, ".dpx")),
            ("shot1001.exr", ("shot", 1001, 4, ".exr")),
            ("00000.png", ("", 0, 5, ".png")),
            ("shot.-0010.exr", ("shot.", -10, 4, ".exr")),
            ("shot-1001.exr", ("shot-", 1001, 4, ".exr")),
            ("-5.exr", ("", -5, 1, ".exr")),
            ("Straße ä 人.12.exr", ("Straße ä 人.", 12, 2, ".exr")),
            ("a.v02.1001.exr", ("a.v02.", 1001, 4, ".exr")),
        ],
    )
    def test_the_number_is_found(self, name: str, expected: tuple[str, int, int, str]) -> None:
        part = split_number(name)
        assert part is not None
        assert (part.head, part.number, part.digits, part.tail) == expected

    @pytest.mark.parametrize("name", ["shot.exr", "shot_v02.exr", "v3.exr", "1001", "shot.1001", "notes 12 b.exr"])
    def test_other_digits_are_no_frame_number(self, name: str) -> None:
        assert split_number(name) is None


class TestSequences:
    @pytest.mark.parametrize("pattern", ["s.####.exr", "s.@@@@.exr", "s.%04d.exr", "s.#.exr", "s.$F4.exr", "s.%d.exr"])
    def test_every_way_to_write_a_pattern(self, tmp_path: Path, pattern: str) -> None:
        sequence(tmp_path, ["s.0999.exr", "s.1000.exr", "s.1001.exr", "other.0999.exr"])
        (tmp_path / "s.1002.exr.tmp").touch()
        with open_clip(tmp_path / pattern) as clip:
            assert clip.info.kind == "sequence"
            assert clip.info.frames.numbers == (999, 1000, 1001)
            assert clip.info.path == tmp_path / "s.####.exr"

    @pytest.mark.parametrize("how", ["folder", "frame", "pattern"])
    @pytest.mark.parametrize("stem", ["my shot ä 人.", "sh_", "", "a[1].(b)+", "100%_"])
    def test_strange_names(self, tmp_path: Path, how: str, stem: str) -> None:
        folder = sequence(tmp_path / "the folder é", [f"{stem}{n}.exr" for n in ("0008", "0009", "0010")])
        path = {"folder": folder, "frame": folder / f"{stem}0009.exr", "pattern": folder / f"{stem}####.exr"}[how]
        with open_clip(path) as clip:
            assert clip.info.frames.numbers == (8, 9, 10)
            assert [f.rgb[0, 0, 0] for f in clip.frames([10, 8])] == [2, 0]

    def test_negative_and_unpadded_numbers(self, tmp_path: Path) -> None:
        sequence(tmp_path, ["s.-2.exr", "s.-1.exr", "s.0.exr", "s.1.exr", "s.10.exr"])
        with open_clip(tmp_path / "s.#.exr") as clip:
            assert clip.info.frames.numbers == (-2, -1, 0, 1, 10)
            assert clip.info.missing.first == 2
            assert clip.read(-2).rgb[0, 0, 0] == 0

    def test_the_asked_padding_wins_where_two_exist(self, tmp_path: Path) -> None:
        sequence(tmp_path, ["s.1.exr", "s.0001.exr", "s.0002.exr"])
        found = find_sequence(tmp_path / "s.####.exr")
        assert found is not None
        assert found.files[1].name == "s.0001.exr"
        other = find_sequence(tmp_path / "s.#.exr")
        assert other is not None
        assert other.files[1].name == "s.1.exr"

    def test_sequences_of_a_folder_are_told_apart(self, tmp_path: Path) -> None:
        sequence(tmp_path, ["b.0001.exr", "a.0001.exr", "a.0002.exr", "a.0002.EXR", "c.exr", ".a.0003.exr"])
        found = list_sequences(tmp_path, suffixes=frozenset({".exr"}))
        assert [(one.pattern.name, one.frames.numbers) for one in found] == [
            ("a.####.EXR", (2,)),
            ("a.####.exr", (1, 2)),
            ("b.####.exr", (1,)),
        ]

    def test_text_path_and_space_and_still(self, tmp_path: Path) -> None:
        sequence(tmp_path, ["grade_v02.exr", "grade_v03.exr"])
        with open_clip(str(tmp_path / "grade_v02.exr"), start_frame=7, space="ACEScg") as clip:
            assert clip.info.kind == "still"
            assert clip.info.frames.numbers == (7,)
            assert clip.read(7).space == "ACEScg"

    def test_one_frame_of_a_sequence_alone_is_a_still_with_its_number(self, tmp_path: Path) -> None:
        sequence(tmp_path, ["s.1042.exr"])
        with open_clip(tmp_path / "s.1042.exr") as clip:
            assert (clip.info.kind, clip.info.frames.numbers) == ("still", (1042,))


class TestRefusals:
    def test_near_names_are_offered(self, tmp_path: Path) -> None:
        sequence(tmp_path, ["beach_plate.exr"])
        with pytest.raises(MediaError, match=r"not found.*Did you mean 'beach_plate\.exr'"):
            open_clip(tmp_path / "beach_plat.exr")

    def test_a_missing_folder_is_said(self, tmp_path: Path) -> None:
        for name in ("shot.mov", "shot.####.exr"):
            with pytest.raises(MediaError, match=r"folder .*nowhere"):
                open_clip(tmp_path / "nowhere" / name)

    def test_a_pattern_without_files_lists_what_is_there(self, tmp_path: Path) -> None:
        sequence(tmp_path, ["a.0001.exr", "a.0002.exr"])
        with pytest.raises(MediaError, match=r"No frame of .*b\.####\.exr.*'a\.####\.exr' \(1-2\)"):
            open_clip(tmp_path / "b.####.exr")

    def test_a_folder_of_several_sequences_lists_them(self, tmp_path: Path) -> None:
        sequence(tmp_path, ["a.0001.exr", "a.0002.exr", "b.0005.exr"])
        with pytest.raises(MediaError, match=r"2 sequences: 'a\.####\.exr' \(1-2\), 'b\.####\.exr' \(5\)"):
            open_clip(tmp_path)

    def test_an_empty_folder_and_an_empty_file(self, tmp_path: Path) -> None:
        with pytest.raises(MediaError, match="holds no image sequence, but nothing"):
            open_clip(tmp_path)
        for name in ("shot.mov", "shot.exr"):
            (tmp_path / name).touch()
            with pytest.raises(MediaError, match="empty"):
                open_clip(tmp_path / name)

    @pytest.mark.parametrize("name", ["notes.txt", "shot.mov", "shot.exr", "shot.nk"])
    def test_text_is_no_clip(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text("not a picture at all\n" * 20)
        with pytest.raises(MediaError, match=r"cannot be|no format that can be read"):
            open_clip(tmp_path / name)

    def test_a_folder_with_one_movie_opens_it(self, tmp_path: Path, example: Path) -> None:
        (tmp_path / "shot.mov").write_bytes((example / "shot.mov").read_bytes())
        with open_clip(tmp_path) as clip:
            assert clip.info.kind == "movie"

    def test_a_picture_without_extension_is_opened(self, tmp_path: Path) -> None:
        sequence(tmp_path, ["a.exr"]).joinpath("a.exr").rename(tmp_path / "plain")
        with open_clip(tmp_path / "plain") as clip:
            assert clip.info.codec.startswith("openexr")
