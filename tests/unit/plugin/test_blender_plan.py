"""Frame arithmetic and jobs of the Blender extension, without Blender."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vimatte.engine.job_file import job_from_mapping
from vimatte.engine.tracks import safe_name as engine_name
from vimatte.ocio.frame_range import FrameRange
from vimatte.plugin.blender.errors import UserError
from vimatte.plugin.blender.plan import (
    RESERVED,
    FrameMap,
    Kind,
    Options,
    Source,
    build_job,
    missing_text,
    numbers_on_disk,
    plain_edits,
    safe_name,
    scene_range,
)


def source(kind: Kind, *, start: int = 1, duration: int = 10, offset: int = 0, path: str = "shot.mov") -> Source:
    return Source(path=Path(path), kind=kind, frames=FrameMap(start=start, duration=duration, offset=offset))


numbers = st.integers(-500, 500)


@given(numbers, st.integers(1, 300), st.integers(0, 2000), st.sampled_from(["movie", "sequence"]))
def test_layers_lie_over_the_plate(start: int, duration: int, offset: int, kind: Kind) -> None:
    """Whatever the mapping, the layers file shown at a scene frame is the one made of the plate's frame there."""
    plate = source(kind, start=start, duration=duration, offset=offset)
    written = range(plate.layer_number(start), plate.layer_number(start + duration - 1) + 1)
    shown = plate.layers_map(written)
    assert (shown.start, shown.duration) == (start, duration)
    for scene_frame in (start, start + duration // 2, start + duration - 1):
        number = shown.number(scene_frame)
        assert number == plate.layer_number(scene_frame)
        # The engine reads plate frame (number - first number + 1) of a movie, and file `number` of a sequence.
        plate_frame = number - plate.first_number + 1 if kind == "movie" else number
        assert plate_frame == plate.frames.number(scene_frame)


def test_a_movies_job_speaks_in_scene_frames() -> None:
    job = build_job(source("movie", start=1001, duration=20, offset=5), Options(out="/o/layers.####.exr"))
    assert (job["start_frame"], job["frames"]) == (996, "1001-1020")
    assert job["missing"] == "skip"
    assert set(job) & {"masks", "max_instances", "in_space", "ocio"} == set()


def test_a_movie_before_frame_zero_keeps_its_own_numbers() -> None:
    job = build_job(source("movie", start=-9, duration=20), Options(out="o.exr"))
    assert (job["start_frame"], job["frames"]) == (1, "1-20")


def test_a_sequence_asks_for_its_files_only(tmp_path: Path) -> None:
    for n in (1001, 1002, 1004):
        (tmp_path / f"plate_v2.{n}.exr").touch()
    (tmp_path / "plate_v3.0001.exr").touch()
    first = tmp_path / "plate_v2.1001.exr"
    assert numbers_on_disk(first) == [1001, 1002, 1004]
    shot = Source(path=first, kind="sequence", frames=FrameMap(start=11, duration=99, offset=999))
    assert scene_range(shot, None) == (12, 15)
    assert build_job(shot, Options(out="o.exr"))["frames"] == "1001-1002,1004"
    assert build_job(shot, Options(out="o.exr"), scene_frames=(13, 15))["frames"] == "1002,1004"
    with pytest.raises(UserError, match="shows nothing on scene frames 50 to 60"):
        build_job(shot, Options(out="o.exr"), scene_frames=(50, 60))


def test_every_job_is_one_the_engine_takes() -> None:
    options = Options(
        out="/o/layers.####.exr", masks=Path("/m"), matting="masks", depth="float", device="cpu", cryptomatte=True,
        max_instances=3,
        proxy=2,
    )  # fmt: skip
    for kind in ("movie", "sequence", "still"):
        shot = Source(
            path=Path("/a/b.0001.exr"), kind=kind, frames=FrameMap(start=1, duration=3, offset=0), space="sRGB",
            ocio="/c.ocio", working="scene_linear",
        )  # fmt: skip
        job = job_from_mapping(build_job(shot, options))
        assert (job.max_instances, job.proxy, job.depth, job.working_space) == (3, 2, "float", "scene_linear")
        assert (job.frames is None) == (kind == "still")
        if job.frames:
            assert list(FrameRange.parse(job.frames)) == [1, 2, 3]


def test_missing_frames_are_told_in_runs() -> None:
    assert missing_text([1, 2, 5, 9], first=1, last=10) == "3-4, 6-8, 10"
    assert missing_text(range(1, 11), first=1, last=10) == ""


@given(st.text(max_size=80))
def test_names_are_what_the_engine_would_make_of_them(text: str) -> None:
    name = safe_name(text)
    assert engine_name(name) == name
    assert name.lower() not in RESERVED
    if engine_name(text).lower() not in RESERVED:
        assert name == engine_name(text)
    second = safe_name(text, taken=[name])
    assert second != name
    assert engine_name(second) == second


def test_edits_end_with_everybodys_name() -> None:
    assert plain_edits([["drop", 3]], {1: "zoe"}) == [["drop", 3], ["rename", {"1": "zoe"}]]
