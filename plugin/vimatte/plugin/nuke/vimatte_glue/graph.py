"""What the node graph of written layers is: nodes, knobs and wires as values, before Nuke or a script has them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Changes", "Graph", "Knob", "Layer", "Mappings", "Node", "Person", "Written", "build_graph", "changes_to"]

_COLUMN = 110
_ROW = 110
_OUT = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who has a layer."""

    id: int
    name: str
    """Of the layer: 'anna' for the file's channel 'anna.A'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Layers as they lie on disk, and how they are to be shown."""

    file: str
    """Path with forward slashes: '/shots/layers.####.exr', or of a still '/shots/layers.exr'."""
    people: tuple[Person, ...]
    numbers: tuple[int, ...] = ()
    """Numbers of the frames that are there, ascending; none for a still."""
    gaps: bool = False
    """Whether frames between the first and the last, or of the range that was asked for, are known to be missing."""
    coloured: bool = False
    """Whether each person has a colour of their own beside the alpha."""
    crypto: str = ""
    """Path of the Cryptomatte files; empty: there are none."""
    format: str = ""
    """The picture's size in the words of scripts, '1920 1080 0 0 1920 1080 1 '; empty: Nuke takes it from the file."""
    frame_mode: str = ""
    """How the plate is shifted in time, in the words of a Read's knob; empty: it is not."""
    frame: str = ""
    """By how much."""


@dataclass(frozen=True, slots=True)
class Mappings:
    """What a Shuffle2 puts where: pairs (channel read, channel written)."""

    pairs: tuple[tuple[str, str], ...]


Knob = str | int | bool | Mappings


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer that the script must know: Nuke's own name and channels."""

    name: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node that shows the layers."""

    role: str
    """What it is for, the same each time: 'layers', 'person:2', 'crypto layers', 'cryptomatte'."""
    kind: str
    """Nuke's class."""
    name: str
    """Name to give it; Nuke may count it up."""
    knobs: Mapping[str, Knob]
    """In the order in which they are to be set: a new file makes Nuke forget the range."""
    source: str = ""
    """Role of the node it is fed by; empty: none."""
    x: int = 0
    y: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Everything that shows one shot's layers; a node comes after the one it is fed by."""

    layers: tuple[Layer, ...]
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """How to come from the nodes that are there to a graph."""

    create: tuple[Node, ...] = ()
    update: Mapping[str, Node] = field(default_factory=dict)
    """Name of a node that is there -> what it shall be; its place and its wires stay."""
    obsolete: tuple[str, ...] = ()
    """Names of nodes whose person is gone."""


def build_graph(written: Written, *, x: int = 0, y: int = 0) -> Graph:
    """Describe a Read of the layers with one Shuffle2 a person, and a Read of the Cryptomatte with its node.

    `x`, `y`: place of the first Read in the node graph, in Nuke's units.
    """
    nodes = [
        Node(role="layers", kind="Read", name="layers", knobs=_read_knobs(written.file, written), x=x, y=y),
        *(
            _shuffle(person, coloured=written.coloured, x=x + column * _COLUMN, y=y + _ROW)
            for column, person in enumerate(written.people)
        ),
    ]
    if written.crypto:
        x -= 2 * _COLUMN
        knobs = _read_knobs(written.crypto, written)
        nodes.append(Node(role="crypto layers", kind="Read", name="crypto_layers", knobs=knobs, x=x, y=y))
        # The layer is found by the node itself: the file has one.
        chosen: dict[str, Knob] = {"matteList": ", ".join(p.name for p in written.people)}
        nodes.append(
            Node(
                role="cryptomatte",
                kind="Cryptomatte",
                name="cryptomatte",
                knobs=chosen,
                source="crypto layers",
                x=x,
                y=y + _ROW,
            )
        )
    layers = tuple(Layer(name=p.name, channels=_channels(p.name, coloured=written.coloured)) for p in written.people)
    return Graph(layers=layers, nodes=tuple(nodes))


def changes_to(graph: Graph, *, made: Mapping[str, str], there: Collection[str]) -> Changes:
    """Compare a graph with what was `made` before (role -> node name), of which the nodes named in `there` are left."""
    left = {role: name for role, name in made.items() if name in there}
    wanted = {node.role for node in graph.nodes}
    return Changes(
        create=tuple(n for n in graph.nodes if n.role not in left),
        update={left[n.role]: n for n in graph.nodes if n.role in left},
        obsolete=tuple(name for role, name in left.items() if role not in wanted),
    )


def _read_knobs(file: str, written: Written) -> dict[str, Knob]:
    knobs: dict[str, Knob] = {"file": file}
    if written.format:
        knobs["format"] = written.format
    if written.numbers:
        first, last = written.numbers[0], written.numbers[-1]
        # Nobody is there before and after the shot: held mattes would stay in the picture.
        knobs |= {"first": first, "before": "black", "last": last, "after": "black"}
        if written.frame_mode:
            knobs |= {"frame_mode": written.frame_mode, "frame": written.frame}
        knobs |= {"origfirst": first, "origlast": last, "origset": True}
        # A gap that was told when the layers were written is black; a file that goes later is a fault to be seen.
        knobs["on_error"] = "black" if written.gaps else "error"
    # Alphas and ids are numbers, not light.
    knobs["raw"] = True
    return knobs


def _shuffle(person: Person, *, coloured: bool, x: int, y: int) -> Node:
    source = _channels(person.name, coloured=coloured)
    pairs = tuple(zip(source if coloured else source * len(_OUT), _OUT, strict=True))
    knobs: dict[str, Knob] = {"in1": person.name, "mappings": Mappings(pairs), "label": person.name}
    return Node(
        role=f"person:{person.id}",
        kind="Shuffle2",
        name=f"matte_{person.name}",
        knobs=knobs,
        source="layers",
        x=x,
        y=y,
    )


def _channels(name: str, *, coloured: bool) -> tuple[str, ...]:
    ends: Iterable[str] = ("red", "green", "blue", "alpha") if coloured else ("alpha",)
    return tuple(f"{name}.{end}" for end in ends)
