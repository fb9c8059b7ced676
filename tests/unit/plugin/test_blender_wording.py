"""What the engine says of its command line is said in the panel's words."""

from __future__ import annotations

from vimatte.plugin.blender.wording import WORDS, in_the_panel


def test_advice_to_type_becomes_advice_to_press() -> None:
    typed = "The tracks hold 1002, --frames 1002-1003 asks for 1003; track the shot anew with: vimatte track"
    assert in_the_panel(typed) == "The tracks hold 1002, the range 1002-1003 asks for 1003; press Find people again"
    assert in_the_panel("The disk is full.") == "The disk is full."
    assert all("--" not in pressed for _, pressed in WORDS)
