"""The node graph of written layers, and the script it becomes, node by node."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vimatte.plugin.nuke.vimatte_glue.graph import Changes, Graph, Person, Written, build_graph, changes_to
from vimatte.plugin.nuke.vimatte_glue.script import nk_script, nk_value

from support.nk import NkError, parse_nk

ANNA, BRUNO = Person(id=1, name="anna"), Person(id=7, name="bruno_2")
WRITTEN = Written(file="/shots/a b/layers.####.exr", people=(ANNA, BRUNO), numbers=(1001, 1002, 1003))
CRYPTO = "/shots/a b/layers_crypto.####.exr"


def script_of(written: Written, **root: str | int | bool) -> str:
    return nk_script(build_graph(written, x=100, y=-20), root=root)


def test_a_read_and_a_shuffle_for_each_person() -> None:
    script = parse_nk(script_of(WRITTEN))
    assert script.layers == {"anna": ("anna.alpha",), "bruno_2": ("bruno_2.alpha",)}
    assert [n.kind for n in script.nodes] == ["Read", "Shuffle2", "Shuffle2"]
    read, *shuffles = script.nodes
    assert read.inputs == []
    assert read.knobs["file"] == "/shots/a b/layers.####.exr"
    assert {k: read.knobs[k] for k in ("first", "last", "origfirst", "origlast", "origset")} == {
        "first": "1001", "last": "1003", "origfirst": "1001", "origlast": "1003", "origset": "true",
    }  # fmt: skip
    assert (read.knobs["raw"], read.knobs["on_error"]) == ("true", "error")
    assert (read.knobs["before"], read.knobs["after"]) == ("black", "black")
    assert list(read.knobs).index("file") < list(read.knobs).index("first"), "a new file makes Nuke forget the range"
    for shuffle, name in zip(shuffles, ("anna", "bruno_2"), strict=True):
        assert shuffle.inputs == [read]
        assert (shuffle.knobs["in1"], shuffle.knobs["label"], shuffle.name) == (name, name, f"matte_{name}")
        assert shuffle.mappings == [(f"{name}.alpha", f"rgba.{c}") for c in ("red", "green", "blue", "alpha")]
    assert len({(n.knobs["xpos"], n.knobs["ypos"]) for n in script.nodes}) == 3
    assert (read.knobs["xpos"], read.knobs["ypos"]) == ("100", "-20")


def test_people_with_a_colour_of_their_own() -> None:
    script = parse_nk(script_of(replace(WRITTEN, coloured=True)))
    assert script.layers["anna"] == ("anna.red", "anna.green", "anna.blue", "anna.alpha")
    assert script.named("matte_anna").mappings == [
        (f"anna.{c}", f"rgba.{c}") for c in ("red", "green", "blue", "alpha")
    ]


def test_the_cryptomatte_has_a_read_of_its_own() -> None:
    script = parse_nk(script_of(replace(WRITTEN, crypto=CRYPTO)))
    read, node = script.named("crypto_layers"), script.of("Cryptomatte")[0]
    assert node.inputs == [read]
    assert read.knobs["file"] == CRYPTO
    assert (read.knobs["raw"], read.knobs["first"], read.knobs["on_error"]) == ("true", "1001", "error")
    assert node.knobs["matteList"] == "anna, bruno_2"
    assert script.named("matte_bruno_2").inputs == [script.named("layers")]


def test_gaps_that_are_known_are_black_and_a_still_is_held() -> None:
    assert parse_nk(script_of(replace(WRITTEN, gaps=True))).named("layers").knobs["on_error"] == "black"
    still = parse_nk(script_of(replace(WRITTEN, file="/shots/layers.exr", numbers=()))).named("layers").knobs
    assert {"first", "last", "before", "after", "on_error"}.isdisjoint(still)
    assert still["raw"] == "true"


def test_the_shift_of_the_plate_is_the_layers_too() -> None:
    shifted = replace(WRITTEN, frame_mode="start at", frame="1")
    knobs = parse_nk(script_of(shifted)).named("layers").knobs
    assert (knobs["frame_mode"], knobs["frame"]) == ("start at", "1")
    assert "frame_mode" not in parse_nk(script_of(WRITTEN)).named("layers").knobs


def test_the_root_and_the_format() -> None:
    size = "1920 1080 0 0 1920 1080 1 "
    text = script_of(replace(WRITTEN, format=size), first_frame=1001, last_frame=1003, lock_range=True, format=size)
    script = parse_nk(text)
    assert script.root == {
        "inputs": "0", "first_frame": "1001", "last_frame": "1003", "lock_range": "true", "format": size,
    }  # fmt: skip
    assert script.named("layers").knobs["format"] == size


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (-5, "-5"),
        ("layers.####.exr", "layers.####.exr"),
        ("a b", '"a b"'),
        ("", '""'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("[value name] {x} $y", '"\\[value name\\] \\{x\\} \\$y"'),
        ("1 anna\n2 bruno", '"1 anna\\n2 bruno"'),
        ("Zoë", '"Zoë"'),
    ],
)
def test_values_are_quoted_where_nuke_would_split_or_evaluate_them(value: str | int | bool, text: str) -> None:
    assert nk_value(value) == text


def test_everything_is_kept_where_nothing_changed() -> None:
    graph = build_graph(replace(WRITTEN, crypto=CRYPTO))
    made = {n.role: f"{n.name}9" for n in graph.nodes}
    changes = changes_to(graph, made=made, there=set(made.values()) | {"Grade1"})
    assert changes.create == changes.obsolete == ()
    assert changes.update == {f"{n.name}9": n for n in graph.nodes}


def test_only_what_is_missing_is_made_and_who_is_gone_is_told() -> None:
    graph = build_graph(WRITTEN)
    made = {"layers": "layers", "person:1": "matte_anna", "person:3": "matte_carla", "person:4": "matte_dora"}
    changes = changes_to(graph, made=made, there={"layers", "matte_carla"})
    assert [n.role for n in changes.create] == ["person:1", "person:7"], "anna's node was deleted by the artist"
    assert list(changes.update) == ["layers"]
    assert changes.obsolete == ("matte_carla",), "dora's node is gone already"
    assert changes_to(Graph(layers=(), nodes=()), made={}, there=()) == Changes()


GOOD = script_of(replace(WRITTEN, crypto=CRYPTO))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("version 15.0 v1\n", "", "version"),
        ("add_layer {anna anna.alpha}\n", "", "never added"),
        ("add_layer {anna anna.alpha}", "add_layer {anna bruno.alpha}", "not in the layer"),
        ("push $N00000001\n", "push $N00000009\n", "never set"),
        ("set N00000001 [stack 0]\n", "", "never set"),
        (" on_error error", " on_error ignore", "cannot be"),
        (" raw true", " Raw true", "no knob Raw"),
        (" raw true", " raw true\n raw true", "twice"),
        ("anna.alpha 0 3 rgba.red 0 0", "anna.alpha 0 0 rgba.red 0 0", "column"),
        ('mappings "4 ', 'mappings "3 ', "six words"),
        ('"/shots/a b/layers.####.exr"', "/shots/a b/layers.####.exr", "in quotes"),
        ("a b/layers.####", "[a] b/layers.####", "escaped"),
        ("name matte_anna", "name layers", "one name"),
        (" first 1001", " first 1010", "empty"),
        ("Cryptomatte {", "Cryptomat {", "not known"),
        ("}\nset", "set", "no knob"),
    ],
)
def test_the_reader_of_scripts_is_strict(old: str, new: str, says: str) -> None:
    parse_nk(GOOD)
    assert old in GOOD
    with pytest.raises(NkError, match=says):
        parse_nk(GOOD.replace(old, new, 1))
