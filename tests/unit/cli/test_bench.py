"""`vimatte bench`: every row is there or says why not; faults and stopping lose nothing that was measured."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from vimatte.engine import bench
from vimatte.engine.bench import (
    RANDOM,
    Case,
    Cost,
    Outcome,
    Weights,
    crossing_people,
    kinds_of,
    measure,
    random_weights,
    run_case,
)
from vimatte.engine.checkpoints import NETWORKS
from vimatte.engine.checkpoints.fit import fit, new_network
from vimatte.engine.errors import ConfigError, DeviceError, VimatteError
from vimatte.engine.matte import MatteFrame
from vimatte.engine.registry import MATTING

from support.cli_runner import vimatte

SMALL = Case(matting="masks", width=64, height=36, people=2, frames=3)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("people", [1, 2, 5, 10])
def test_the_shot_shows_everybody_on_every_frame_at_its_size(people: int) -> None:
    case = Case(matting="masks", width=320, height=180, people=people, frames=4)
    shot, tracks = crossing_people(case)
    assert (shot.info.width, shot.info.height, len(shot.frames)) == (320, 180, 4)
    assert len(tracks.ids) == people
    for number in shot.frames:
        masks = np.stack([tracks.mask(one, number) for one in tracks.ids])
        assert masks.any(axis=(1, 2)).all()
        assert (masks.sum(axis=0) <= 1).all()
        assert 0.03 < masks.any(axis=0).mean() < 0.3
    again, same = crossing_people(case)
    assert same.digest() == tracks.digest()
    assert again.picture(1002).tobytes() == shot.picture(1002).tobytes()


def test_a_case_is_measured_in_a_process_of_its_own() -> None:
    outcome = run_case(SMALL)
    assert outcome.fault is None, outcome.reason
    assert outcome.case == SMALL
    assert outcome.cost is not None
    assert outcome.cost.ms_per_frame > 0
    assert outcome.cost.cpu_ms_per_frame >= 0
    assert outcome.cost.peak_mb is None or 50 < outcome.cost.peak_mb < 2000
    assert outcome.half is None


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux tells a process's own peak")
def test_the_peak_is_the_childs_own() -> None:
    ballast = np.ones(100_000_000, np.float64)
    peak = bench._peak_bytes()
    assert peak is not None
    assert peak > ballast.nbytes
    cost = run_case(SMALL).cost
    assert cost is not None
    assert cost.peak_mb is not None
    assert 1e6 * cost.peak_mb < ballast.nbytes


def test_running_out_of_memory_is_a_row() -> None:
    outcome = run_case(Case(matting="masks", width=10_000_000, height=10_000_000, people=1, frames=1))
    assert (outcome.fault, outcome.reason) == ("memory", "out of memory")
    killed = bench._outcome(SMALL, -9, "", "")
    assert killed.fault == "memory"
    assert "the system stopped it" in killed.reason


def test_other_ends_are_rows_too(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = run_case(SMALL, limit=0.05)
    assert (slow.fault, slow.reason) == ("time", "longer than 0.05 s")
    assert bench._outcome(SMALL, 1, "", "Traceback\nValueError: no\n").reason == "ValueError: no"
    assert bench._outcome(SMALL, 3, "", "").reason == "exit code 3"
    for error, fault in (
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "memory"),
        (DeviceError("cuda has not enough free memory for 9 people"), "memory"),
        (RuntimeError("shapes differ\nat"), "failed"),
        (VimatteError("broken"), "failed"),
    ):

        class Broken:
            def __init__(self, *, device: str) -> None:
                raise error  # noqa: B023 - used at once

        monkeypatch.setattr(MATTING, "load", lambda name, broken=Broken: broken)
        assert measure(SMALL).fault == fault


def test_missing_weights_say_what_to_type() -> None:
    outcome = run_case(Case(matting="oavm", width=64, height=36, people=1, frames=1))
    assert outcome.fault == "not ready"
    assert "vimatte weights import oavm FILE" in outcome.reason


def test_the_rest_of_a_model_that_is_not_ready_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "run_case", measured)
    missing = Case(matting="oavm", width=64, height=36, people=1)
    found = list(bench.run_cases([missing, missing, SMALL]))
    assert [(at, outcome.fault) for at, outcome in found] == [(0, "not ready"), (2, None)]


def test_an_outcome_survives_its_line() -> None:
    cost = Cost(ms_per_frame=1.5, cpu_ms_per_frame=2.5, peak_mb=None)
    for outcome in (
        Outcome(case=SMALL, cost=cost, half=cost, half_error=1e-3),
        Outcome(case=SMALL, fault="memory", reason="out of memory"),
    ):
        assert Outcome.from_json(outcome.to_json()) == outcome


@pytest.mark.parametrize("what", ["width", "height", "people", "frames"])
def test_nothing_cannot_be_measured(what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        Case(**{"matting": "masks", "width": 9, "height": 9, "people": 1, what: 0})


def test_random_weights_fit_and_do_not_blow_up(cache: Path) -> None:
    random_weights("msg_vim", "unsure", into=cache)
    tensors = load_file(cache / "unsure" / "msg_vim" / "model.safetensors")
    network = new_network(NETWORKS["msg_vim"])
    assert fit(tensors, network.state_dict()).whole
    for key in [k for k in tensors if k.endswith("weight_bar")]:
        stem = key.removesuffix("weight_bar")
        matrix = tensors[key].flatten(1)
        used = tensors[f"{stem}weight_u"] @ matrix @ tensors[f"{stem}weight_v"]
        assert float(used) == pytest.approx(float(torch.linalg.matrix_norm(matrix, 2)), rel=0.1)


@pytest.mark.parametrize("kind", ["sure", "unsure"])
@pytest.mark.parametrize("name", ["instmatt", "maggie_image", "maggie_video", "msg_vim"])
def test_random_weights_are_sure_or_unsure_everywhere(name: str, kind: Weights, cache: Path) -> None:
    random_weights(name, kind, into=cache)
    network = new_network(NETWORKS[name]).eval()
    network.load_state_dict(load_file(cache / kind / name / "model.safetensors"))
    picture, mask = torch.rand(1, 3, 3, 64, 64), torch.zeros(1, 3, 1, 64, 64)
    mask[..., 16:48, 16:48] = 1.0
    with torch.no_grad():
        if "maggie" in name:
            coarse = network(picture, mask).os8
        elif name == "instmatt":
            coarse = network(torch.cat([picture[0], mask[0], mask[0], 1 - mask[0]], dim=1)).os8
        else:
            coarse = network(torch.cat([picture, mask, mask], dim=2))[0].os8
    unsure = ((coarse >= 1 / 255) & (coarse <= 254 / 255)).float().mean()
    assert float(unsure) == (0.0 if kind == "sure" else 1.0)
    if name == "instmatt":
        assert (coarse[:, 0] < 0.01).all(), "nobody is taken for somebody else's duplicate"


def test_every_published_model_has_its_sets() -> None:
    assert {name for names in RANDOM.values() for name in names} == set(NETWORKS)
    assert kinds_of("maggie", random=True) == ("sure", "unsure")
    assert kinds_of("oavm", random=True) == ("made up",)
    assert kinds_of("maggie", random=False) == kinds_of("rvm", random=True) == ("own",)


def measured(case: Case, **_: Any) -> Outcome:
    """In place of a process."""
    if case.matting == "oavm":
        return Outcome(case=case, fault="not ready", reason="no weights")
    if case.people == 10:
        return Outcome(case=case, fault="memory", reason="out of memory")
    return Outcome(case=case, cost=Cost(ms_per_frame=case.width + case.people, cpu_ms_per_frame=7.0, peak_mb=321.4))


def test_the_table_has_a_row_for_each_size_and_number_of_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "run_case", measured)
    ran = vimatte("bench", "--matting", "masks", "--matting", "oavm", "--sizes", "64x36,128x72", "--people", "1,10")
    assert ran.code == 0, ran.err
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in ran.out.splitlines() if line.startswith("| ")]
    assert rows == [
        ["model", "size", "people", "ms/frame", "cpu ms", "peak MB"],
        ["masks", "64x36", "1", "65", "7", "321"],
        ["masks", "64x36", "10", "out of memory", "", ""],
        ["masks", "128x72", "1", "129", "7", "321"],
        ["masks", "128x72", "10", "out of memory", "", ""],
    ]
    assert "torch" in ran.out.splitlines()[0]
    assert "RANDOM" not in ran.out
    assert ran.err == "not ready  oavm: no weights\n"


def test_machines_read_one_object_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "run_case", measured)
    ran = vimatte("bench", "--matting", "masks", "--sizes", "64x36", "--people", "1,10", "--json")
    machine, first, second = (json.loads(line) for line in ran.out.splitlines())
    assert machine["frames"] == 5
    assert machine["random_weights"] == []
    assert first["cost"] == {"ms_per_frame": 65.0, "cpu_ms_per_frame": 7.0, "peak_mb": 321.4}
    assert first["case"]["people"] == 1
    assert second["fault"] == "memory"


def test_random_weights_are_said_in_the_title_and_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []

    def look(case: Case, *, random: Path, limit: float) -> Outcome:
        seen.append(random)
        assert (random / case.weights / "oavm" / "model.safetensors").is_file()
        return Outcome(case=case, cost=Cost(ms_per_frame=1.0, cpu_ms_per_frame=1.0, peak_mb=1.0))

    def write(name: str, kind: str, *, into: Path) -> None:
        (into / kind / name).mkdir(parents=True)
        (into / kind / name / "model.safetensors").touch()

    monkeypatch.setattr(bench, "run_case", look)
    monkeypatch.setattr(bench, "random_weights", write)
    ran = vimatte("bench", "--matting", "oavm", "--random", "--sizes", "64x36", "--people", "1")
    assert "RANDOM WEIGHTS: oavm." in ran.out
    assert len(seen) == 1
    assert not seen[0].exists(), "nothing is left lying about"


def test_stopping_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(case: Case, **_: Any) -> Outcome:
        if case.people == 2:
            raise KeyboardInterrupt
        return measured(case)

    monkeypatch.setattr(bench, "run_case", stop)
    ran = vimatte("bench", "--matting", "masks", "--sizes", "64x36", "--people", "1,2,5")
    assert ran.code == 130
    assert "| 65 " in ran.out
    assert "Stopped after 1 row" in ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--matting", "magic"), 4, "there is: "),
        (("--sizes", "big"), 2, "--sizes 512x288"),
        (("--people", "all"), 2, "--people 1,2,5"),
        (("--people", "0"), 2, "people"),
        (("--device", "warp"), 5, "--device auto"),
        (("--matting", "oavm", "--sizes", "64x36"), 4, "Nothing could be measured. oavm: no weights"),
    ],
)
def test_faults_are_one_sentence(
    arguments: Sequence[str], code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "run_case", measured)
    ran = vimatte("bench", *arguments)
    assert ran.code == code
    assert words in ran.err
    assert ran.err.count("\n") == 1


class Coarse:
    """A model whose alphas say in which precision it ran."""

    def __init__(self, *, device: str) -> None:
        self.device = device

    def mattes(self, shot: Any, tracks: Any, frames: Sequence[int]) -> Generator[MatteFrame]:
        for number in frames:
            x = torch.full((64, 64), 0.1, device=self.device)
            value = float((x @ x)[0, 0])
            alphas = np.full((len(tracks.ids), tracks.height, tracks.width), value, np.float32)
            yield MatteFrame(number=number, ids=tracks.ids, alphas=alphas)


@pytest.mark.gpu
def test_half_precision_is_timed_beside_full_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():
        if os.environ.get("VIMATTE_REQUIRE_CUDA"):
            pytest.fail("VIMATTE_REQUIRE_CUDA is set and there is no CUDA device")
        pytest.skip("needs a CUDA device")
    monkeypatch.setattr(MATTING, "load", lambda name: Coarse)
    outcome = measure(Case(matting="masks", width=64, height=36, people=1, frames=2, device="cuda"))
    assert outcome.fault is None, outcome.reason
    assert outcome.half is not None
    assert outcome.half_error is not None
    assert 1e-6 < outcome.half_error < 1e-2
