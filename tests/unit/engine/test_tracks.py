"""A track set: edits, digests, and the same bytes on disk on every run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vimatte.engine.errors import ConfigError, MediaError
from vimatte.engine.masks import Rle
from vimatte.engine.tracks import FORMAT_VERSION, Instance, TrackSet
from vimatte.ocio.layer_name import safe_name

H, W = 20, 30


def rle(x: int, width: int = 4) -> Rle:
    mask = np.zeros((H, W), bool)
    mask[5:15, x : x + width] = True
    return Rle.encode(mask)


@pytest.fixture
def tracks() -> TrackSet:
    """Anna (1) on 1001-1004, bruno (2) on 1001 and 1003, carla (4) nowhere; 3 was dropped once."""
    return TrackSet(
        width=W,
        height=H,
        frames=(1001, 1002, 1003, 1004),
        instances=(
            Instance(id=1, name="anna"),
            Instance(id=2, name="bruno", score=0.5),
            Instance(id=4, name="carla", label="dog"),
        ),
        masks={1: {1001 + i: rle(i) for i in range(4)}, 2: {1001: rle(20), 1003: rle(21)}},
        keys={1: (1001, 1003), 2: (1001,)},
        source={"backend": "test", "settings": {"threshold": 0.25}},
    )


class TestValues:
    def test_next_id_is_past_the_last(self, tracks: TrackSet) -> None:
        assert tracks.next_id == 5

    def test_reading(self, tracks: TrackSet) -> None:
        assert tracks.ids == (1, 2, 4)
        assert tracks.names == ("anna", "bruno", "carla")
        assert tracks.presence(2) == (1001, 1003)
        assert tracks.presence(4) == ()
        assert set(tracks.masks_on(1002)) == {1}
        assert not tracks.mask(2, 1002).any()
        assert np.array_equal(tracks.mask(1, 1003), rle(2).decode())

    @pytest.mark.parametrize("key", [2, "2", "bruno"])
    def test_look_up(self, tracks: TrackSet, key: int | str) -> None:
        assert tracks.instance(key).id == 2

    def test_unknown_person(self, tracks: TrackSet) -> None:
        with pytest.raises(ConfigError, match="no 'zoe' in these tracks; there is: 1=anna, 2=bruno, 4=carla"):
            tracks.instance("zoe")

    def test_refusals(self, tracks: TrackSet) -> None:
        with pytest.raises(ConfigError, match="Instance ids must ascend"):
            replace(tracks, instances=tracks.instances[::-1])
        with pytest.raises(ConfigError, match="same name"):
            replace(tracks, instances=(Instance(id=1, name="a"), Instance(id=2, name="a")))
        with pytest.raises(ConfigError, match="unknown instances"):
            replace(tracks, masks={9: {}})
        with pytest.raises(ConfigError, match="frame 1001 is 4x3, the shot is 30x20"):
            replace(tracks, masks={1: {1001: Rle.encode(np.ones((3, 4), bool))}})
        with pytest.raises(ConfigError, match="Keyframes of unknown instances"):
            replace(tracks, keys={9: (1001,)})
        with pytest.raises(ConfigError, match="frame 2001, which was not tracked"):
            replace(tracks, masks={1: {2001: rle(0)}})
        with pytest.raises(ConfigError, match="1 or more"):
            Instance(id=0, name="anna")
        with pytest.raises(ConfigError, match="for instance p_7up"):
            Instance(id=1, name="7up")

    def test_empty_masks_mean_absent(self, tracks: TrackSet) -> None:
        empty = Rle.encode(np.zeros((H, W), bool))
        again = replace(tracks, masks={**tracks.masks, 4: {1001: empty}})
        assert again.presence(4) == ()
        assert again.digest() == tracks.digest()


class TestNames:
    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("anna", "anna"),
            ("Anna Müller", "Anna_M_ller"),
            ("7up", "p_7up"),
            ("", "person"),
            ("...", "person"),
            ("_x_", "x"),
            ("a.b", "a_b"),
            ("x" * 80, "x" * 54),
            ("1" * 80, "p_" + "1" * 52),
            ("a" * 53 + "-b", "a" * 53),
            ("名前", "person"),
        ],
    )
    def test_safe(self, text: str, name: str) -> None:
        assert safe_name(text) == name
        assert safe_name(name) == name


class TestEdits:
    def test_pick_and_drop(self, tracks: TrackSet) -> None:
        assert tracks.pick(["anna", 4]).ids == (1, 4)
        dropped = tracks.drop(["carla"])
        assert dropped.ids == (1, 2)
        assert dropped.next_id == 5
        assert set(tracks.drop([1]).masks) == {2, 4}
        assert set(tracks.drop([1]).keys) == {2, 4}

    def test_ids_are_not_used_again(self, tracks: TrackSet) -> None:
        after = tracks.drop(["carla"]).split("anna", 1003)
        assert after.ids == (1, 2, 5)
        assert after.next_id == 6
        assert after.drop([5]).split("anna", 1002).ids == (1, 2, 6)

    def test_rename(self, tracks: TrackSet) -> None:
        assert tracks.rename({1: "zoe"}).names == ("zoe", "bruno", "carla")
        assert tracks.rename({"anna": "bruno", "bruno": "anna"}).names == ("bruno", "anna", "carla")
        with pytest.raises(ConfigError, match="same name"):
            tracks.rename({"anna": "bruno"})
        with pytest.raises(ConfigError, match="cannot be a layer name"):
            tracks.rename({"anna": "an na"})

    def test_merge(self, tracks: TrackSet) -> None:
        merged = tracks.merge("anna", "bruno", "carla")
        assert merged.names == ("anna",)
        assert np.array_equal(merged.mask(1, 1001), rle(0).decode() | rle(20).decode())
        assert np.array_equal(merged.mask(1, 1002), rle(1).decode())
        assert merged.keys == {1: (1001, 1003)}
        assert merged.next_id == 5

    def test_merge_fills_gaps(self, tracks: TrackSet) -> None:
        merged = tracks.merge("bruno", "anna")
        assert merged.presence(2) == (1001, 1002, 1003, 1004)
        assert merged.keys[2] == (1001, 1003)

    def test_merge_with_oneself_changes_nothing(self, tracks: TrackSet) -> None:
        assert tracks.merge("anna", "anna").digest() == tracks.digest()

    def test_split(self, tracks: TrackSet) -> None:
        parts = tracks.split("anna", 1003)
        assert parts.names == ("anna", "bruno", "carla", "person_05")
        assert parts.presence(1) == (1001, 1002)
        assert parts.presence(5) == (1003, 1004)
        assert parts.keys[1] == (1001,)
        assert parts.keys[5] == (1003,)
        assert tracks.split("anna", 1003, name="zoe").names[-1] == "zoe"

    @pytest.mark.parametrize("frame", [1001, 1005])
    def test_split_off_the_person_is_refused(self, tracks: TrackSet, frame: int) -> None:
        with pytest.raises(ConfigError, match=f"cannot be split at frame {frame}: it is on frames 1001 to 1004"):
            tracks.split("anna", frame)

    def test_split_of_nobody_on_screen_is_refused(self, tracks: TrackSet) -> None:
        with pytest.raises(ConfigError, match="'carla' cannot be split"):
            tracks.split("carla", 1002)

    def test_edits_leave_the_original_alone(self, tracks: TrackSet) -> None:
        before = tracks.digest()
        tracks.merge("anna", "bruno")
        tracks.split("anna", 1003)
        tracks.rename({1: "zoe"})
        tracks.drop([1])
        assert tracks.digest() == before

    def test_free_name_steps_over_taken_ones(self, tracks: TrackSet) -> None:
        assert tracks.rename({1: "person_05"}).free_name() == "person_06"


class TestDigest:
    def test_changes_with_what_changes_a_matte(self, tracks: TrackSet) -> None:
        digests = {
            tracks.digest(),
            tracks.rename({1: "zoe"}).digest(),
            tracks.drop([2]).digest(),
            replace(tracks, masks={**tracks.masks, 2: {1001: rle(20), 1003: rle(22)}}).digest(),
            replace(tracks, masks={**tracks.masks, 2: {1001: rle(20), 1004: rle(21)}}).digest(),
            replace(tracks, masks={**tracks.masks, 2: {1001: rle(20)}}).digest(),
        }
        assert len(digests) == 6

    def test_runs_cannot_slide_between_frames(self) -> None:
        def make(first: list[int], second: list[int]) -> TrackSet:
            runs = [Rle(1, sum(r), np.array(r, np.uint32)) for r in (first, second)]
            one = Instance(id=1, name="a")
            return TrackSet(width=4, height=1, frames=(1, 2), instances=(one,), masks={1: {1: runs[0], 2: runs[1]}})

        assert make([1, 1, 2], [1, 3]).digest() != make([1, 1, 1, 1], [2, 2]).digest()

    def test_same_in_another_process(self, tracks: TrackSet, tmp_path: Path) -> None:
        tracks.save(tmp_path / "t")
        code = (
            "import sys, pathlib; from vimatte.engine.tracks import TrackSet; "
            "print(TrackSet.load(pathlib.Path(sys.argv[1])).digest())"
        )
        out = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "t")], capture_output=True, text=True, check=True, timeout=60
        )
        assert out.stdout.strip() == tracks.digest()


class TestDisk:
    def test_round_trip(self, tracks: TrackSet, tmp_path: Path) -> None:
        tracks.save(tmp_path / "shot.tracks")
        again = TrackSet.load(tmp_path / "shot.tracks")
        assert again.digest() == tracks.digest()
        assert again.instances == tracks.instances
        assert again.next_id == 5
        assert again.keys[1] == (1001, 1003)
        assert again.source == tracks.source
        assert sorted(p.name for p in tmp_path.iterdir()) == ["shot.tracks"]
        assert sorted(p.name for p in (tmp_path / "shot.tracks").iterdir()) == ["masks.npz", "tracks.json"]

    def test_nobody(self, tmp_path: Path) -> None:
        empty = TrackSet(width=W, height=H, frames=(1001,), instances=(), masks={}, next_id=3)
        empty.save(tmp_path / "t")
        assert TrackSet.load(tmp_path / "t") == empty

    def test_same_bytes_at_another_time(
        self, tracks: TrackSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tracks.save(tmp_path / "one")
        import time

        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 40 * 86400)
        TrackSet.load(tmp_path / "one").save(tmp_path / "two")
        for name in ("tracks.json", "masks.npz"):
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()

    def test_same_bytes_whatever_the_order_in_memory(self, tracks: TrackSet, tmp_path: Path) -> None:
        turned = replace(
            tracks,
            masks={i: dict(reversed(list(m.items()))) for i, m in reversed(list(tracks.masks.items()))},
            source=dict(reversed(list(tracks.source.items()))),
        )
        tracks.save(tmp_path / "one")
        turned.save(tmp_path / "two")
        assert turned.digest() == tracks.digest()
        for name in ("tracks.json", "masks.npz"):
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()

    def test_an_older_one_is_replaced(self, tracks: TrackSet, tmp_path: Path) -> None:
        tracks.save(tmp_path / "t")
        tracks.drop([1]).save(tmp_path / "t")
        assert TrackSet.load(tmp_path / "t").ids == (2, 4)
        assert [p.name for p in tmp_path.iterdir()] == ["t"]

    def test_folders_in_between_are_made(self, tracks: TrackSet, tmp_path: Path) -> None:
        tracks.save(tmp_path / "a" / "b" / "t")
        assert TrackSet.load(tmp_path / "a" / "b" / "t").ids == tracks.ids

    def test_a_failed_save_leaves_the_old_one(
        self, tracks: TrackSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tracks.save(tmp_path / "t")

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(MediaError, match="No space left on device"):
            tracks.drop([1]).save(tmp_path / "t")
        assert TrackSet.load(tmp_path / "t").ids == tracks.ids
        assert [p.name for p in tmp_path.iterdir()] == ["t"]

    def test_where_nothing_can_be_made(self, tracks: TrackSet, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(MediaError, match="cannot be saved to"):
            tracks.save(tmp_path / "file" / "t")

    def test_a_file_or_a_strange_folder_in_the_way_is_not_removed(self, tracks: TrackSet, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("mine")
        with pytest.raises(MediaError, match="is not a tracks folder"):
            tracks.save(tmp_path / "file")
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "precious.exr").write_text("mine")
        with pytest.raises(MediaError, match="is not a tracks folder"):
            tracks.save(tmp_path / "folder")
        assert (tmp_path / "folder" / "precious.exr").read_text() == "mine"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(MediaError, match=r"No saved tracks at .*; make them with: vimatte track"):
            TrackSet.load(tmp_path / "gone")

    def test_a_newer_version(self, tracks: TrackSet, tmp_path: Path) -> None:
        tracks.save(tmp_path / "t")
        head = json.loads((tmp_path / "t" / "tracks.json").read_text())
        head["version"] = FORMAT_VERSION + 1
        (tmp_path / "t" / "tracks.json").write_text(json.dumps(head))
        with pytest.raises(MediaError, match=f"version {FORMAT_VERSION + 1}; this program reads .* {FORMAT_VERSION}"):
            TrackSet.load(tmp_path / "t")

    @pytest.mark.parametrize("text", ["", "[]", "3", "null", "{", '{"format": "vimatte.tracks", "version": 1}'])
    def test_a_broken_header(self, tracks: TrackSet, tmp_path: Path, text: str) -> None:
        tracks.save(tmp_path / "t")
        (tmp_path / "t" / "tracks.json").write_text(text)
        with pytest.raises(MediaError, match=r"tracks at .* are broken|holds tracks of format"):
            TrackSet.load(tmp_path / "t")

    @pytest.mark.parametrize("damage", ["truncated", "gone", "empty", "flipped"])
    def test_broken_masks(self, tracks: TrackSet, tmp_path: Path, damage: str) -> None:
        tracks.save(tmp_path / "t")
        file = tmp_path / "t" / "masks.npz"
        data = file.read_bytes()
        match damage:
            case "truncated":
                file.write_bytes(data[: len(data) // 2])
            case "gone":
                file.unlink()
            case "empty":
                file.write_bytes(b"")
            case "flipped":
                at = data.index(b"1.counts.npy") + 20
                file.write_bytes(data[:at] + bytes(b ^ 0xFF for b in data[at : at + 16]) + data[at + 16 :])
        with pytest.raises(MediaError, match=r"broken|No saved tracks"):
            TrackSet.load(tmp_path / "t")

    def test_masks_that_do_not_fit_the_header(self, tracks: TrackSet, tmp_path: Path) -> None:
        tracks.save(tmp_path / "t")
        head = json.loads((tmp_path / "t" / "tracks.json").read_text())
        head["height"] += 1
        (tmp_path / "t" / "tracks.json").write_text(json.dumps(head))
        with pytest.raises(MediaError, match="broken"):
            TrackSet.load(tmp_path / "t")

    def test_names_edited_by_hand_are_taken(self, tracks: TrackSet, tmp_path: Path) -> None:
        tracks.save(tmp_path / "t")
        file = tmp_path / "t" / "tracks.json"
        file.write_text(file.read_text().replace('"anna"', '"zoe"'))
        assert TrackSet.load(tmp_path / "t").names == ("zoe", "bruno", "carla")
        file.write_text(file.read_text().replace('"zoe"', '"bruno"'))
        with pytest.raises(MediaError, match="same name"):
            TrackSet.load(tmp_path / "t")

    def test_a_score_of_many_digits_is_the_same_after_saving(self, tracks: TrackSet, tmp_path: Path) -> None:
        """Headers tell it, so a farm's files are equal to a single run's only if it is."""
        unsure = replace(tracks.instances[0], score=0.9836043040938697)
        found = replace(tracks, instances=(unsure, *tracks.instances[1:]))
        found.save(tmp_path / "t")
        assert TrackSet.load(tmp_path / "t").instances == found.instances
        assert found.instances[0].score == pytest.approx(0.9836043, abs=1e-6)
