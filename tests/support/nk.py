"""A strict reader of .nk scripts, for tests: what Nuke would be lenient about is an error here.

It knows the classes that this project writes, their knobs by the names in Foundry's reference and in scripts that Nuke
saved, and what each knob may hold. Nodes are wired by the stack, as Nuke does it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

__all__ = ["NkError", "NkNode", "NkScript", "parse_nk"]

COLUMNS = {"red": 0, "green": 1, "blue": 2, "alpha": 3}
ESCAPES = {"n": "\n", '"': '"', "\\": "\\", "[": "[", "]": "]", "{": "{", "}": "}", "$": "$"}
RGBA = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")


class NkError(Exception):
    """The text is no script, or one that Nuke would not read as it was meant."""


@dataclass
class NkNode:
    kind: str
    knobs: dict[str, str]
    inputs: list[NkNode | None] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.knobs["name"]

    @property
    def mappings(self) -> list[tuple[str, str]]:
        """Of a Shuffle2: (channel read, channel written)."""
        words = self.knobs["mappings"].split()
        return [(words[i], words[i + 3]) for i in range(1, len(words), 6)]


@dataclass
class NkScript:
    root: dict[str, str] = field(default_factory=dict)
    layers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    nodes: list[NkNode] = field(default_factory=list)

    def of(self, kind: str) -> list[NkNode]:
        return [n for n in self.nodes if n.kind == kind]

    def named(self, name: str) -> NkNode:
        return next(n for n in self.nodes if n.name == name)


def number(text: str) -> bool:
    return re.fullmatch(r"-?\d+", text) is not None


def one_of(*choices: str) -> Callable[[str], bool]:
    return lambda text: text in choices


def matching(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text) is not None


PLACE = {
    "name": matching(r"[A-Za-z_]\w*"),
    "xpos": number,
    "ypos": number,
    "label": matching(r"[^\n]*"),
    "inputs": number,
}
FORMAT = matching(r"(\d+) (\d+) 0 0 \1 \2 \d+(\.\d+)? ")
KNOBS: dict[str, dict[str, Callable[[str], bool]]] = {
    "Root": {
        "inputs": one_of("0"),
        "frame": number,
        "first_frame": number,
        "last_frame": number,
        "lock_range": one_of("true", "false"),
        "fps": matching(r"\d+(\.\d+)?"),
        "format": FORMAT,
    },
    "Read": {
        **PLACE,
        "file": matching(r"(/|[A-Z]:/)[^\n\[\]]*\.exr"),
        "format": FORMAT,
        "first": number,
        "last": number,
        "origfirst": number,
        "origlast": number,
        "origset": one_of("true"),
        "before": one_of("hold", "loop", "bounce", "black"),
        "after": one_of("hold", "loop", "bounce", "black"),
        "frame_mode": one_of("expression", "start at", "offset"),
        "frame": matching(r".+"),
        "on_error": one_of("error", "black", "checkerboard", "nearest frame"),
        "raw": one_of("true", "false"),
    },
    "Shuffle2": {
        **PLACE,
        "fromInput1": one_of("{0} B"),
        "fromInput2": one_of("{0} B"),
        "in1": matching(r"[A-Za-z]\w*"),
        "mappings": matching(r"[\w. -]+"),
    },
    "Cryptomatte": {**PLACE, "matteList": matching(r"\w+(, \w+)*")},
}


def parse_nk(text: str) -> NkScript:
    """Read a script. Raises NkError with the line."""
    script = NkScript()
    stack: list[NkNode] = []
    memory: dict[str, NkNode] = {}
    lines = iter(enumerate(text.splitlines(), 1))
    if not re.fullmatch(r"version \d+\.\d+ v\d+", next(lines, (0, ""))[1]):
        raise NkError("line 1: a script begins with its version")
    for at, line in lines:
        if match := re.fullmatch(r"add_layer \{(\w+)((?: \w+\.\w+)+)\}", line):
            add_layer(script, match[1], tuple(match[2].split()), at)
        elif match := re.fullmatch(r"set (N[0-9a-f]+) \[stack 0\]", line):
            if not stack:
                raise NkError(f"line {at}: the stack is empty")
            memory[match[1]] = stack[-1]
        elif match := re.fullmatch(r"push \$(N[0-9a-f]+)", line):
            if match[1] not in memory:
                raise NkError(f"line {at}: {match[1]} was never set")
            stack.append(memory[match[1]])
        elif match := re.fullmatch(r"([A-Z]\w*) \{", line):
            knobs = read_knobs(lines, kind=match[1], at=at)
            if match[1] == "Root":
                script.root = knobs
                continue
            node = NkNode(match[1], knobs)
            for _ in range(int(knobs.get("inputs", "1"))):
                if not stack:
                    raise NkError(f"line {at}: {node.kind} has nothing on the stack to be fed by")
                node.inputs.append(stack.pop())
            stack.append(node)
            check(script, node, at)
            script.nodes.append(node)
        else:
            raise NkError(f"line {at}: '{line}' is none of Nuke's commands")
    names = [n.name for n in script.nodes]
    if len(set(names)) != len(names):
        raise NkError(f"two nodes have one name: {names}")
    return script


def read_knobs(lines: Iterator[tuple[int, str]], *, kind: str, at: int) -> dict[str, str]:
    if kind not in KNOBS:
        raise NkError(f"line {at}: the class {kind} is not known")
    knobs: dict[str, str] = {}
    for number_, line in lines:
        if line == "}":
            return knobs
        match = re.fullmatch(r" ([A-Za-z_]\w*) (.+)", line)
        if match is None:
            raise NkError(f"line {number_}: '{line}' is no knob")
        name, value = match[1], read_value(match[2], number_)
        if name in knobs:
            raise NkError(f"line {number_}: the knob {name} is there twice")
        if name not in KNOBS[kind]:
            raise NkError(f"line {number_}: a {kind} has no knob {name}")
        if not KNOBS[kind][name](value):
            raise NkError(f"line {number_}: {kind}.{name} cannot be '{value}'")
        knobs[name] = value
    raise NkError(f"line {at}: {kind} is not closed")


def read_value(text: str, at: int) -> str:
    if text.startswith("{"):
        if not text.endswith("}") or text.count("{") != text.count("}"):
            raise NkError(f"line {at}: braces do not match in {text}")
        return text[1:-1]
    if not text.startswith('"'):
        if re.search(r'[\s"\[\]{}\\$;]', text):
            raise NkError(f"line {at}: {text} must be in quotes")
        return text
    found, rest = "", text[1:]
    while rest:
        if rest == '"':
            return found
        if rest[0] == "\\":
            if rest[1:2] not in ESCAPES:
                raise NkError(f"line {at}: there is no escape \\{rest[1:2]}")
            found, rest = found + ESCAPES[rest[1]], rest[2:]
        elif rest[0] in '"[]$':
            raise NkError(f"line {at}: {rest[0]} must be escaped in {text}")
        else:
            found, rest = found + rest[0], rest[1:]
    raise NkError(f"line {at}: the quotes of {text} do not end")


def add_layer(script: NkScript, name: str, channels: tuple[str, ...], at: int) -> None:
    if name in script.layers or len(channels) > 4 or len(set(channels)) != len(channels):
        raise NkError(f"line {at}: the layer {name} cannot be {channels}")
    for channel in channels:
        if channel.rpartition(".")[0] != name:
            raise NkError(f"line {at}: {channel} is not in the layer {name}")
    script.layers[name] = channels


def check(script: NkScript, node: NkNode, at: int) -> None:
    for needed in ("name", "xpos", "ypos"):
        if needed not in node.knobs:
            raise NkError(f"line {at}: {node.kind} does not say its {needed}")
    if node.kind == "Shuffle2":
        if node.knobs["in1"] not in script.layers:
            raise NkError(f"line {at}: the layer {node.knobs['in1']} was never added")
        words = node.knobs["mappings"].split()
        if len(words) != 1 + 6 * int(words[0]):
            raise NkError(f"line {at}: {words[0]} mappings have six words each")
        for i in range(1, len(words), 6):
            read, side, column, written, out, out_column = words[i : i + 6]
            if read not in script.layers[node.knobs["in1"]] or written not in RGBA:
                raise NkError(f"line {at}: {read} -> {written} is not between the layer and rgba")
            for channel, place in ((read, column), (written, out_column)):
                if COLUMNS[channel.rpartition(".")[2]] != int(place):
                    raise NkError(f"line {at}: {channel} is not in column {place}")
            if (side, out) != ("0", "0"):
                raise NkError(f"line {at}: input {side}, output {out}")
    if node.kind == "Read" and "first" in node.knobs and int(node.knobs["first"]) > int(node.knobs["last"]):
        raise NkError(f"line {at}: the range is empty")
