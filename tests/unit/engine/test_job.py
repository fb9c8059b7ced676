"""Jobs: values that check themselves, and files that say what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from vimatte.engine.errors import ConfigError
from vimatte.engine.job import MatteJob
from vimatte.engine.job_file import job_from_mapping, load_job, save_job

BASE = {"shot": "a.mov", "out": "l.exr"}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"depth": "quarter"}, "half, float"),
        ({"compression": "jpeg"}, "zip"),
        ({"resume": True, "overwrite": True}, "--overwrite"),
        ({"masks": "m", "tracks": "t"}, "--tracks"),
        ({"min_area": 2}, "0 to 1"),
        ({"detect_every": 0}, "1 or more"),
        ({"names": {"1": "a b"}}, "a_b"),
        ({"depht": "half"}, "did you mean 'depth'"),
        ({"zzz": 1}, "possible"),
        ({"start_frame": "x"}, "expected int"),
        ({"plate": 1}, "expected bool"),
        ({"max_instances": True}, "expected"),
        ({"names": [1]}, "expected"),
    ],
)
def test_bad_values_are_one_sentence(values, says):
    with pytest.raises(ConfigError, match=says):
        job_from_mapping({**BASE, **values})


@pytest.mark.parametrize("lacking", ["shot", "out"])
def test_a_job_needs_a_shot_and_an_output(lacking):
    with pytest.raises(ConfigError, match=lacking):
        job_from_mapping({k: v for k, v in BASE.items() if k != lacking})


def test_the_people_finder_follows_from_the_masks(tmp_path, monkeypatch):
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path))
    assert MatteJob(shot=Path("a.mov"), out="l.exr").vis_name == "blazepose"
    assert MatteJob(shot=Path("a.mov"), out="l.exr", masks=Path("m")).vis_name == "masks"
    assert MatteJob(shot=Path("a.mov"), out="l.exr", masks=Path("m"), vis="blazepose").vis_name == "blazepose"


def test_saved_and_loaded_is_the_same(tmp_path):
    job = MatteJob(shot=tmp_path / "a.mov", out=str(tmp_path / "l.exr"), names={"1": "anna"}, min_area=0.01)
    save_job(job, tmp_path / "job.json")
    assert load_job(tmp_path / "job.json") == job


def test_paths_in_a_job_file_are_relative_to_it(tmp_path):
    (tmp_path / "job.toml").write_text('shot = "a.mov"\nout = "o/l.exr"\nmasks = "m"\nweights = "w"\n')
    job = load_job(tmp_path / "job.toml")
    assert job.shot == tmp_path / "a.mov"
    assert job.masks == tmp_path / "m"
    assert job.weights == tmp_path / "w"
    assert job.vis_options("cpu").weights == str(tmp_path / "w")
    assert Path(job.out) == tmp_path / "o" / "l.exr"


@pytest.mark.parametrize(("name", "text"), [("j.toml", "shot ="), ("j.json", "{"), ("j.json", "[1]")])
def test_broken_files_are_one_sentence(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=name):
        load_job(tmp_path / name)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_job(tmp_path / "none.toml")
