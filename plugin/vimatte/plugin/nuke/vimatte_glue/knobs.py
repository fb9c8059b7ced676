"""The knobs of a Video Instance Matte, as values."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COLOURS", "DEVICES", "FINDERS", "KNOBS", "MATTING", "PROXIES", "RANGES", "KnobSpec", "button"]

FINDERS = ("auto", "blazepose", "videomt", "sam3", "sam2", "edgetam", "detect")
"""People finders; masks that are given are followed by auto."""
MATTING = ("lite", "classical", "rvm", "msg-vim", "instmatt", "maggie", "oavm", "masks")
DEVICES = ("auto", "cpu", "cuda", "mps")
RANGES = ("input", "project", "custom")
PROXIES = ("full", "half", "quarter")
COLOURS = ("from the Read", "from the file")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnobSpec:
    """One knob."""

    kind: str
    """Nuke's class."""
    name: str
    label: str = ""
    tip: str = ""
    default: str | int | bool | None = None
    choices: tuple[str, ...] = ()
    command: str = ""
    """Of a button: Python that Nuke runs."""
    hidden: bool = False
    own_line: bool = True
    """False: to the right of the knob before."""


def button(action: str) -> str:
    """Write the Python of a button; where the plug-in is not installed it says so instead of a traceback."""
    return (
        "try:\n"
        "    import vimatte_nuke\n"
        "except ImportError:\n"
        "    nuke.message('The vimatte folder is not on the plug-in path of this Nuke; see docs/nuke.md of vimatte.')\n"
        "else:\n"
        f"    vimatte_nuke.{action}\n"
    )


KNOBS = (
    KnobSpec(kind="Tab_Knob", name="vimatte", label="Video Instance Matte"),
    KnobSpec(
        kind="File_Knob",
        name="masks",
        label="Masks",
        tip="Optional, and best: a mask of each person on one frame. One picture, or a folder with a folder a person.",
    ),
    KnobSpec(
        kind="Enumeration_Knob",
        name="finder",
        label="Find people with",
        choices=FINDERS,
        tip="auto: masks are followed where they are given, else the best finder that is installed finds people.",
    ),
    KnobSpec(
        kind="String_Knob",
        name="prompt",
        label="Prompt",
        tip="What to find instead of people ('dog'; with sam3 any words: 'red car'; with sam2 boxes and clicks).",
        own_line=False,
    ),
    KnobSpec(
        kind="Int_Knob",
        name="max_people",
        label="Max people",
        default=0,
        tip="Keep at most so many people; 0: all.",
    ),
    KnobSpec(
        kind="Enumeration_Knob",
        name="matting",
        label="Matting",
        choices=MATTING,
        tip="Matting model; what weights each needs: vimatte weights list.",
    ),
    KnobSpec(
        kind="Enumeration_Knob",
        name="resolution",
        label="Resolution",
        choices=PROXIES,
        tip="Matte at half or quarter size for a quick look; layers keep the plate's size.",
        own_line=False,
    ),
    KnobSpec(
        kind="Enumeration_Knob",
        name="range",
        label="Range",
        choices=RANGES,
        tip="input: every frame of the Read; project: the script's frames; custom: the frames on the right.",
    ),
    KnobSpec(kind="Int_Knob", name="first", label="", default=1001, tip="First frame, custom range.", own_line=False),
    KnobSpec(kind="Int_Knob", name="last", label="", default=1100, tip="Last frame, custom range.", own_line=False),
    KnobSpec(
        kind="Enumeration_Knob",
        name="colour",
        label="Colour",
        choices=COLOURS,
        tip="Where the plate's colour space is taken from. Mattes are never converted.",
    ),
    KnobSpec(
        kind="Enumeration_Knob",
        name="device",
        label="Device",
        choices=DEVICES,
        tip="auto takes the GPU where there is one.",
    ),
    KnobSpec(
        kind="File_Knob",
        name="folder",
        label="Folder",
        default="[file dirname [value root.name]]/mattes",
        tip="Layers go into a folder in it that has this node's name.",
    ),
    KnobSpec(
        kind="Boolean_Knob",
        name="cryptomatte",
        label="Cryptomatte",
        default=True,
        tip="Write a Cryptomatte as well, and place its node.",
    ),
    KnobSpec(
        kind="Boolean_Knob",
        name="plate",
        label="Plate in the layers",
        default=False,
        tip="Write the plate as rgb, and everybody together as alpha, beside the people: large files.",
        own_line=False,
    ),
    KnobSpec(
        kind="Boolean_Knob",
        name="redo",
        label="Redo all",
        default=False,
        tip="Make frames anew that are whole, for when the plate itself was rendered again.",
        own_line=False,
    ),
    KnobSpec(
        kind="PyScript_Knob",
        name="find_people",
        label="Find people",
        command=button("find_people(nuke.thisNode())"),
        tip="Find and follow everybody; they are listed below.",
    ),
    KnobSpec(
        kind="PyScript_Knob",
        name="matte",
        label="Matte",
        command=button("matte(nuke.thisNode())"),
        tip="Write the mattes and read them beside this node; goes on where it was stopped.",
        own_line=False,
    ),
    KnobSpec(
        kind="Multiline_Eval_String_Knob",
        name="people",
        label="People",
        tip="One line a person: id and name. Change the name, delete the line to leave somebody out, write '2+5 bruno' "
        "for somebody who was found twice; then press Matte.",
    ),
    KnobSpec(kind="Text_Knob", name="said", label="", default=" "),
    KnobSpec(
        kind="File_Knob",
        name="engine",
        label="Engine",
        tip="The vimatte program, its Python or the folder of its virtual environment; empty: $VIMATTE_ENGINE, then "
        "the usual places.",
    ),
    KnobSpec(kind="String_Knob", name="state", default="", hidden=True),
)
