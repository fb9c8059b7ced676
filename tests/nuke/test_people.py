"""The People knob: lines to edits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vimatte.ocio.layer_name import RESERVED_NAMES, safe_name
from vimatte.plugin.nuke.vimatte_glue.errors import UserError
from vimatte.plugin.nuke.vimatte_glue.people import edits_of, layer_name, people_text

PEOPLE = [{"id": 1, "name": "anna"}, {"id": 2, "name": "bruno"}, {"id": 5, "name": "person_05"}]
IDS = (1, 2, 5)


def test_untouched_lines_name_everybody_as_they_are() -> None:
    text = people_text(PEOPLE)
    assert text == "1 anna\n2 bruno\n5 person_05"
    assert edits_of(text, IDS) == [["rename", {"1": "anna", "2": "bruno", "5": "person_05"}]]


def test_names_merges_and_drops() -> None:
    assert edits_of("\n 2 + 5  Bruno B. \n\n", IDS) == [["merge", 2, 5], ["drop", 1], ["rename", {"2": "Bruno_B"}]]
    assert edits_of("1 bruno\n2 anna\n5 5", IDS) == [["rename", {"1": "bruno", "2": "anna", "5": "p_5"}]]
    assert edits_of("1 anna\n2 anna\n5 anna", IDS) == [["rename", {"1": "anna", "2": "anna_2", "5": "anna_3"}]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("anna", "Line 1 of People is 'anna'"),
        ("1 anna\n2", "Line 2"),
        ("1 anna\n7 carla", "The id 7 in line 2 of People is nobody; there is: 1, 2, 5"),
        ("1 anna\n1 carla", "is there twice"),
        ("1+1 anna", "is there twice"),
        ("", "no line left"),
        (" \n", "no line left"),
    ],
)
def test_lines_that_mean_nothing_are_one_sentence(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says.replace("+", r"\+")):
        edits_of(text, IDS)


@settings(deadline=None)
@given(st.one_of(st.text(max_size=80), st.sampled_from(sorted(RESERVED_NAMES))))
def test_names_are_what_the_engine_would_make_of_them(text: str) -> None:
    assert layer_name(text) == safe_name(text)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["anna", "anna!", "a" * 60, "ü", ""]), max_size=6))
def test_nobody_has_the_name_of_another(wanted: list[str]) -> None:
    names: list[str] = []
    for text in wanted:
        names.append(layer_name(text, taken=names))
        assert safe_name(names[-1]) == names[-1]
    assert len(set(names)) == len(names)
