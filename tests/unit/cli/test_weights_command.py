"""`vimatte weights import|verify|pull|list` as a shell sees them: what is asked, what is said, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from vimatte.engine.checkpoints import NETWORKS
from vimatte.engine.checkpoints.fit import empty_network

from support.cli_runner import vimatte


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    """A file of zeros that fits InstMatt, as its authors save theirs."""
    shapes = empty_network(NETWORKS["instmatt"]).state_dict()
    tensors = {f"module.{k}": torch.zeros(t.shape, dtype=t.dtype) for k, t in shapes.items()}
    file = tmp_path / "best_model.pth"
    torch.save({"state_dict": tensors, "iter": 1, "loss": 0.5, "opt_state_dict": {}, "lr_state_dict": {}}, file)
    return file


def test_a_file_fetched_by_hand_is_brought_in_after_its_licence_was_accepted(fetched: Path, cache: Path) -> None:
    asked = vimatte("weights", "import", "instmatt", fetched)
    assert asked.code == 2
    assert "no licence at all" in asked.out
    assert "NO LICENCE" in asked.out
    assert f"type: vimatte weights import instmatt {fetched} --accept-licence" in asked.err
    assert not cache.exists()
    assert vimatte("weights", "verify", "instmatt").code == 4
    taken = vimatte("weights", "import", "instmatt", fetched, "--accept-licence")
    assert taken.code == 0, taken.err
    assert "Left out, as it is not weights: iter, loss, lr_state_dict, opt_state_dict" in taken.out
    record = json.loads((cache / "instmatt" / "vimatte_source.json").read_text())
    assert record["sha256"] in taken.out
    checked = vimatte("weights", "verify")
    assert checked.code == 0, checked.err
    assert "instmatt  whole" in checked.out
    assert "604 keys" in checked.out
    line = next(one for one in vimatte("weights", "list").out.splitlines() if one.startswith("instmatt"))
    assert " here " in line
    assert "not here" not in line


def test_faults_are_one_sentence_with_an_exit_code(fetched: Path, cache: Path) -> None:
    for arguments, words in (
        (("import", "msg_vim", fetched, "--accept-licence"), "this looks like InstMatt's stage 2"),
        (("import", "blazepose", fetched), "vimatte weights pull blazepose"),
        (("import", "magic", fetched), "there are: blazepose"),
        (("import", "oavm", cache / "nowhere.pth"), "cannot be read"),
        (("pull", "msg_vim", "--accept-licence"), "vimatte weights import msg_vim FILE"),
        (("verify", "magic"), "there are: blazepose"),
    ):
        told = vimatte("weights", *arguments)
        assert told.code == 4, arguments
        assert words in told.err
        assert told.err.startswith("error: ")
        assert told.err.count("\n") == 1
    assert not cache.exists()


def test_damage_is_found_and_the_others_are_still_checked(fetched: Path, cache: Path) -> None:
    vimatte("weights", "import", "instmatt", fetched, "--accept-licence")
    (cache / "msg_vim").mkdir()
    (cache / "msg_vim" / "model.safetensors").write_bytes(b"torn")
    checked = vimatte("weights", "verify")
    assert checked.code == 4
    assert "instmatt  whole" in checked.out
    assert "msg_vim   damaged" in checked.out
    assert "1 of 2 sets of weights cannot be used: msg_vim." in checked.err


def test_nothing_here_is_no_fault() -> None:
    checked = vimatte("weights", "verify")
    assert checked.code == 0
    assert "vimatte weights list" in checked.out


def test_the_list_marks_what_paid_work_may_not_use() -> None:
    lines = {line.split()[0]: line for line in vimatte("weights", "list").out.splitlines() if not line.startswith(" ")}
    assert set(NETWORKS) <= set(lines)
    for name in ("maggie_image", "maggie_video"):
        assert lines[name].endswith("[NON-COMMERCIAL]")
    for name in ("instmatt", "msg_vim"):
        assert lines[name].endswith("[NO LICENCE]")
    assert "[" not in lines["blazepose"]
