"""The engine speaks of its command line and of an add-on; an artist in Nuke has knobs."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["in_nuke", "summary"]

_SENTENCES = (
    ("narrow it with --frames or ", ""),
    ("add a frame that has a mask to --frames", "widen Range to a frame that has a mask"),
    ("track this shot anew with: vimatte track", "press Find people again"),
    ("track the shot anew with: vimatte track", "press Find people again"),
    ("--frames ", "Range "),
    ("give a mask of each person on one frame with --masks, or look more often with --detect-every 1", "give Masks"),
    ("type for instance --in-space ACEScg", "set it in the Read, and Colour to 'from the Read'"),
    ("go on with --resume, or choose another --out", "press Matte again, or choose another Folder"),
    ("--resume goes on from here", "Matte goes on from here"),
    ("choose another --out", "choose another Folder"),
    ("go on with --resume", "press Matte again"),
    ("the add-on's preferences", "the node's Engine knob"),
    ("the add-on's setting", "the node's Engine knob"),
    ("this add-on", "this Nuke plug-in"),
)


_OPTIONS = (
    (r"\btype (?=--)", "set "),
    (r"--device\b", "Device"),
    (r"--frames\b", "Range"),
    (r"--in-space( NAME\b)?", "the Read's colour space"),
    (r"--masks( DIR\b)?", "Masks"),
    (r"--matting\b", "Matting"),
    (r"--ocio( config\.ocio\b)?", "the project's OCIO config"),
    (r"--out\b", "Folder"),
    (r"--overwrite\b", "Redo all"),
    (r"--prompt\b", "Prompt"),
    (r"--proxy 2\b", "Resolution half"),
    (r"--resume\b", "Matte"),
    (r"--vis\b", "Find people with"),
)


def in_nuke(sentence: str) -> str:
    """Say the same with the words on the knobs; commands that belong in a terminal stay."""
    for typed, pressed in _SENTENCES:
        sentence = sentence.replace(typed, pressed)
    for option, knob in _OPTIONS:
        sentence = re.sub(option, knob, sentence)
    return sentence


def summary(*, people: int, frames: int, folder: str, missing: str = "", warnings: Iterable[str] = ()) -> str:
    """Say what was written, what was not because the plate lacks it, and what the engine warned of."""
    said = [f"{_count(frames, 'frame', 'frames')} of {_count(people, 'person', 'people')} in {folder}."]
    if missing:
        said.append(f"Without layers, because the plate lacks them: {missing.replace(',', ', ')}.")
    said += [in_nuke(w) for w in warnings]
    return "\n".join(said)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
