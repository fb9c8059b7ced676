"""The thin layer, in a stand-in for Nuke that records what is asked of it, with a stand-in for the engine."""

from __future__ import annotations

import json
import os
import runpy
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vimatte.plugin.nuke.vimatte_glue.knobs import KNOBS

from support import nuke_recorder

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "plugin" / "vimatte" / "plugin" / "nuke"
DOUBLE = Path(__file__).with_name("engine_double.py")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in for the engine is a shell script")


@pytest.fixture
def nuke(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    nuke_recorder.reset()
    monkeypatch.setitem(sys.modules, "nuke", nuke_recorder)
    monkeypatch.syspath_prepend(str(FOLDER))
    yield nuke_recorder
    session = sys.modules.get("vimatte_plugin.nuke.vimatte_glue.session")
    if session is not None and session.current._engine is not None:
        session.current._engine.kill()
    for name in [n for n in sys.modules if n == "vimatte_nuke" or n.partition(".")[0] == "vimatte_plugin"]:
        del sys.modules[name]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    program = tmp_path / "vimatte"

    def behave(manner: str) -> None:
        program.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{DOUBLE}' '{tmp_path}/requests' {manner}\n")
        program.chmod(0o755)

    behave("well")
    monkeypatch.setenv("VIMATTE_ENGINE", str(program))
    return behave


@pytest.fixture
def matte(nuke: Any, engine: Callable[[str], None], tmp_path: Path) -> Any:
    """A Video Instance Matte under the Read of a sequence 1001-1004 that lacks 1003."""
    plates = tmp_path / "plates"
    plates.mkdir()
    for n in (1001, 1002, 1004):
        (plates / f"sh.{n}.exr").touch()
    nuke.root()["name"].setValue(f"{tmp_path.as_posix()}/shot.nk")
    read = nuke.nodes.Read(name="Read1", file=f"{plates.as_posix()}/sh.####.exr", first=1001, last=1004)
    dot = nuke.nodes.Dot(name="Dot1", inputs=[read])
    nuke.select(dot)
    import vimatte_nuke

    node = vimatte_nuke.create()
    node.setXYpos(500, 300)
    return node


def requests(tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "requests"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def idle() -> bool:
    return sys.modules["vimatte_plugin.nuke.vimatte_glue.session"].current.work is None


def press(node: Any, button: str) -> None:
    nuke_recorder.press(node, button)
    nuke_recorder.pump(idle)


def beside(node: Any) -> dict[str, Any]:
    return {n.name(): n for n in node._parent.children if n.Class() in ("Read", "Shuffle2", "Cryptomatte")}


def test_nuke_finds_the_command_in_its_menu(nuke: Any) -> None:
    runpy.run_path(str(FOLDER / "init.py"))
    runpy.run_path(str(FOLDER / "menu.py"))
    assert nuke.printed == []
    nuke.select(nuke.nodes.Read(name="Read1"))
    exec(nuke.commands["Nodes/Keyer/Video Instance Matte"], {})
    node = nuke.toNode("VideoInstanceMatte")
    assert node.input(0).name() == "Read1"


def test_an_old_nuke_is_told(nuke: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 7, 13, "final", 0))
    runpy.run_path(str(FOLDER / "init.py"))
    runpy.run_path(str(FOLDER / "menu.py"))
    assert nuke.commands == {}
    assert nuke.printed == ["vimatte needs Nuke 15 or later: it needs Python 3.10, and this one has 3.7"]


def test_the_node_is_a_plain_group_with_every_knob(matte: Any) -> None:
    assert matte.Class() == "Group"
    plate, out = matte.children
    assert (plate.Class(), out.Class(), out.input(0)) == ("Input", "Output", plate)
    assert [n for n in matte.knobs() if n in {k.name for k in KNOBS}] == [k.name for k in KNOBS]
    for spec in KNOBS:
        knob = matte[spec.name]
        assert type(knob).__name__ == spec.kind
        assert (knob.label, knob.tip) == (spec.label, spec.tip)
        assert bool(knob.flags & nuke_recorder.INVISIBLE) == spec.hidden
        if spec.default is not None:
            assert knob.value() == spec.default


def test_people_are_found_on_another_thread_and_listed(nuke: Any, matte: Any, tmp_path: Path) -> None:
    nuke.press(matte, "find_people")
    assert not idle(), "the button returned while the work goes on"
    nuke.pump(idle)
    assert matte["people"].value() == "1 anna\n2 bruno"
    assert matte["said"].value() == "2 people found in Read1."
    assert nuke.messages == []
    track, people = requests(tmp_path)
    assert (track["request"], people["request"]) == ("track", "people")
    assert track["job"]["frames"] == "1001-1002,1004"
    assert track["job"]["shot"] == f"{tmp_path.as_posix()}/plates/sh.####.exr"
    assert track["folder"] == people["folder"] == str(tmp_path / "mattes" / "VideoInstanceMatte" / "layers.tracks")
    assert nuke.bars[0].name == "VideoInstanceMatte: Find people"
    assert any("Finding people in Read1" in line for line in nuke.bars[0].said)


def test_matte_finds_people_writes_and_shows_everybody(nuke: Any, matte: Any, tmp_path: Path) -> None:
    press(matte, "matte")
    assert [r["request"] for r in requests(tmp_path)] == ["track", "people", "run"]
    assert requests(tmp_path)[-1]["job"]["resume"] is True
    folder = f"{tmp_path.as_posix()}/mattes/VideoInstanceMatte"
    made = beside(matte)
    assert set(made) == {"Read1", "layers", "matte_anna", "matte_bruno", "crypto_layers", "cryptomatte"}
    read = made["layers"]
    assert read["file"].value() == f"{folder}/layers.####.exr"
    assert [read[k].value() for k in ("first", "last", "origfirst", "origlast")] == [1001, 1004, 1001, 1004]
    assert [read[k].value() for k in ("raw", "on_error", "before", "after")] == [True, "black", "black", "black"]
    assert nuke.added == {"anna": ("anna.alpha",), "bruno": ("bruno.alpha",)}
    shuffle = made["matte_bruno"]
    assert shuffle.input(0) is read
    assert (shuffle["in1"].value(), shuffle["label"].value()) == ("bruno", "bruno")
    assert shuffle["mappings"].value() == [(0, "bruno.alpha", f"rgba.{c}") for c in ("red", "green", "blue", "alpha")]
    assert made["cryptomatte"].input(0) is made["crypto_layers"]
    assert made["cryptomatte"]["matteList"].value() == "anna, bruno"
    assert read.place[0] > 500
    assert matte["said"].value().splitlines() == [
        f"3 frames of 2 people in {folder}.", "Without layers, because the plate lacks them: 1003.", "buy memory",
    ]  # fmt: skip
    assert nuke.messages == []
    assert nuke.bars[0].progress[-1] == 99


def test_pressed_again_it_keeps_nodes_wires_and_places(nuke: Any, matte: Any, tmp_path: Path) -> None:
    press(matte, "matte")
    before = beside(matte)
    before["matte_anna"].setXYpos(-1, -2)
    before["matte_anna"].setName("hero")
    nuke.delete(before["matte_bruno"])
    graded = nuke.nodes.Grade(name="Grade1", inputs=[before["matte_anna"]])
    matte["people"].setValue("1 Anna K.\n2 bruno")
    press(matte, "matte")
    edits = requests(tmp_path)[3]
    assert edits["request"] == "tracks-edit"
    assert edits["edits"] == [["rename", {"1": "Anna_K", "2": "bruno"}]]
    after = beside(matte)
    assert after["layers"] is before["layers"]
    assert after["layers"]["reload"].presses == 1
    assert set(after) == {"Read1", "layers", "hero", "matte_Anna_K", "matte_bruno", "crypto_layers", "cryptomatte"}
    assert graded.input(0) is before["matte_anna"], "what the artist renamed is the artist's"
    assert after["matte_Anna_K"]["in1"].value() == "Anna_K"
    assert after["matte_bruno"].input(0) is before["layers"]
    assert matte["people"].value() == "1 Anna_K\n2 bruno"


def test_a_renamed_person_keeps_the_node(nuke: Any, matte: Any) -> None:
    press(matte, "matte")
    before = beside(matte)["matte_anna"]
    before.setXYpos(-1, -2)
    matte["people"].setValue("1 hero\n2 bruno")
    press(matte, "matte")
    assert beside(matte)["matte_anna"] is before
    assert (before["in1"].value(), before["label"].value(), before.place) == ("hero", "hero", (-1, -2))
    assert beside(matte)["cryptomatte"]["matteList"].value() == "hero, bruno"


def test_somebody_left_out_loses_the_node_unless_it_is_used(nuke: Any, matte: Any, tmp_path: Path) -> None:
    press(matte, "matte")
    nuke.nodes.Grade(name="Grade1", inputs=[beside(matte)["matte_bruno"]])
    matte["people"].setValue("1 anna")
    press(matte, "matte")
    assert requests(tmp_path)[3]["edits"] == [["drop", 2], ["rename", {"1": "anna"}]]
    assert beside(matte)["matte_bruno"]["label"].value() == "no longer in the layers"
    assert "matte_anna" in beside(matte)


def test_merged_people_lose_a_node(nuke: Any, matte: Any) -> None:
    press(matte, "matte")
    matte["people"].setValue("1+2 anna")
    press(matte, "matte")
    assert "matte_bruno" not in beside(matte)
    assert matte["people"].value() == "1 anna"


def test_people_are_found_anew_when_the_shot_is_another(nuke: Any, matte: Any, tmp_path: Path) -> None:
    press(matte, "find_people")
    press(matte, "matte")
    assert [r["request"] for r in requests(tmp_path)][2:] == ["tracks-edit", "run"]
    nuke.toNode("Read1")["file"].setValue(f"{tmp_path.as_posix()}/plates/other.mov")
    press(matte, "matte")
    assert [r["request"] for r in requests(tmp_path)][4:] == ["track", "people", "run"]
    assert requests(tmp_path)[-1]["job"]["start_frame"] == 1


def test_a_copy_makes_nodes_of_its_own(nuke: Any, matte: Any) -> None:
    press(matte, "matte")
    import vimatte_nuke

    nuke.select(nuke.toNode("Read1"))
    copy = vimatte_nuke.create()
    copy["state"].setValue(matte["state"].value())
    press(copy, "matte")
    assert {"layers", "layers1", "matte_anna", "matte_anna1"} <= set(beside(matte))
    assert "/VideoInstanceMatte1/" in beside(matte)["layers1"]["file"].value()
    assert "/VideoInstanceMatte/" in beside(matte)["layers"]["file"].value()


def test_inside_a_group_the_nodes_stay_inside(nuke: Any, matte: Any) -> None:
    outer = nuke.nodes.Group(name="Outer")
    read = nuke.toNode("Read1")
    with outer:
        inside = nuke.nodes.Read(name="Read1", file=read["file"].value(), first=1001, last=1004)
        nuke.select(inside)
        import vimatte_nuke

        node = vimatte_nuke.create()
    press(node, "matte")
    assert {"layers", "matte_anna"} <= {n.name() for n in outer.children}
    assert nuke.toNode("layers") is None


@pytest.mark.parametrize("manner", ["slow", "deaf"])
def test_cancel_in_the_progress_bar(
    nuke: Any, matte: Any, engine: Callable[[str], None], manner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vimatte_nuke

    engine(manner)
    nuke.cancel_bars = True
    vimatte_nuke._load()
    monkeypatch.setattr(sys.modules["vimatte_plugin.nuke.vimatte_glue.work"], "_GRACE", 0.3)
    press(matte, "matte")
    assert matte["said"].value().startswith("Cancelled")
    assert nuke.messages == []
    assert set(beside(matte)) == {"Read1"}
    nuke.cancel_bars = False
    engine("well")
    sys.modules["vimatte_plugin.nuke.vimatte_glue.session"].current._engine.kill()
    press(matte, "matte")
    assert "matte_anna" in beside(matte), "and it starts again"


def test_cancel_from_a_script(nuke: Any, matte: Any, engine: Callable[[str], None]) -> None:
    import vimatte_nuke

    engine("slow")
    nuke.press(matte, "matte")
    vimatte_nuke.cancel()
    nuke.pump(idle)
    assert matte["said"].value().startswith("Cancelled")


@pytest.mark.parametrize(
    ("manner", "says"), [("crash", "The engine went away"), ("fails", "No room is left; choose another Folder.")]
)
def test_what_goes_wrong_is_one_message(
    nuke: Any, matte: Any, engine: Callable[[str], None], manner: str, says: str
) -> None:
    engine(manner)
    press(matte, "matte")
    (message,) = nuke.messages
    assert message.startswith(says)
    assert matte["said"].value() == message
    assert matte["people"].value() == "1 anna\n2 bruno", "people were found before that"
    assert set(beside(matte)) == {"Read1"}


def test_only_one_thing_runs_at_a_time(nuke: Any, matte: Any, engine: Callable[[str], None]) -> None:
    import vimatte_nuke

    engine("slow")
    nuke.press(matte, "matte")
    nuke.press(matte, "find_people")
    (message,) = nuke.messages
    assert message.startswith("VideoInstanceMatte: Matte still runs")
    vimatte_nuke.cancel()
    nuke.pump(idle)


def test_a_script_that_closes_takes_its_work_along(nuke: Any, matte: Any, engine: Callable[[str], None]) -> None:
    engine("slow")
    nuke.press(matte, "matte")
    (close,) = nuke.on_close
    old = sys.modules["vimatte_plugin.nuke.vimatte_glue.session"].current._engine
    close()
    assert idle()
    nuke.pump(lambda: not any(t.name == "vimatte" for t in threading.enumerate()))
    nuke.pump(nuke._calls.empty)
    assert matte["said"].value() == " "
    assert nuke.messages == []
    assert not old.alive
    engine("well")
    press(matte, "matte")
    assert "matte_anna" in beside(matte), "what comes next has an engine of its own"


def test_a_node_that_was_deleted_meanwhile(nuke: Any, matte: Any) -> None:
    nuke.press(matte, "find_people")
    nuke.delete(matte)
    nuke.pump(idle)
    (message,) = nuke.messages
    assert message.startswith("The node VideoInstanceMatte is gone; what was written is in ")


def test_what_the_artist_can_put_right_is_a_message(
    nuke: Any, matte: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    press(matte, "find_people")
    matte["people"].setValue("who is that")
    press(matte, "matte")
    read = matte.input(0)
    matte.setInput(0, None)
    press(matte, "find_people")
    matte.setInput(0, nuke.nodes.Grade(name="Grade1", inputs=[read]))
    press(matte, "find_people")
    matte.setInput(0, read)
    matte["engine"].setValue(str(tmp_path / "nowhere"))
    press(matte, "find_people")
    lines, unconnected, graded, lost = nuke.messages
    assert lines.startswith("Line 1 of People is 'who is that'")
    assert unconnected.startswith("No Read is connected")
    assert graded.startswith("Between VideoInstanceMatte and its Read is Grade1 (Grade)")
    assert lost.startswith("There is no vimatte engine at ")
    assert "the node's Engine knob" in lost
    assert len(requests(tmp_path)) == 2


def test_without_a_window_it_waits_and_raises(nuke: Any, matte: Any, engine: Callable[[str], None]) -> None:
    import vimatte_nuke

    with nuke.without_a_window():
        vimatte_nuke.matte(matte)
        assert "matte_anna" in beside(matte)
        assert any(line.startswith("Matting Read1") for line in nuke.printed)
        matte["people"].setValue("")
        with pytest.raises(RuntimeError, match="no line left"):
            vimatte_nuke.matte(matte)
    assert nuke.bars == []


def test_a_button_tells_of_a_missing_plug_in(nuke: Any, matte: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vimatte_nuke", None)
    nuke.press(matte, "matte")
    (message,) = nuke.messages
    assert "not on the plug-in path" in message
