"""Chunks, lists of shots, and the check that all layers arrived."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from vimatte.engine.errors import BackendError, ConfigError, MediaError
from vimatte.engine.events import FrameWritten, JobDone, Planned, event_from
from vimatte.engine.farm import OpenModels, chunks_of, openjd_range, read_shots, run_chunk, verify_layers
from vimatte.engine.job import MatteJob
from vimatte.engine.job_file import job_from_mapping, job_values
from vimatte.engine.pipeline import run_job, run_tracking
from vimatte.engine.tracks import TrackSet
from vimatte.ocio.frame_range import FrameRange
from vimatte.ocio.output_pattern import OutputPattern

from support import faults


@dataclass
class Made:
    """A small shot of six frames with its tracks and layers."""

    folder: Path
    job: MatteJob
    pattern: OutputPattern

    @property
    def tracks(self) -> TrackSet:
        return TrackSet.load(self.folder / "layers.tracks")

    def verify(self, **more: object) -> dict[str, object]:
        made = verify_layers(
            self.pattern, tracks=self.tracks, frames=FrameRange.parse("1001-1006"), cryptomatte=True, **more
        )
        for _ in made:
            pass
        return json.loads((self.folder / "layers.manifest.json").read_text())


@pytest.fixture
def made(tmp_path: Path) -> Made:
    shot = faults.sequence(tmp_path / "plate", list(range(1001, 1007)))
    job = MatteJob(
        shot=Path(shot), masks=tmp_path / "plate" / "masks", out=str(tmp_path / "out" / "layers.exr"),
        matting="masks", cryptomatte=True,
    )  # fmt: skip
    list(run_job(job))
    again = replace(job, masks=None, tracks=tmp_path / "out" / "layers.tracks", resume=True)
    return Made(tmp_path / "out", again, OutputPattern.parse(job.out))


def test_frames_are_cut_in_runs_and_written_as_open_job_description_does() -> None:
    frames = FrameRange.parse("1001-1009x2,1020")
    assert [str(c) for c in chunks_of(frames, 4)] == ["1001-1007x2", "1009,1020"]
    assert openjd_range(frames) == "1001-1009:2,1020"
    assert FrameRange.parse(openjd_range(frames)) == frames
    with pytest.raises(ConfigError, match="--chunk is a number of frames"):
        chunks_of(frames, 0)


def test_events_and_jobs_survive_the_way_to_another_process(made: Made) -> None:
    for event in (Planned(lines=(("a", "b"),)), FrameWritten(frame=3, path="x", kept=True)):
        back = event_from(json.loads(event.to_json()))
        assert back.to_json() == event.to_json()
        assert type(back) is type(event)
    assert job_from_mapping(json.loads(json.dumps(job_values(made.job)))) == made.job


def test_a_model_stays_open_until_another_is_asked_for(made: Made) -> None:
    models = OpenModels()
    first = models.get(made.job, device="cpu")
    assert models.get(replace(made.job, frames="1001"), device="cpu") is first
    assert models.get(replace(made.job, proxy=2), device="cpu") is not first
    with pytest.raises(BackendError):
        models.get(replace(made.job, matting="magic"), device="cpu")


def test_tracks_are_kept_when_nothing_changed(made: Made) -> None:
    folder = made.folder / "layers.tracks"
    before = folder.stat().st_ino
    job = replace(made.job, tracks=None, masks=made.folder.parent / "plate" / "masks")
    list(run_tracking(job, folder))
    assert folder.stat().st_ino == before
    with pytest.raises(ConfigError, match="--resume"):
        list(run_tracking(replace(job, resume=False), folder))


def test_a_task_that_was_run_twice_at_once_is_done_when_the_other_was_faster(made: Made, monkeypatch) -> None:
    """Both look, see nothing, and save; the second finds the first one's folder in its way."""
    folder = made.folder / "layers.tracks"
    honest, looks = TrackSet.load, iter([MediaError("nothing there"), None])

    def late(path: Path) -> TrackSet:
        if path == folder and (fault := next(looks, None)) is not None:
            raise fault
        return honest(path)

    def in_the_way(_self: TrackSet, _folder: Path) -> None:
        raise MediaError("The tracks cannot be saved: Directory not empty.")

    monkeypatch.setattr(TrackSet, "load", late)
    monkeypatch.setattr(TrackSet, "save", in_the_way)
    job = replace(made.job, tracks=None, masks=made.folder.parent / "plate" / "masks", resume=False, overwrite=True)
    list(run_tracking(job, folder))
    looks = iter([MediaError("nothing there"), MediaError("still nothing")])
    with pytest.raises(MediaError, match="not empty"):
        list(run_tracking(job, folder))


def test_verify_clears_what_a_killed_save_left(made: Made) -> None:
    old, new = made.folder / ".layers.tracks.abc", made.folder / ".layers.tracks.xyz"
    for left in (old, new):
        left.mkdir()
    os.utime(old, (0, 0))
    made.verify()
    assert (old.exists(), new.exists()) == (False, True), "the other one may be saving now"


def test_saved_tracks_are_copied_once(made: Made) -> None:
    folder = made.folder / "copy.tracks"
    list(run_tracking(made.job, folder))
    before = folder.stat().st_ino
    list(run_tracking(made.job, folder))
    assert folder.stat().st_ino == before
    assert TrackSet.load(folder).digest() == made.tracks.digest()


def test_a_manifest_lists_every_file_and_is_the_same_anywhere(made: Made, tmp_path: Path) -> None:
    table = made.verify()
    assert [(f["frame"], f["kind"]) for f in table["files"]][:3] == [
        (1001, "layers"), (1001, "cryptomatte"), (1002, "layers"),
    ]  # fmt: skip
    assert len(table["files"]) == 12
    assert table["people"] == [{"id": 1, "name": "anna", "first": 1001, "last": 1006}]
    text = (made.folder / "layers.manifest.json").read_text()
    moved = tmp_path / "elsewhere"
    made.folder.rename(moved)
    elsewhere = Made(moved, made.job, OutputPattern.parse(moved / "layers.exr"))
    elsewhere.verify()
    assert (moved / "layers.manifest.json").read_text() == text
    assert str(tmp_path) not in text


def _remove(made: Made) -> None:
    made.pattern.path(1003).unlink()


def _cut(made: Made) -> None:
    path = made.pattern.path(1003)
    path.write_bytes(path.read_bytes()[:-200])


def _other_channels(made: Made) -> None:
    list(run_job(replace(made.job, frames="1003", plate=False, resume=False, overwrite=True)))


def _other_model(made: Made) -> None:
    list(run_job(replace(made.job, frames="1003", matting="classical", resume=False, overwrite=True)))


def _other_tracks(made: Made) -> None:
    made.tracks.rename({"anna": "zoe"}).save(made.folder / "layers.tracks")


def _no_crypto(made: Made) -> None:
    made.pattern.sibling("crypto").path(1003).unlink()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_remove, "frame 1003: layers.1003.exr is missing"),
        (_cut, "frame 1003: layers.1003.exr is broken"),
        (_other_channels, "frame 1003: has another channel set than most"),
        (_other_model, "frame 1003: has another model or model setting than most"),
        (_no_crypto, "frame 1003: layers_crypto.1003.exr is missing"),
        (_other_tracks, "6 of 6 frames are not as they should be: frame 1001: lacks zoe.A"),
    ],
)
def test_verify_names_the_frame_at_fault(made: Made, harm, words: str) -> None:
    made.verify()
    harm(made)
    with pytest.raises(MediaError, match="not as they should be") as caught:
        made.verify()
    assert words in str(caught.value)
    assert "--resume" in str(caught.value)
    assert not (made.folder / "layers.manifest.json").exists(), "a manifest says that all is well"


def test_a_chunk_makes_all_but_the_frames_it_cannot_read(made: Made) -> None:
    whole = {n: made.pattern.path(n).read_bytes() for n in range(1001, 1007)}
    for path in made.folder.glob("layers*.exr"):
        path.unlink()
    plate = Path(str(made.job.shot).replace("####", "1003"))
    good = plate.read_bytes()
    plate.write_bytes(good[: len(good) // 2])
    said: list[object] = []
    with pytest.raises(MediaError, match="Frames 1003 of 1002-1005 were not made") as caught:
        said.extend(run_chunk(replace(made.job, frames="1002-1005")))
    assert not any(isinstance(event, JobDone) for event in said)
    assert [e.frame for e in said if isinstance(e, FrameWritten)] == [1002, 1004, 1005]
    assert "--frames 1003 --resume" in str(caught.value)
    there = {n: made.pattern.path(n).read_bytes() for n in whole if made.pattern.path(n).exists()}
    assert there == {n: whole[n] for n in (1002, 1004, 1005)}
    plate.write_bytes(good)
    events = list(run_chunk(replace(made.job, frames="1002-1005")))
    assert [e.frame for e in events if isinstance(e, FrameWritten) and not e.kept] == [1003]
    assert made.pattern.path(1003).read_bytes() == whole[1003]


def test_a_fault_that_is_not_the_footage_ends_the_chunk_and_names_the_frame(made: Made, monkeypatch) -> None:
    from vimatte.engine.matting.masks import MaskMattes

    honest = MaskMattes.mattes

    def faulty(self, shot, tracks, frames) -> Iterator[object]:
        for mattes in honest(self, shot, tracks, frames):
            if mattes.number == 1004:
                raise BackendError("It broke.")
            yield mattes

    monkeypatch.setattr(MaskMattes, "mattes", faulty)
    for path in made.folder.glob("layers*.exr"):
        path.unlink()
    with pytest.raises(BackendError, match=r"^Frame 1004: It broke\.$"):
        list(run_chunk(replace(made.job, frames="1002-1006")))
    assert sorted(p.name for p in made.folder.glob("layers.1*.exr")) == ["layers.1002.exr", "layers.1003.exr"]


def test_a_chunk_needs_tracks(made: Made) -> None:
    with pytest.raises(ConfigError, match="vimatte track"):
        list(run_chunk(replace(made.job, tracks=None)))


def test_chunks_by_one_model_equal_one_run(made: Made) -> None:
    whole = {p.name: p.read_bytes() for p in made.folder.glob("*.exr")}
    models = OpenModels()
    for path in made.folder.glob("layers*.exr"):
        path.unlink()
    for frames in ("1004-1006", "1001-1003", "1003-1004"):
        events = list(run_chunk(replace(made.job, frames=frames), models=models))
    assert isinstance(events[-1], JobDone)
    assert events[-1].written == 0, "a double run makes nothing anew"
    assert {p.name: p.read_bytes() for p in made.folder.glob("*.exr")} == whole


LIST = """
[defaults]
matting = "masks"
cryptomatte = true
[[shots]]
name = "sh010"
shot = "plates/a.####.exr"
out = "out/{shot}/layers.exr"
[[shots]]
shot = "plates/b.mov"
out = "out/{shot}/layers.exr"
matting = "classical"
[[shots]]
name = "sh010"
shot = "c.mov"
out = "out/b/layers.exr"
[[shots]]
shto = "d.mov"
"""


def test_a_list_gives_jobs_and_names_wrong_entries(tmp_path: Path) -> None:
    path = tmp_path / "list.toml"
    path.write_text(LIST)
    one, two, three, four = read_shots(str(path), options={"cryptomatte": False})
    assert one.job == MatteJob(
        shot=tmp_path / "plates/a.####.exr", out=str(tmp_path / "out/sh010/layers.exr"), matting="masks"
    )
    assert two.name == "b"
    assert two.job is not None
    assert (two.job.matting, two.job.out) == ("classical", str(tmp_path / "out/b/layers.exr"))
    assert (three.name, three.job) == ("sh010_2", None)
    assert "as 'b' does" in str(three.error)
    assert "did you mean 'shot'" in str(four.error)


@pytest.mark.parametrize("text", ["shots = 3", "[[shot]]\n", "[defaults]\n", "this is no TOML"])
def test_a_list_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "list.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="list of shots"):
        read_shots(str(path), options={})
    with pytest.raises(ConfigError, match="cannot be read"):
        read_shots(str(tmp_path / "none.toml"), options={})


def test_every_match_of_a_pattern_is_a_shot(tmp_path: Path) -> None:
    for name in ("sh010.mov", "sh020.v2.mov", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "seq" / "sh030").mkdir(parents=True)
    found = read_shots(f"{tmp_path}/*.mov", options={"out": "m/{shot}/l.exr"})
    assert [(s.name, s.job and s.job.out) for s in found] == [
        ("sh010", "m/sh010/l.exr"),
        ("sh020.v2", "m/sh020.v2/l.exr"),
    ]
    assert [s.name for s in read_shots(f"{tmp_path}/seq/*/", options={"out": "m/{shot}/l.exr"})] == ["sh030"]
    with pytest.raises(ConfigError, match=r"\{shot\}"):
        read_shots(f"{tmp_path}/*.mov", options={"out": "l.exr"})
    with pytest.raises(ConfigError, match="matches nothing"):
        read_shots(f"{tmp_path}/*.mxf", options={"out": "{shot}.exr"})
