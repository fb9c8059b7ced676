"""A Video Instance Matte in Nuke: made as a plain group, its knobs and its plate read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nuke

from .colour import Colour, find_config
from .knobs import COLOURS, KNOBS, PROXIES, KnobSpec
from .paths import whole_path
from .plan import Plate, Settings, Upstream, plate_of

__all__ = ["create", "read_colour", "read_plate", "read_settings"]

_NAME = "VideoInstanceMatte"
_LONGEST_CHAIN = 1000


def create() -> Any:
    """Make one, fed by the selected node; what comes in goes out."""
    selected = nuke.selectedNodes()
    group = nuke.createNode("Group", inpanel=False)
    group.setName(_NAME)
    with group:
        plate = nuke.nodes.Input(name="plate")
        nuke.nodes.Output(name="Output1", inputs=[plate])
    if selected:
        # Not done by `createNode`: without an Input in it a group has no input.
        group.setInput(0, selected[0])
    for spec in KNOBS:
        group.addKnob(_knob(spec))
    if nuke.GUI:
        group.showControlPanel()
    return group


def read_settings(node: Any) -> Settings:
    """Evaluate the knobs."""
    span = str(node["range"].value())
    custom = int(node["first"].value()), int(node["last"].value())
    project = int(nuke.root().firstFrame()), int(nuke.root().lastFrame())
    return Settings(
        node=node.name(),
        folder=_whole(node["folder"]),
        masks=_whole(node["masks"]),
        finder=str(node["finder"].value()),
        prompt=str(node["prompt"].value()).strip(),
        matting=str(node["matting"].value()),
        device=str(node["device"].value()),
        max_people=int(node["max_people"].value()),
        range=span,
        frames=custom if span == "custom" else project,
        proxy=2 ** PROXIES.index(node["resolution"].value()),
        cryptomatte=bool(node["cryptomatte"].value()),
        plate=bool(node["plate"].value()),
        redo=bool(node["redo"].value()),
        from_read=node["colour"].value() == COLOURS[0],
    )


def read_plate(node: Any) -> Plate:
    """Find the Read that feeds the node, and read its knobs. Raises UserError when there is none."""
    chain: list[Upstream] = []
    found: dict[str, Any] = {}
    above = node.input(0)
    # Nuke lets nobody build a circle; the length guards against one all the same.
    while above is not None and len(chain) < _LONGEST_CHAIN:
        chain.append(Upstream(kind=above.Class(), name=above.name(), disabled=_disabled(above)))
        found[above.name()] = above
        above = above.input(0)
    read = found[plate_of(chain, node=node.name())]
    return Plate(
        node=read.name(),
        file=_whole(read["file"]),
        first=int(read["first"].value()),
        last=int(read["last"].value()),
        frame_mode=str(read["frame_mode"].value()),
        frame=str(read["frame"].value()),
        colorspace=str(read["colorspace"].value()),
        raw=bool(read["raw"].value()),
    )


def read_colour() -> Colour:
    """Read the project's colour management."""
    root = nuke.root()
    config, known = find_config(
        str(root["OCIO_config"].value()),
        custom=_whole(root["customOCIOConfigPath"]),
        program=Path(nuke.EXE_PATH),
        environ=os.environ,
    )
    return Colour(
        managed_by_ocio=root["colorManagement"].value() == "OCIO",
        config=config,
        config_known=known,
        working=str(root["workingSpaceLUT"].value()),
    )


def _knob(spec: KnobSpec) -> Any:
    make = getattr(nuke, spec.kind)
    if spec.choices:
        knob = make(spec.name, spec.label, list(spec.choices))
    elif spec.command:
        knob = make(spec.name, spec.label, spec.command)
    else:
        knob = make(spec.name, spec.label)
    if spec.default is not None:
        knob.setValue(spec.default)
    if spec.tip:
        knob.setTooltip(spec.tip)
    if spec.hidden:
        knob.setFlag(nuke.INVISIBLE)
    if spec.own_line:
        knob.setFlag(nuke.STARTLINE)
    else:
        knob.clearFlag(nuke.STARTLINE)
    return knob


def _path(knob: Any) -> str:
    # Expressions are evaluated and the frame number stays a token; `evaluate` would put the current frame in.
    return str(knob.getEvaluatedValue() or "").replace("\\", "/").strip()


def _whole(knob: Any) -> str:
    project = str(nuke.root()["project_directory"].evaluate() or "").replace("\\", "/").strip()
    return whole_path(_path(knob), project=project)


def _disabled(node: Any) -> bool:
    knob = node.knob("disable")
    return bool(knob.value()) if knob is not None else False
