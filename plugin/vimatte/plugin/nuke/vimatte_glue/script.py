"""A node graph as the text of a .nk script."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .graph import Graph, Knob, Mappings

__all__ = ["nk_script", "nk_value"]

_PLAIN = re.compile(r"[A-Za-z0-9_./:+%#-]+")
_ESCAPED = re.compile(r'[\\"\[\]{}$]')
_VERSION = "version 15.0 v1"
"""The oldest Nuke that is meant; without it a script counts as older than any."""
_COLUMNS = {"red": 0, "green": 1, "blue": 2, "alpha": 3}
# Nuke writes these two of every Shuffle2, whatever they hold: both of its inputs are the B pipe.
_ALWAYS: Mapping[str, Mapping[str, str]] = {
    "Shuffle2": {"fromInput1": "{{0} B}", "fromInput2": "{{0} B}"},
}


def nk_script(graph: Graph, *, root: Mapping[str, Knob]) -> str:
    """Write a whole script: the version, the Root with the knobs in `root`, the layers, the nodes and their wires.

    Nuke builds a script on a stack: a node takes its inputs from the top and is pushed itself; `set` remembers, `push`
    brings back.
    """
    lines = [_VERSION, *_node("Root", {"inputs": 0, **root})]
    lines += [f"add_layer {{{layer.name} {' '.join(layer.channels)}}}" for layer in graph.layers]
    remembered: dict[str, str] = {}
    feeding = {node.source for node in graph.nodes if node.source}
    for node in graph.nodes:
        if node.source:
            lines.append(f"push ${remembered[node.source]}")
        head: dict[str, Knob] = {} if node.source else {"inputs": 0}
        lines += _node(node.kind, {**head, **node.knobs, "name": node.name, "xpos": node.x, "ypos": node.y})
        if node.role in feeding:
            remembered[node.role] = f"N{len(remembered) + 1:08x}"
            lines.append(f"set {remembered[node.role]} [stack 0]")
    return "\n".join(lines) + "\n"


def nk_value(value: Knob) -> str:
    """Write one knob's value: bare where it is plain, else in quotes."""
    if isinstance(value, Mappings):
        ends = " ".join(f"{_end(a)} {_end(b)}" for a, b in value.pairs)
        return f'"{len(value.pairs)} {ends}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    return '"' + _ESCAPED.sub(lambda m: "\\" + m[0], text).replace("\n", "\\n") + '"'


def _node(kind: str, knobs: Mapping[str, Knob]) -> Iterator[str]:
    written = {name: nk_value(value) for name, value in knobs.items()}
    yield f"{kind} {{"
    for name, value in {**_ALWAYS.get(kind, {}), **written}.items():
        yield f" {name} {value}"
    yield "}"


def _end(channel: str) -> str:
    """One side of a mapping: the channel, which of the inputs or outputs, which column of the layer."""
    return f"{channel} 0 {_COLUMNS[channel.rpartition('.')[2]]}"
