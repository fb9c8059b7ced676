"""The engine speaks of its command line and of an add-on; an artist in Nuke has knobs."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["WORDS", "in_nuke", "summary"]

WORDS = (
    ("narrow it with --frames or ", ""),
    ("add a frame that has a mask to --frames", "widen Range to a frame that has a mask"),
    ("track this shot anew with: vimatte track", "press Find people again"),
    ("track the shot anew with: vimatte track", "press Find people again"),
    ("--frames ", "Range "),
    ("give a mask of each person on one frame with --masks, or look more often with --detect-every 1", "give Masks"),
    ("type for instance --in-space ACEScg", "set Colour to 'from the Read'"),
    ("go on with --resume, or choose another --out", "press Matte again, or choose another Folder"),
    ("--resume goes on from here", "Matte goes on from here"),
    ("choose another --out", "choose another Folder"),
    ("the add-on's preferences", "the node's Engine knob"),
    ("the add-on's setting", "the node's Engine knob"),
    ("this add-on", "this Nuke plug-in"),
)


def in_nuke(sentence: str) -> str:
    """Say the same with the words on the knobs."""
    for typed, pressed in WORDS:
        sentence = sentence.replace(typed, pressed)
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
