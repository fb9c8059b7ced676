"""A farm job as a farm runs it: Open Job Description sessions, several workers, tasks killed and run again.

Whatever happens, the files are those of one `vim-batch` run, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.faults import write_image

pytest.importorskip("openjd.cli", reason="openjd-cli is not installed; pip install openjd-cli")

BIN = Path(sys.executable).parent
# Workers work in float32, so that all give the same pixels: so must what is compared with them.
ENVIRONMENT = {
    **os.environ,
    "VIMATTE_PRECISION": "full",
    "OMP_NUM_THREADS": "1",
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
}
FRAMES = list(range(1001, 1009))
OPTIONS = ["--cryptomatte", "--preview", "--name", "1=front"]


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two soft discs that cross before a textured wall, and a mask of each on the first frame."""
    from vimatte.engine.testing.matting_contract import crossing_shot

    folder = tmp_path_factory.mktemp("sho t") / "plate"
    pictures, alphas = crossing_shot(len(FRAMES), height=120, width=160)
    for number, picture in zip(FRAMES, pictures, strict=True):
        write_image(folder / f"plate.{number}.exr", picture)
    for who, alpha in zip(("anna", "bruno"), alphas[0], strict=True):
        (folder / "masks" / who).mkdir(parents=True)
        Image.fromarray(np.uint8(255 * (alpha > 0.5))).save(folder / "masks" / who / "1001.png")
    return folder


def run(*words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    made = subprocess.run([str(w) for w in words], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert not check or made.returncode == 0, made.stdout[-3000:] + made.stderr[-3000:]
    return made


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and "layers.job" not in p.parts
    }


def job_of(plate: Path, out: Path, matting: str, *more: str | Path) -> Path:
    """Write the bundle and return its folder."""
    words = [plate / "plate.####.exr", "--masks", plate / "masks", "--out", out / "layers.exr", "--matting", matting]
    run(BIN / "vimatte", "job", *words, *OPTIONS, "--chunk", "2", "--program", BIN / "vimatte", *more)
    return out / "layers.job"


@pytest.fixture(scope="module")
def single(plate: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Model -> hashes of one run over the whole shot."""
    made = {}
    for matting in ("masks", "classical"):
        out = tmp_path_factory.mktemp(matting)
        words = [plate / "plate.####.exr", "--masks", plate / "masks", "--out", out / "layers.exr"]
        run(BIN / "vim-batch", *words, "--matting", matting, *OPTIONS)
        run(BIN / "vimatte", "verify", out / "layers.exr", "--cryptomatte")
        made[matting] = hashes(out)
    return made


def session(bundle: Path, *more: str) -> list[str]:
    parameters = f"file://{bundle / 'parameters.json'}"
    return [str(BIN / "openjd"), "run", str(bundle / "template.json"), "-p", parameters, *more]


def chunks(*frames: str) -> list[str]:
    tasks = json.dumps([{"Frame": one} for one in frames])
    return ["--step", "Matte", "--no-run-dependencies", "--tasks", tasks]


@pytest.mark.slow
@pytest.mark.parametrize("matting", ["masks", "classical"])
def test_two_workers_make_the_files_of_one_run(plate: Path, single, tmp_path: Path, matting: str) -> None:
    """On workers that see the show under another path; a chunk is run twice, at the same time, by both."""
    there, here = tmp_path / "artist", tmp_path / "worker"
    bundle = job_of(plate, there, matting)
    run(BIN / "openjd", "check", bundle / "template.json")
    bundle = bundle.rename(tmp_path / "bundle")
    there.rmdir()
    rules = {
        "version": "pathmapping-1.0",
        "path_mapping_rules": [
            {"source_path_format": "POSIX", "source_path": str(there), "destination_path": str(here)}
        ],
    }
    mapped = ["--path-mapping-rules", json.dumps(rules)]
    run(*session(bundle, *mapped, "--step", "Track"))
    work = (chunks("1005-1006", "1001-1002", "1003-1004"), chunks("1007-1008", "1003-1004"))
    workers = [
        subprocess.Popen(session(bundle, *mapped, *one), env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        for one in work
    ]
    for worker in workers:
        said, _ = worker.communicate()
        assert worker.returncode == 0, said[-3000:]
        assert said.count("Entering Environment: Engine") == 1, "the model is opened once for all chunks of a session"
        assert "There is no engine" not in said
    run(*session(bundle, *mapped, "--step", "Verify", "--no-run-dependencies"))
    assert not there.exists()
    assert hashes(here) == single[matting]
    run(*session(bundle, *mapped))
    assert hashes(here) == single[matting], "the whole job again"


def tree(pid: int) -> list[int]:
    """A process and all that descend from it, by the parents that /proc names."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def engines_of(name: str) -> list[int]:
    """Engines of sessions whose folder has this in its path: they left their parent's tree."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if "serve" in words and any(name in word for word in words):
            found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
@pytest.mark.parametrize("victim", ["worker", "engine"])
def test_killed_in_the_middle_and_run_again(plate: Path, single, tmp_path: Path, victim: str) -> None:
    """`worker`: everything dies, engine included, as when a machine does; `engine`: only the resident process."""
    bundle = job_of(plate, tmp_path / "out", "classical")
    run(*session(bundle, "--step", "Track"))
    sessions = tmp_path / "sessions"
    sessions.mkdir()
    worker = subprocess.Popen(
        session(bundle, *chunks("1001-1004", "1005-1008")), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**ENVIRONMENT, "TMPDIR": str(sessions)},
    )  # fmt: skip
    assert worker.stdout is not None
    for line in worker.stdout:
        if "frame 1002 written" in line:
            break
    engines = engines_of(str(sessions))
    if victim == "worker":
        for pid in [*tree(worker.pid), *engines]:
            os.kill(pid, signal.SIGKILL)
        worker.communicate()
        made = sorted((tmp_path / "out").glob("layers.1*.exr"))
        assert 2 <= len(made) < len(FRAMES)
        run(*session(bundle, *chunks("1001-1004", "1005-1008")))
    else:
        assert engines, "the engine runs"
        for pid in engines:
            os.kill(pid, signal.SIGKILL)
        said, _ = worker.communicate()
        assert worker.returncode == 0, said[-3000:]
        assert "There is no engine" in said
    run(*session(bundle, "--step", "Verify", "--no-run-dependencies"))
    assert hashes(tmp_path / "out") == single["classical"]


@pytest.mark.slow
def test_a_task_that_fails_names_its_frame_and_the_others_stay(plate: Path, single, tmp_path: Path) -> None:
    bundle = job_of(plate, tmp_path / "out", "masks")
    run(*session(bundle, "--step", "Track"))
    broken = plate / "plate.1003.exr"
    good = broken.read_bytes()
    broken.write_bytes(good[: len(good) // 2])
    try:
        failed = run(*session(bundle, *chunks("1001-1004")), check=False)
    finally:
        broken.write_bytes(good)
    assert failed.returncode == 1
    assert "openjd_fail: Frames 1003 of 1001-1004 were not made" in failed.stdout
    assert sorted(p.name for p in (tmp_path / "out").glob("layers.1*.exr")) == [
        f"layers.{n}.exr" for n in (1001, 1002, 1004)
    ]
    unfinished = run(*session(bundle, "--step", "Verify", "--no-run-dependencies"), check=False)
    assert unfinished.returncode == 1
    assert "--frames 1003,1005-1008 --resume" in unfinished.stdout
    run(*session(bundle))
    assert hashes(tmp_path / "out") == single["masks"]


@pytest.mark.slow
def test_the_shell_script_makes_the_files_of_one_run(plate: Path, single, tmp_path: Path) -> None:
    """Chunks out of order, two at once, one twice; then all of it again."""
    script = job_of(plate, tmp_path / "out", "classical", "--format", "shell") / "job.sh"
    run("sh", script, "track")
    count = int(run("sh", script, "chunks").stdout)
    for pair in ((count, 1), (2, 2), (3, 1)):
        tasks = [
            subprocess.Popen(["sh", str(script), "chunk", str(one)], env=ENVIRONMENT, stderr=subprocess.PIPE)
            for one in pair
        ]
        for task in tasks:
            _, said = task.communicate()
            assert task.returncode == 0, said
    run("sh", script, "verify")
    assert hashes(tmp_path / "out") == single["classical"]
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("layers.1*.exr")}
    run("sh", script, "all")
    assert hashes(tmp_path / "out") == single["classical"]
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps, "whole frames are not made twice"


@pytest.mark.slow
def test_a_list_with_a_bad_shot_in_the_middle(plate: Path, single, tmp_path: Path) -> None:
    path = tmp_path / "list.toml"
    path.write_text(
        '[defaults]\nmatting = "masks"\ncryptomatte = true\npreview = true\nnames = {1 = "front"}\n'
        + "".join(
            f'[[shots]]\nname = "{name}"\nshot = "{shot}"\nmasks = "{plate / "masks"}"\nout = "{name}/layers.exr"\n'
            for name, shot in (
                ("sh010", plate / "plate.####.exr"), ("sh020", "none.mov"), ("sh030", plate / "plate.####.exr"),
            )
        )
    )  # fmt: skip
    made = run(BIN / "vim-batch", "--shots", path, "--quiet", check=False)
    assert made.returncode == 6
    table = json.loads((tmp_path / "list.summary.json").read_text())
    assert [(s["name"], s["state"], s["exit_code"], s["written"]) for s in table["shots"]] == [
        ("sh010", "done", 0, 8), ("sh020", "failed", 3, 0), ("sh030", "done", 0, 8),
    ]  # fmt: skip
    for name in ("sh010", "sh030"):
        run(BIN / "vimatte", "verify", tmp_path / name / "layers.exr", "--cryptomatte")
        assert {k: v for k, v in hashes(tmp_path / name).items() if k != "layers.log"} == single["masks"]


def test_nothing_waits_for_a_session_that_is_over() -> None:
    """No engine of these tests is left behind."""
    end = time.monotonic() + 20
    while time.monotonic() < end and engines_of("test_killed_in_the_middle"):
        time.sleep(0.2)
    assert not engines_of("test_killed_in_the_middle")
