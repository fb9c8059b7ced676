"""A small stand-in for the module `nuke`: it records calls and refuses what Nuke would refuse. Standard library only.

Strict where a mistake would show only in Nuke: unknown knobs, values a knob cannot hold, layers nobody added, and every
call that is made off the main thread without being one that may.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

INVISIBLE, STARTLINE = 1 << 10, 1 << 12
GUI = True
EXE_PATH = "/opt/Nuke15.1v1/Nuke15.1"

messages: list[str] = []
printed: list[str] = []
bars: list[ProgressTask] = []
added: dict[str, tuple[str, ...]] = {}
"""Layers of the script, by name."""
commands: dict[str, str] = {}
on_close: list[Callable[[], None]] = []
cancel_bars = False
"""Whether every progress bar's Cancel is pressed as soon as something is shown."""

_MAIN = threading.main_thread()
_calls: queue.Queue[tuple[Callable[..., Any], tuple[Any, ...]]] = queue.Queue()
_this: list[Any] = []
_groups: list[Group] = []
_selected: list[Node] = []

_RGBA = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")


def reset() -> None:
    """Make everything as in a Nuke that was just started."""
    global GUI, cancel_bars, _root
    GUI, cancel_bars = True, False
    for kept in (messages, printed, bars, added, commands, on_close, _this, _groups, _selected):
        kept.clear()
    while not _calls.empty():
        _calls.get_nowait()
    _root = Root()
    _groups.append(_root)


def pump(until: Callable[[], bool], *, seconds: float = 60) -> None:
    """Be the main thread's event loop."""
    end = time.monotonic() + seconds
    while not until():
        try:
            call, arguments = _calls.get(timeout=0.02)
        except queue.Empty:
            if time.monotonic() > end:
                raise AssertionError(f"nothing happened; messages {messages}, printed {printed[-5:]}") from None
            continue
        call(*arguments)


def press(node: Node, button: str) -> None:
    """Press a button of a node's panel."""
    knob = node[button]
    assert isinstance(knob, PyScript_Knob)
    _this.append(node)
    # What a group's button does happens inside the group, unless it says otherwise.
    inside = isinstance(node, Group)
    if inside:
        _groups.append(node)
    try:
        import sys

        exec(compile(knob.command, button, "exec"), {"nuke": sys.modules["nuke"]})
    finally:
        _this.pop()
        if inside:
            _groups.pop()


def select(node: Node) -> None:
    """Select a node in the node graph."""
    _selected[:] = [node]


def _on_main() -> None:
    assert threading.current_thread() is _MAIN, "this part of Nuke may be called from the main thread only"


class Knob:
    """One knob."""

    def __init__(self, name: str, label: str = "", value: Any = "") -> None:
        _on_main()
        self._name, self.label, self._value = name, label, value
        self.tip, self.flags, self.cleared, self.presses = "", 0, 0, 0

    def name(self) -> str:
        return self._name

    def value(self) -> Any:
        _on_main()
        return self._value

    def setValue(self, value: Any) -> None:  # noqa: N802
        _on_main()
        self._check(value)
        self._value = value

    def setTooltip(self, text: str) -> None:  # noqa: N802
        self.tip = text

    def setFlag(self, flag: int) -> None:  # noqa: N802
        self.flags |= flag

    def clearFlag(self, flag: int) -> None:  # noqa: N802
        self.cleared |= flag

    def execute(self) -> None:
        _on_main()
        self.presses += 1

    def _check(self, value: Any) -> None:
        assert isinstance(value, str), f"{self._name} takes text, found {value!r}"
        assert "\\" not in value, f"{self._name}: Nuke drops backslashes"


class Tab_Knob(Knob):  # noqa: N801
    pass


class Text_Knob(Knob):  # noqa: N801
    pass


class String_Knob(Knob):  # noqa: N801
    pass


class Multiline_Eval_String_Knob(Knob):  # noqa: N801
    pass


class File_Knob(Knob):  # noqa: N801
    def evaluate(self) -> str | None:
        text = self.getEvaluatedValue()
        assert text is None or "#" not in text, "the current frame would come in"
        return text

    def getEvaluatedValue(self) -> str | None:  # noqa: N802
        _on_main()
        text = str(self._value)
        here = PurePosixPath(_root["name"].value())
        text = text.replace("[file dirname [value root.name]]", str(here.parent))
        assert "[" not in text, f"this stand-in does not know {text}"
        return text or None


class Int_Knob(Knob):  # noqa: N801
    def _check(self, value: Any) -> None:
        assert type(value) is int, f"{self._name} takes whole numbers, found {value!r}"


class Boolean_Knob(Knob):  # noqa: N801
    def _check(self, value: Any) -> None:
        assert type(value) is bool, f"{self._name} takes True and False, found {value!r}"


class Enumeration_Knob(Knob):  # noqa: N801
    def __init__(self, name: str, label: str, choices: list[str]) -> None:
        super().__init__(name, label, choices[0])
        self.choices = choices

    def _check(self, value: Any) -> None:
        assert value in self.choices, f"{self._name} offers {self.choices}, found {value!r}"


class PyScript_Knob(Knob):  # noqa: N801
    def __init__(self, name: str, label: str, command: str) -> None:
        super().__init__(name, label)
        self.command = command


class _Mappings(Knob):
    def _check(self, value: Any) -> None:
        for side, read, written in value:
            assert side == 0
            assert written in _RGBA
            assert any(read in channels for channels in added.values()), f"no layer has the channel {read}"


class _Layer(Knob):
    def _check(self, value: Any) -> None:
        assert value in added, f"there is no layer {value!r}"


class Node:
    """One node."""

    counts = False

    def __init__(self, kind: str, **knobs: Any) -> None:
        _on_main()
        self._kind, self._inputs, self._at = kind, [None], (0, 0)
        self._knobs: dict[str, Knob] = {}
        self._parent = _groups[-1] if _groups else None
        for knob in (String_Knob("name"), String_Knob("label"), Boolean_Knob("disable", "", False), *_own_knobs(kind)):
            self._knobs[knob.name()] = knob
        if self._parent is not None:
            self._parent.children.append(self)
        self.setName(knobs.pop("name", f"{kind}1"))
        for at, source in enumerate(knobs.pop("inputs", ())):
            self.setInput(at, source)
        for name, value in knobs.items():
            self[name].setValue(value)

    def __getitem__(self, name: str) -> Knob:
        if name not in self._knobs:
            raise NameError(f"knob {name} does not exist in a {self._kind}")
        return self._knobs[name]

    def knob(self, name: str) -> Knob | None:
        return self._knobs.get(name)

    def knobs(self) -> dict[str, Knob]:
        return self._knobs

    def addKnob(self, knob: Knob) -> None:  # noqa: N802
        assert knob.name() not in self._knobs, f"the knob {knob.name()} is there"
        self._knobs[knob.name()] = knob

    def Class(self) -> str:  # noqa: N802
        return self._kind

    def name(self) -> str:
        return str(self["name"].value())

    def fullName(self) -> str:  # noqa: N802
        above = self._parent
        return self.name() if above is None or isinstance(above, Root) else f"{above.fullName()}.{self.name()}"

    def setName(self, name: str) -> None:  # noqa: N802
        taken = {n.name() for n in self._parent.children if n is not self} if self._parent is not None else set()
        given, count = name, 0
        while given in taken:
            count += 1
            given = f"{name.rstrip('0123456789')}{count}"
        self["name"].setValue(given)

    def input(self, at: int) -> Node | None:
        _on_main()
        return self._inputs[at] if at < len(self._inputs) else None

    def setInput(self, at: int, node: Node | None) -> bool:  # noqa: N802
        _on_main()
        assert at == 0
        if isinstance(self, Group):
            assert any(n.Class() == "Input" for n in self.children), "a group without an Input has no input"
        self._inputs[at] = node
        return True

    def dependent(self) -> list[Node]:
        assert self._parent is not None
        return [n for n in self._parent.children if self in n._inputs]

    def xpos(self) -> int:
        return self._at[0]

    def ypos(self) -> int:
        return self._at[1]

    def setXYpos(self, x: int, y: int) -> None:  # noqa: N802
        assert type(x) is type(y) is int
        self._at = (x, y)

    def showControlPanel(self) -> None:  # noqa: N802
        assert GUI

    @property
    def place(self) -> tuple[int, int]:
        return self._at


class Group(Node):
    """A node with nodes in it; `with` makes it the place where nodes are made and looked for."""

    def __init__(self, kind: str = "Group", **knobs: Any) -> None:
        self.children: list[Node] = []
        super().__init__(kind, **knobs)

    def __enter__(self) -> Group:
        _on_main()
        _groups.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _groups.pop()


class Root(Group):
    """The script."""

    def __init__(self) -> None:
        super().__init__("Root", name="/comp/shot.nk")
        self.frames = (1001, 1100)

    def firstFrame(self) -> int:  # noqa: N802
        return self.frames[0]

    def lastFrame(self) -> int:  # noqa: N802
        return self.frames[1]


def _own_knobs(kind: str) -> Iterator[Knob]:
    if kind == "Read":
        yield from (File_Knob("file"), String_Knob("frame"), Boolean_Knob("raw", "", False), Knob("reload"))
        yield from (Int_Knob(n, "", 1) for n in ("first", "last", "origfirst", "origlast"))
        yield Boolean_Knob("origset", "", False)
        yield Enumeration_Knob("frame_mode", "", ["expression", "start at", "offset"])
        yield Enumeration_Knob("before", "", ["hold", "loop", "bounce", "black"])
        yield Enumeration_Knob("after", "", ["hold", "loop", "bounce", "black"])
        yield Enumeration_Knob("on_error", "", ["error", "black", "checkerboard", "nearest frame"])
        yield Enumeration_Knob("colorspace", "", ["default (linear)", "linear", "sRGB", "AlexaV3LogC"])
    elif kind == "Shuffle2":
        yield from (_Layer("in1", "", "rgba"), _Mappings("mappings", "", []))
    elif kind == "Cryptomatte":
        yield String_Knob("matteList")
    elif kind == "Root":
        yield from (File_Knob("project_directory"), File_Knob("customOCIOConfigPath"))
        yield Enumeration_Knob("colorManagement", "", ["Nuke", "OCIO"])
        yield Enumeration_Knob("OCIO_config", "", ["nuke-default", "aces_1.2", "custom"])
        yield String_Knob("workingSpaceLUT", "", "linear")
    else:
        assert kind in ("Group", "Input", "Output", "Dot", "Grade"), f"there is no class {kind}"


class _Nodes:
    def __getattr__(self, kind: str) -> Callable[..., Node]:
        return lambda **knobs: Group(**knobs) if kind == "Group" else Node(kind, **knobs)


nodes = _Nodes()


class ProgressTask:
    """A progress bar; may live on any thread."""

    def __init__(self, name: str) -> None:
        assert GUI, "there is no window to show a progress bar in"
        self.name, self.said, self.progress = name, [""], [0]
        bars.append(self)

    def setMessage(self, text: str) -> None:  # noqa: N802
        self.said.append(text)

    def setProgress(self, percent: int) -> None:  # noqa: N802
        assert type(percent) is int
        assert 0 <= percent <= 100
        self.progress.append(percent)

    def isCancelled(self) -> bool:  # noqa: N802
        return cancel_bars and len(self.said) > 2


class Layer:
    """A layer of the script."""

    def __init__(self, name: str, channels: list[str]) -> None:
        _on_main()
        assert all(c.rpartition(".")[0] == name for c in channels)
        assert name not in added, f"the layer {name} is there"
        added[name] = tuple(channels)


def layers() -> list[str]:
    _on_main()
    return ["rgba", "depth", *added]


class _Menu:
    def __init__(self, path: str) -> None:
        self._path = path

    def addMenu(self, name: str) -> _Menu:  # noqa: N802
        return _Menu(f"{self._path}/{name}")

    def addCommand(self, name: str, command: str) -> None:  # noqa: N802
        commands[f"{self._path}/{name}"] = command


def menu(name: str) -> _Menu:
    return _Menu(name)


def selectedNodes() -> list[Node]:  # noqa: N802
    _on_main()
    return list(_selected)


def root() -> Root:
    _on_main()
    return _root


def toNode(name: str) -> Node | None:  # noqa: N802
    _on_main()
    found: Node | None = _groups[-1]
    for part in name.split("."):
        assert isinstance(found, Group)
        found = next((n for n in found.children if n.name() == part), None)
        if found is None:
            return None
    return found


def allNodes() -> list[Node]:  # noqa: N802
    _on_main()
    return list(_groups[-1].children)


def createNode(kind: str, *, inpanel: bool = True) -> Node:  # noqa: N802
    _on_main()
    # A group that was just made has no Input in it, so it is not connected.
    made = Group() if kind == "Group" else Node(kind)
    _selected[:] = [made]
    return made


def delete(node: Node) -> None:
    _on_main()
    assert node._parent is not None
    node._parent.children.remove(node)


def thisNode() -> Any:  # noqa: N802
    return _this[-1] if _this else _root


def message(text: str) -> None:
    _on_main()
    assert GUI, "there is no window to show a message in"
    messages.append(text)


def tprint(text: str) -> None:
    printed.append(text)


def executeInMainThread(call: Callable[..., Any], args: tuple[Any, ...] = ()) -> None:  # noqa: N802
    _calls.put((call, args))


def addOnScriptClose(call: Callable[[], None]) -> None:  # noqa: N802
    _on_main()
    if call not in on_close:
        on_close.append(call)


@contextmanager
def without_a_window() -> Iterator[None]:
    """As `nuke -t`."""
    global GUI
    GUI = False
    try:
        yield
    finally:
        GUI = True


_root = Root()
_groups.append(_root)
