"""The engine speaks of its command line; an artist has a panel."""

from __future__ import annotations

__all__ = ["WORDS", "in_the_panel"]

WORDS = (
    ("narrow it with --frames or ", ""),
    ("add a frame that has a mask to --frames", "widen Start and Duration to a frame that has a mask"),
    ("track this shot anew with: vimatte track", "press Find people again"),
    ("track the shot anew with: vimatte track", "press Find people again"),
    ("--frames ", "the range "),
    ("give a mask of each person on one frame with --masks, or look more often with --detect-every 1", "give a mask"),
    ("type for instance --in-space ACEScg", "set its Color Space in Blender"),
    ("go on with --resume, or choose another --out", "press Matte again, or choose another Folder"),
    ("--resume goes on from here", "Matte goes on from here"),
    ("choose another --out", "choose another Folder"),
    ("type --compression zip", "install a newer engine"),
)


def in_the_panel(sentence: str) -> str:
    """Say the same with the panel's words."""
    for typed, pressed in WORDS:
        sentence = sentence.replace(typed, pressed)
    return sentence
