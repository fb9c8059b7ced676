"""From knobs to the engine's job, and from its answer to what is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vimatte.engine.job_file import job_from_mapping
from vimatte.engine.registry import MATTING, VIS
from vimatte.plugin.bridge import in_runs
from vimatte.plugin.nuke.vimatte_glue.colour import Colour
from vimatte.plugin.nuke.vimatte_glue.errors import UserError
from vimatte.plugin.nuke.vimatte_glue.graph import Person
from vimatte.plugin.nuke.vimatte_glue.knobs import FINDERS, KNOBS, button
from vimatte.plugin.nuke.vimatte_glue.knobs import MATTING as MATTING_KNOB
from vimatte.plugin.nuke.vimatte_glue.paths import plain_path, whole_path
from vimatte.plugin.nuke.vimatte_glue.plan import Plan, Plate, Settings, Upstream, make_plan, plate_of
from vimatte.plugin.nuke.vimatte_glue.state import State
from vimatte.plugin.nuke.vimatte_glue.wording import in_nuke, summary

NUKES_OWN = Colour(managed_by_ocio=False)
SETTINGS = Settings(node="VIM 1", folder="/comp/mattes")
PLATE = Plate(node="Read1", file="/plates/sh.%04d.exr", first=1001, last=1010)
PEOPLE = [{"id": 1, "name": "anna"}, {"id": 4, "name": "bruno"}]


def planned(read: Plate = PLATE, **settings: Any) -> Plan:
    return make_plan(replace(SETTINGS, **settings), read, colour=NUKES_OWN)


def test_a_sequence_becomes_a_job_that_the_engine_takes() -> None:
    plan = planned()
    assert plan.folder == Path("/comp/mattes/VIM_1")
    assert dict(plan.job) == {
        "shot": "/plates/sh.%04d.exr",
        "out": str(Path("/comp/mattes/VIM_1/layers.####.exr")),
        "missing": "skip",
        "vis": "auto",
        "matting": "lite",
        "device": "auto",
        "cryptomatte": True,
        "plate": False,
        "proxy": 1,
        "frames": "1001-1010",
        "working_space": "source",
    }
    for fields in (plan.finding(), plan.matting(), planned(redo=True).matting()):
        job_from_mapping(fields["job"])


def test_every_knob_reaches_the_job() -> None:
    plan = planned(
        masks="/m", finder="sam3", prompt="red car", matting="rvm", device="cuda", max_people=3, proxy=4,
        cryptomatte=False, plate=True,
    )  # fmt: skip
    wanted = {
        "masks": "/m", "vis": "sam3", "prompt": "red car", "matting": "rvm", "device": "cuda", "max_instances": 3,
        "proxy": 4, "cryptomatte": False, "plate": True,
    }  # fmt: skip
    assert {k: plan.job[k] for k in wanted} == wanted
    finding, matting = plan.finding(), plan.matting()
    assert finding["folder"] == str(plan.tracks)
    assert finding["job"] == {**plan.job, "overwrite": True}
    assert matting["job"]["tracks"] == str(plan.tracks)
    assert matting["job"]["resume"] is True
    assert {"masks", "vis", "prompt", "max_instances", "overwrite"}.isdisjoint(matting["job"]), "people are found"
    again = planned(redo=True).matting()["job"]
    assert again["overwrite"] is True
    assert "resume" not in again


def test_the_working_space_matters_only_to_a_plate_that_is_written() -> None:
    managed = Colour(managed_by_ocio=True, working="ACES - ACEScg")
    read = replace(PLATE, colorspace="ACEScct")
    for plate, working in ((True, "ACES - ACEScg"), (False, "source")):
        job = make_plan(replace(SETTINGS, plate=plate), read, colour=managed).job
        assert (job["in_space"], job["working_space"]) == ("ACEScct", working)


def test_a_movie_is_counted_from_one_and_a_still_has_no_numbers() -> None:
    movie = planned(replace(PLATE, file="/plates/sh.MOV", first=5, last=9))
    assert (movie.job["start_frame"], movie.job["frames"]) == (1, "5-9")
    assert movie.asked == (5, 6, 7, 8, 9)
    still = planned(replace(PLATE, file="/plates/sh_v002.exr", first=1, last=1))
    assert still.job["out"] == str(Path("/comp/mattes/VIM_1/layers.exr"))
    assert "frames" not in still.job
    assert still.asked == ()
    assert still.written(PEOPLE, [0]).numbers == ()
    assert still.written(PEOPLE, [0]).file == "/comp/mattes/VIM_1/layers.exr"


def test_one_file_of_a_sequence_is_a_still_with_a_number(tmp_path: Path) -> None:
    for name in ("sh.1001.exr", "sh.1002.exr", "alone.0007.exr", "take_v002.exr", "take_v003.exr"):
        (tmp_path / name).touch()

    def still(name: str) -> tuple[str, str | None, str]:
        plan = planned(replace(PLATE, file=f"{tmp_path.as_posix()}/{name}", first=1, last=1))
        shown = plan.written(PEOPLE, [1002])
        assert shown.numbers == ()
        return Path(plan.job["out"]).name, plan.job.get("frames"), Path(shown.file).name

    assert still("sh.1002.exr") == ("layers.####.exr", "1002", "layers.1002.exr")
    for name in ("alone.0007.exr", "take_v002.exr"):
        assert still(name) == ("layers.exr", None, "layers.exr")


def test_frames_that_the_sequence_lacks_are_not_asked_for_but_told(tmp_path: Path) -> None:
    for n in (1000, 1001, 1002, 1005, 1011, 10010):
        (tmp_path / f"sh.{n}.exr").touch()
    (tmp_path / "sh.1003.tif").touch()
    plan = planned(replace(PLATE, file=f"{tmp_path.as_posix()}/sh.####.exr"))
    assert plan.job["frames"] == "1001-1002,1005"
    assert in_runs(plan.missing([1001, 1002, 1005])) == "1003-1004,1006-1010"
    written = plan.written(PEOPLE, [1005, 1001, 1002, 1002])
    assert written.numbers == (1001, 1002, 1005)
    assert written.gaps


@pytest.mark.parametrize(
    ("mode", "frame", "span", "frames"),
    [
        ("expression", "", (1003, 1004), "1003-1004"),
        ("expression", "", (990, 1002), "1001-1002"),
        ("expression", "", (1009, 2000), "1009-1010"),
        ("start at", "1", (1, 3), "1001-1003"),
        ("start_at", "11", (1, 12), "1001-1002"),
        ("offset", "-1000", (2, 3), "1002-1003"),
        ("offset", "100", (1101, 1102), "1001-1002"),
        ("expression", "", (1004, 1003), "1003-1004"),
    ],
)
def test_frames_of_the_script_become_numbers_of_files(
    mode: str, frame: str, span: tuple[int, int], frames: str
) -> None:
    plate = replace(PLATE, frame_mode=mode, frame=frame)
    assert planned(plate, range="custom", frames=span).job["frames"] == frames
    assert planned(plate, range="project", frames=span).job["frames"] == frames
    assert planned(plate, frames=span).job["frames"] == "1001-1010", "the input's range needs no shift"


def test_layers_are_shifted_in_time_as_the_plate_is() -> None:
    def shift(mode: str, frame: str, numbers: list[int]) -> tuple[str, str]:
        written = planned(replace(PLATE, frame_mode=mode, frame=frame)).written(PEOPLE, numbers)
        return written.frame_mode, written.frame

    assert shift("expression", "", [1001]) == ("", "")
    assert shift("expression", "frame*2", [1001]) == ("expression", "frame*2")
    assert shift("offset", "-1000", [1004]) == ("offset", "-1000")
    assert shift("start at", "1", [1001, 1002]) == ("start at", "1")
    assert shift("start at", "1", [1004, 1005]) == ("start at", "4"), "file 1004 is shown on frame 4"


def test_what_was_written_is_shown() -> None:
    written = planned().written(PEOPLE, range(1001, 1011))
    assert written.file == "/comp/mattes/VIM_1/layers.####.exr"
    assert written.crypto == "/comp/mattes/VIM_1/layers_crypto.####.exr"
    assert written.people == (Person(id=1, name="anna"), Person(id=4, name="bruno"))
    assert (written.numbers[0], written.numbers[-1], written.gaps, written.coloured) == (1001, 1010, False, False)
    assert planned(cryptomatte=False).written(PEOPLE, [1001]).crypto == ""


@pytest.mark.parametrize(
    ("plate", "settings", "says"),
    [
        ({"file": ""}, {}, "has no file"),
        ({"file": "sh.%04d.exr"}, {}, "project directory"),
        ({"file": "/plates/%V/sh.%04d.exr"}, {}, "several views"),
        ({}, {"folder": "./mattes"}, "save the script"),
        ({}, {"folder": ""}, "save the script"),
        ({}, {"folder": "/comp/take [2]"}, "expression"),
        ({}, {"folder": "/comp/sh##"}, "frame number"),
        ({}, {"range": "custom", "frames": (1, 10)}, "shows nothing on frames 1 to 10"),
        ({"frame": "frame*2", "frame_mode": "expression"}, {"range": "project"}, "'input'"),
        ({"frame": "soon", "frame_mode": "offset"}, {"range": "project"}, "no number"),
    ],
)
def test_what_cannot_be_followed_is_one_sentence(plate: dict[str, Any], settings: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        planned(replace(PLATE, **plate), **settings)
    assert "\n" not in str(caught.value)


def test_the_read_is_found_through_nodes_that_change_nothing() -> None:
    def node(kind: str, *, disabled: bool = False) -> Upstream:
        return Upstream(kind=kind, name=f"{kind}1", disabled=disabled)

    assert plate_of([node("Read")], node="VIM") == "Read1"
    assert plate_of([node("Dot"), node("NoOp"), node("Grade", disabled=True), node("Read")], node="VIM") == "Read1"
    with pytest.raises(UserError, match="Grade1"):
        plate_of([node("Dot"), node("Grade"), node("Read")], node="VIM")
    for chain in ([], [node("Dot")]):
        with pytest.raises(UserError, match="No Read is connected to VIM"):
            plate_of(chain, node="VIM")


def test_paths() -> None:
    assert whole_path("a/b.exr", project="/proj/") == "/proj/a/b.exr"
    assert whole_path("/a/b.exr", project="/proj") == "/a/b.exr"
    assert whole_path("", project="/proj") == ""
    assert whole_path("a", project="") == "a"
    assert plain_path(Path("/a b/Zoë/layers.####.exr")) == "/a b/Zoë/layers.####.exr"


def test_the_state_is_read_back_and_holds_no_backslash() -> None:
    state = State(
        shot="/plätes/sh.%04d.exr", ids=(1, 4), owner="VIM", made={"layers": "layers1", "person:1": "matte_anna"}
    )
    assert State.parse(state.text()) == state
    assert "\\" not in state.text()
    for text in ("", "{}", "[]", "null", '{"shot": 1}', '{"shot": "", "ids": 3, "owner": "", "made": {}}'):
        assert State.parse(text) == State()


def test_a_copy_leaves_the_nodes_to_its_original() -> None:
    state = State(owner="VIM", made={"layers": "layers1"})
    assert state.nodes_of("VIM", there={"VIM", "layers1"}) == {"layers": "layers1"}
    assert state.nodes_of("VIM2", there={"VIM", "VIM2", "layers1"}) == {}, "a copy"
    assert state.nodes_of("People", there={"People", "layers1"}) == {"layers": "layers1"}, "renamed"


def test_the_knobs_offer_what_the_engine_has() -> None:
    assert set(FINDERS) == {"auto", *VIS.names()} - {"masks"}
    assert set(MATTING_KNOB) >= set(MATTING.names())
    names = [k.name for k in KNOBS]
    assert len(set(names)) == len(names)
    for knob in KNOBS:
        assert "\n" not in knob.tip
        compile(knob.command, knob.name, "exec")
    assert "vimatte_nuke.matte(nuke.thisNode())" in button("matte(nuke.thisNode())")


def test_sentences_speak_of_knobs() -> None:
    for typed, pressed in (
        ("Something changed: track the shot anew with: vimatte track", "Something changed: press Find people again"),
        ("The GPU ran out of memory in tracking; type --device cpu, or --proxy 2 for mattes at half the size.",
         "The GPU ran out of memory in tracking; set Device cpu, or Resolution half for mattes at half the size."),
        ("The disk is full; free some space and go on with --resume, or choose another --out.",
         "The disk is full; free some space and press Matte again, or choose another Folder."),
        ("name the space with --in-space, or a config that has it with --ocio.",
         "name the space with the Read's colour space, or a config that has it with the project's OCIO config."),
        ("Nobody was found; give another folder with --weights, or another people finder with --vis.",
         "Nobody was found; give another folder with --weights, or another people finder with Find people with."),
        ("type: vimatte weights pull rvm", "type: vimatte weights pull rvm"),
    ):  # fmt: skip
        assert in_nuke(typed) == pressed
    assert summary(people=1, frames=1, folder="/f") == "1 frame of 1 person in /f."
    assert summary(people=2, frames=3, folder="/f", missing="3,5-6", warnings=["--frames 1-2 is long."]) == (
        "3 frames of 2 people in /f.\nWithout layers, because the plate lacks them: 3, 5-6.\nRange 1-2 is long."
    )
