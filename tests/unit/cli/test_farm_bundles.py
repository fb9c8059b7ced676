"""What `vimatte job` writes: every option arrives at the step it is for, in a template and in a shell script."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
import pytest

from vimatte.cli import options
from vimatte.cli.farm import Needs, Worker, farm_job, write_openjd
from vimatte.cli.farm.openjd import openjd_template
from vimatte.cli.farm.shell import shell_script
from vimatte.cli.farm.steps import CHUNK, FarmJob, substituted
from vimatte.cli.shots import matte, track
from vimatte.cli.verify import verify
from vimatte.engine.errors import BackendError, ConfigError, MediaError
from vimatte.engine.job import MatteJob
from vimatte.engine.pipeline import open_clip

from support import faults
from support.cli_runner import vimatte

EXAMPLE = Path(__file__).resolve().parents[2] / "data" / "example"
FULL: dict[str, Any] = {
    "frames": "1001-1007x2", "start_frame": 7, "missing": "skip", "in_space": "ACEScg", "working_space": "source",
    "max_instances": 3, "min_area": 0.25, "min_duration": 2, "detect_every": 4, "names": {"1": "zoe"},
    "matting": "masks", "proxy": 2, "device": "cpu", "layers": "rgba", "plate": False, "depth": "float",
    "compression": "zips", "cryptomatte": True, "preview": True,
}  # fmt: skip


def job(folder: Path, **more: Any) -> MatteJob:
    shot = faults.sequence(folder / "pl ate", list(range(1001, 1009)))
    return MatteJob(shot=Path(shot), masks=folder / "pl ate" / "masks", out=str(folder / "o'ut" / "layers.exr"), **more)


def typed(command: click.Command, arguments: tuple[str, ...], farm: FarmJob) -> dict[str, Any]:
    """What the command would read from these arguments."""
    values = {p.name: p.value for p in farm.parameters}
    words = [substituted(a, values).replace(CHUNK, "1001-1003:2") for a in arguments[1:]]
    return command.make_context(arguments[0], words).params


def test_every_option_of_the_job_reaches_its_step(tmp_path: Path) -> None:
    asked = job(tmp_path, **FULL)
    farm = farm_job(asked, chunk=3)
    tracking = typed(track, farm.track, farm)
    matting = typed(matte, farm.matte, farm)
    checking = typed(verify, farm.verify, farm)
    assert tracking["resume"]
    assert matting["resume"]
    assert str(tracking["out"]) == str(matting["tracks"]) == str(checking["tracks"])
    assert options.names_of(tracking.pop("name")) == asked.names
    different = {"tracks", "names", "resume", "overwrite", "shot", "out", "frames", "vis", "ocio", "preview"}
    for one in fields(MatteJob):
        wanted = getattr(asked, one.name)
        read = [step[one.name] for step in (tracking, matting, checking) if one.name in step]
        if one.name not in different:
            assert read, f"no step is told '{one.name}'"
            assert all(value == wanted for value in read), one.name
    assert tracking["frames"] == checking["frames"] == "1001-1007:2"
    assert matting["frames"] == "1001-1003:2"
    assert tracking["vis"] == "masks", "what auto finds here is what every worker uses"
    assert matting["out"] == checking["out"] == asked.out
    assert str(checking["shot"]) == str(matting["shot"]) == str(asked.shot)
    assert checking["preview"]
    assert not matting["preview"], "chunks make no movie"


def test_saved_tracks_take_the_place_of_finding(tmp_path: Path) -> None:
    asked = job(tmp_path, matting="masks")
    vimatte("track", asked.shot, "--masks", asked.masks, "--out", tmp_path / "my.tracks")
    farm = farm_job(replace(asked, masks=None, tracks=tmp_path / "my.tracks", frames="1002-1005"), chunk=10)
    tracking = typed(track, farm.track, farm)
    assert str(tracking["tracks"]) == str(tmp_path / "my.tracks")
    assert tracking["masks"] is None
    assert str(typed(matte, farm.matte, farm)["tracks"]) == str(tmp_path / "o'ut" / "layers.tracks")
    assert [str(c) for c in farm.chunks] == ["1002-1005"]


def test_the_device_is_decided_once_for_all_workers(tmp_path: Path) -> None:
    asked = job(tmp_path, matting="masks")
    assert farm_job(asked, chunk=1).job.device == "cpu"
    assert farm_job(asked, chunk=1, needs=Needs(gpu_memory=8)).job.device == "cuda"


def test_the_config_of_the_submitting_machine_goes_along(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("OCIO", "ocio://studio-config-v2.2.0_aces-v1.3_ocio-v2.4")
    farm = farm_job(job(tmp_path, matting="masks"), chunk=1)
    for command, arguments in ((track, farm.track), (matte, farm.matte), (verify, farm.verify)):
        assert typed(command, arguments, farm)["ocio"] == "ocio://studio-config-v2.2.0_aces-v1.3_ocio-v2.4"
    assert "OCIO" not in openjd_template(farm)["jobEnvironments"][0]["variables"]


def test_colours_are_decided_as_in_one_run(tmp_path: Path, monkeypatch) -> None:
    """Without any config the plate of an 8-bit movie is converted otherwise than with the same config named."""
    monkeypatch.delenv("OCIO", raising=False)
    asked = MatteJob(shot=EXAMPLE / "shot.mov", masks=EXAMPLE / "masks", out=str(tmp_path / "l.exr"), matting="masks")
    farm = farm_job(asked, chunk=20)
    read = typed(matte, farm.matte, farm)
    with open_clip(asked.shot) as single, open_clip(asked.shot, ocio=read["ocio"]) as chunk:
        assert (chunk.working.space, chunk.decision.space) == (single.working.space, single.decision.space)
    assert openjd_template(farm)["jobEnvironments"][0]["variables"]["OCIO"] == "", "a worker's own would decide"
    assert "\nexport OCIO=''\n" in shell_script(farm)


def test_what_cannot_work_is_said_when_the_job_is_written(tmp_path: Path) -> None:
    asked = job(tmp_path, matting="masks")
    with pytest.raises(ConfigError, match="1-9"):
        farm_job(replace(asked, frames="1-9"), chunk=1)
    with pytest.raises(BackendError, match="magic"):
        farm_job(replace(asked, matting="magic"), chunk=1)
    with pytest.raises(MediaError, match="none"):
        farm_job(replace(asked, shot=tmp_path / "none.mov"), chunk=1)
    with pytest.raises(ConfigError, match="--conda and --container"):
        Worker(conda="a", container="b")
    out = Path(asked.out)
    out.parent.mkdir()
    (out.parent / "layers.1001.exr").touch()
    with pytest.raises(ConfigError, match="already"):
        farm_job(asked, chunk=1)
    assert farm_job(replace(asked, resume=True), chunk=1).frames.first == 1001


def test_free_text_is_never_part_of_the_template(tmp_path: Path) -> None:
    asked = job(tmp_path, matting="masks", names={"1": "anna"})
    farm = farm_job(asked, chunk=1, worker=Worker(program="/opt/{{Param.Out}}/vimatte"))
    assert "/opt/" not in json.dumps(openjd_template(farm)["steps"])
    with pytest.raises(ConfigError, match="template"):
        farm_job(replace(asked, names={"{{x}}": "anna"}), chunk=1)


def test_paths_are_mapped_and_sequences_travel_as_folders(tmp_path: Path) -> None:
    farm = farm_job(job(tmp_path, matting="masks"), chunk=4)
    kinds = {p.name: (p.object_type, p.flow, p.value) for p in farm.parameters if p.kind == "PATH"}
    assert kinds == {
        "Shot": ("DIRECTORY", "IN", str(tmp_path / "pl ate")),
        "OutDir": ("DIRECTORY", "OUT", str(tmp_path / "o'ut")),
        "Masks": ("DIRECTORY", "IN", str(tmp_path / "pl ate" / "masks")),
    }
    assert str(tmp_path) not in json.dumps(openjd_template(farm))


@pytest.mark.parametrize(
    ("worker", "before"),
    [
        (Worker(program="/venv/bin/vimatte"), ["{{Param.Program}}"]),
        (Worker(conda="/envs/v"), ["conda", "run", "--no-capture-output", "-p", "{{Param.CondaEnvironment}}"]),
        (Worker(conda="v"), ["conda", "run", "--no-capture-output", "-n", "{{Param.CondaEnvironment}}"]),
        (
            Worker(container="v.sif"),
            ["apptainer", "exec", "--bind", "{{Session.WorkingDirectory}}", "--bind", "{{Param.ContainerBind}}",
             "{{Param.Container}}"],
        ),
    ],
)  # fmt: skip
def test_the_program_comes_from_a_venv_conda_or_a_container(tmp_path: Path, worker: Worker, before: list[str]) -> None:
    farm = farm_job(job(tmp_path, matting="masks"), chunk=4, worker=worker)
    template = openjd_template(farm)
    for step in template["steps"]:
        run = step["script"]["actions"]["onRun"]
        assert [run["command"], *run["args"]][: len(before)] == before
    if worker.container:
        bound = next(p.value for p in farm.parameters if p.name == "ContainerBind")
        assert bound.split(",") == [str(tmp_path / "pl ate"), str(tmp_path / "o'ut"), str(tmp_path / "pl ate/masks")]


def _template(tmp_path: Path, needs: Needs, **more: Any) -> Any:
    model = pytest.importorskip("openjd.model")
    farm = farm_job(job(tmp_path, matting="masks", **more), chunk=3, needs=needs)
    files = {p.name: p for p in write_openjd(farm, tmp_path / "bundle")}
    template = model.decode_job_template(
        template=json.loads(files["template.json"].read_text()),
        supported_extensions=["TASK_CHUNKING", "FEATURE_BUNDLE_1"],
    )
    values = json.loads(files["parameters.json"].read_text())
    listed = json.loads(files["parameter_values.json"].read_text())["parameterValues"]
    assert {one["name"]: one["value"] for one in listed} == values
    parameters = model.preprocess_job_parameters(
        job_template=template, job_parameter_values=values, job_template_dir=tmp_path, current_working_dir=tmp_path
    )
    return model, model.create_job(job_template=template, job_parameter_values=parameters)


def _chunks(model: Any, made: Any) -> list[str]:
    space = model.StepParameterSpaceIterator(space=made.steps[1].parameterSpace)
    return [str(task["Frame"].value) for task in space]


def test_the_library_of_open_job_description_takes_the_template(tmp_path: Path) -> None:
    model, made = _template(tmp_path, Needs())
    assert [step.name for step in made.steps] == ["Track", "Matte", "Verify"]
    assert _chunks(model, made) == ["1001-1003", "1004-1006", "1007-1008"]
    assert made.steps[1].hostRequirements is None


def test_gaps_and_host_requirements(tmp_path: Path) -> None:
    model, made = _template(tmp_path, Needs(gpu_memory=8, memory=16, cpus=4), frames="1001-1008x2,1008")
    assert _chunks(model, made) == ["1001-1005:2", "1007,1008"]
    asked = {a.name: float(a.min) for a in made.steps[1].hostRequirements.amounts}
    assert asked == {
        "amount.worker.gpu": 1, "amount.worker.gpu.memory": 8192, "amount.worker.memory": 16384,
        "amount.worker.vcpu": 4,
    }  # fmt: skip


def test_the_shell_script_runs_the_steps_word_for_word(tmp_path: Path) -> None:
    """A stand-in for the program writes down what it is called with."""
    farm = farm_job(job(tmp_path, **FULL), chunk=3, worker=Worker(program=str(tmp_path / "stand in")))
    seen = tmp_path / "seen.txt"
    stand_in = tmp_path / "stand in"
    stand_in.write_text(f'#!/bin/sh\nfor word in "$@"; do printf \'%s\\n\' "$word" >> {shlex.quote(str(seen))}; done\n')
    stand_in.chmod(0o755)
    script = tmp_path / "job.sh"
    script.write_text(shell_script(farm))

    def run(*words: str) -> list[str]:
        seen.unlink(missing_ok=True)
        subprocess.run(["sh", str(script), *words], check=True, env={"PATH": os.environ["PATH"]})
        return seen.read_text().splitlines()

    values = {p.name: p.value for p in farm.parameters}
    assert run("track") == [substituted(a, values) for a in farm.track]
    assert run("verify") == [substituted(a, values) for a in farm.verify]
    for words, frames in ((("chunk", "2"), "1007"), (("matte", "1003"), "1003")):
        assert run(*words) == [substituted(a, values).replace(CHUNK, frames) for a in farm.matte]
    assert len(run("all")) == len(farm.track) + 2 * len(farm.matte) + len(farm.verify)
    wrong = subprocess.run(["sh", str(script), "chunk", "3"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr) == (2, "There is no chunk 3; there are 1 to 2.\n")
    assert subprocess.run(["sh", str(script), "chunks"], capture_output=True, text=True, check=True).stdout == "2\n"
    assert subprocess.run(["sh", str(script)], capture_output=True, check=False).returncode == 2


def test_the_command_writes_a_bundle_beside_the_layers(tmp_path: Path) -> None:
    asked = job(tmp_path)
    arguments = (asked.shot, "--masks", asked.masks, "--out", asked.out, "--matting", "masks", "--chunk", 3, "--json")
    run = vimatte("job", *arguments)
    assert run.code == 0, run.err
    said = json.loads(run.out)
    folder = tmp_path / "o'ut" / "layers.job"
    assert (said["bundle"], said["chunks"], said["device"]) == (str(folder), 3, "cpu")
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md", "parameter_values.json", "parameters.json", "template.json",
    ]  # fmt: skip
    first = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert vimatte("job", *arguments).code == 0
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == first
    assert vimatte("job", *arguments, "--format", "shell").code == 0
    assert os.access(folder / "job.sh", os.X_OK)


def test_a_list_of_shots_gives_a_job_each_and_says_which_have_none(tmp_path: Path) -> None:
    asked = job(tmp_path)
    path = tmp_path / "list.toml"
    path.write_text(
        "".join(
            f'[[shots]]\nname = "{name}"\nshot = "{shot}"\nmasks = "{asked.masks}"\nout = "{name}/layers.exr"\n'
            for name, shot in (("sh010", asked.shot), ("sh020", "none.mov"), ("sh030", asked.shot))
        )
    )
    run = vimatte("job", "--shots", path, "--matting", "masks", "--bundle", tmp_path / "jobs", "--json")
    assert run.code == 6
    lines = [json.loads(line) for line in run.out.splitlines()]
    assert [(line.get("shot"), "error" in line) for line in lines[:3]] == [
        ("sh010", False), ("sh020", True), ("sh030", False),
    ]  # fmt: skip
    assert re.search("1 of 3 shots have no job: sh020", lines[3]["message"])
    assert sorted(p.name for p in (tmp_path / "jobs").iterdir()) == ["sh010", "sh030"]
    values = json.loads((tmp_path / "jobs" / "sh030" / "parameters.json").read_text())
    assert values["OutDir"] == str(tmp_path / "sh030")
    assert vimatte("job", asked.shot, "--shots", path).code == 2
    assert vimatte("job", asked.shot).code == 2
