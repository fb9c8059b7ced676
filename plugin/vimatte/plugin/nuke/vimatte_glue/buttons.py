"""What the buttons do: read the knobs, ask the engine, show what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import nuke

from ...bridge import EngineError, in_runs  # noqa: TID252 - the package has another name inside Nuke
from . import node as nodes
from .errors import UserError
from .graph import build_graph
from .people import edits_of, people_text
from .place import node_named, place
from .plan import Plan, make_plan
from .session import current
from .state import State
from .wording import in_nuke, summary
from .work import Outcome, Step, Work

__all__ = ["cancel", "create", "find_people", "matte"]

_BESIDE, _BELOW = 220, 40


def create() -> Any:
    """Add a Video Instance Matte and return it."""
    return nodes.create()


def find_people(node: Any) -> None:
    """Find and follow everybody in the plate of `node`."""

    def action() -> None:
        plan = _plan(node)
        _start(node, plan, title="Find people", steps=_finding(plan), finish=_found)

    _guarded(action)


def matte(node: Any) -> None:
    """Write the layers, of people found before or found now, then show them beside `node`."""

    def action() -> None:
        plan = _plan(node)
        state = State.parse(node["state"].value())
        known = state.shot == plan.plate.file and bool(state.ids) and (plan.tracks / "tracks.json").is_file()
        if known:
            edits = edits_of(str(node["people"].value()), state.ids)
            fields = {"folder": str(plan.tracks), "edits": edits}
            steps = [Step(kind="tracks-edit", title="Correcting tracks", fields=fields)]
        else:
            steps = _finding(plan)
        steps.append(Step(kind="run", title=f"Matting {plan.plate.node}", fields=plan.matting()))
        _start(node, plan, title="Matte", steps=steps, finish=_matted)

    _guarded(action)


def cancel() -> None:
    """Stop what runs."""
    current.cancel()


def _plan(node: Any) -> Plan:
    return make_plan(nodes.read_settings(node), nodes.read_plate(node), colour=nodes.read_colour())


def _finding(plan: Plan) -> list[Step]:
    return [
        Step(kind="track", title=f"Finding people in {plan.plate.node}", fields=plan.finding()),
        Step(kind="people", title="Listing people", fields={"folder": str(plan.tracks)}),
    ]


def _start(
    node: Any, plan: Plan, *, title: str, steps: list[Step], finish: Callable[[Any, Plan, Outcome], None]
) -> None:
    name = str(node.fullName())

    def over(outcome: Outcome) -> None:
        _guarded(lambda: _end(name, plan, outcome, finish))

    current.start(
        Work(
            title=f"{node.name()}: {title}",
            steps=steps,
            folder=plan.folder,
            engine=str(node["engine"].value() or "").strip(),
            finish=over,
        )
    )


def _end(name: str, plan: Plan, outcome: Outcome, finish: Callable[[Any, Plan, Outcome], None]) -> None:
    node = node_named(name)
    if node is None:
        raise UserError(f"The node {name} is gone; what was written is in {plan.folder}.")
    if outcome.people is not None:
        # Also where a later step failed: the tracks on disk are as they are.
        node["people"].setValue(people_text(outcome.people))
        state = State.parse(node["state"].value())
        ids = tuple(int(p["id"]) for p in outcome.people)
        _remember(node, dataclasses.replace(state, shot=plan.plate.file, ids=ids))
    if outcome.state == "cancelled":
        _say(node, "Cancelled; every frame that was written is whole, and Matte goes on from there.")
        return
    if outcome.state == "failed":
        sentence = in_nuke(outcome.message)
        _say(node, sentence)
        raise UserError(sentence)
    finish(node, plan, outcome)


def _found(node: Any, plan: Plan, outcome: Outcome) -> None:
    count = len(outcome.people or ())
    said = f"{count} {'person' if count == 1 else 'people'} found in {plan.plate.node}."
    _say(node, "\n".join([said, *map(in_nuke, outcome.warnings)]))


def _matted(node: Any, plan: Plan, outcome: Outcome) -> None:
    people = outcome.people or ()
    graph = build_graph(
        plan.written(people, outcome.numbers), x=int(node.xpos()) + _BESIDE, y=int(node.ypos()) + _BELOW
    )
    state = State.parse(node["state"].value())
    made = place(node, graph, state=state)
    _remember(node, dataclasses.replace(state, owner=str(node.name()), made=made))
    said = summary(
        people=len(people),
        frames=len(set(outcome.numbers)),
        folder=plan.folder.as_posix(),
        missing=in_runs(plan.missing(outcome.numbers)),
        warnings=outcome.warnings,
    )
    _say(node, said)


def _remember(node: Any, state: State) -> None:
    node["state"].setValue(state.text())


def _say(node: Any, sentence: str) -> None:
    node["said"].setValue(sentence)


def _guarded(action: Callable[[], None]) -> None:
    try:
        action()
    except (UserError, EngineError) as error:
        sentence = in_nuke(str(error))
        if not nuke.GUI:
            raise RuntimeError(sentence) from error
        nuke.message(sentence)
