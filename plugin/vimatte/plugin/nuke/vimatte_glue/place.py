"""A described node graph made in Nuke: new nodes beside the group, those of the last time brought up to date."""

from __future__ import annotations

from typing import Any

import nuke

from .graph import Graph, Knob, Mappings, Node, changes_to
from .state import State

__all__ = ["node_named", "place"]


def node_named(full_name: str) -> Any:
    """Look a node up by its full name, whatever group a button stands in; None when it is gone."""
    with nuke.root():
        return nuke.toNode(full_name)


def place(node: Any, graph: Graph, *, state: State) -> dict[str, str]:
    """Make the nodes, or bring them up to date; returns role -> name. Places and wires of nodes that stay are kept."""
    made: dict[str, str] = {}
    with _parent(node):
        there = {str(n.name()) for n in nuke.allNodes()}
        changes = changes_to(graph, made=state.nodes_of(node.name(), there=there), there=there)
        for layer in graph.layers:
            if layer.name not in nuke.layers():
                nuke.Layer(layer.name, list(layer.channels))
        for name, wanted in changes.update.items():
            old = nuke.toNode(name)
            _set(old, wanted)
            if old.knob("reload") is not None:
                # Files may have been written anew under the same names.
                old["reload"].execute()
            made[wanted.role] = name
        for wanted in changes.create:
            new = getattr(nuke.nodes, wanted.kind)()
            new.setName(wanted.name)
            new.setXYpos(wanted.x, wanted.y)
            if wanted.source:
                new.setInput(0, nuke.toNode(made[wanted.source]))
            _set(new, wanted)
            made[wanted.role] = str(new.name())
        for name in changes.obsolete:
            old = nuke.toNode(name)
            if old.dependent():
                # Its layer is no more in the files, so it is black; what hangs on it is the artist's.
                old["label"].setValue("no longer in the layers")
            else:
                nuke.delete(old)
    return made


def _set(node: Any, wanted: Node) -> None:
    for name, value in wanted.knobs.items():
        node[name].setValue(_value(value))


def _value(value: Knob) -> Any:
    if isinstance(value, Mappings):
        # From the first input; channels by name.
        return [(0, read, written) for read, written in value.pairs]
    return value


def _parent(node: Any) -> Any:
    above, _, _ = node.fullName().rpartition(".")
    return node_named(above) if above else nuke.root()
