"""What an artist does to people in the panel: merge, drop, look at one alone. The tracks follow at the next Matte."""

from __future__ import annotations

from typing import Any

from . import node_group
from .errors import UserError
from .properties import quietly

SOLO = "Vimatte Solo"


def person_of(tree: Any, key: str) -> Any:
    """Look up by name or id; '' is the active one. Raises UserError."""
    people = tree.vimatte.people
    if not key and 0 <= tree.vimatte.active < len(people):
        return people[tree.vimatte.active]
    for person in people:
        if key and key in (person.name, str(person.uid)):
            return person
    known = ", ".join(p.name for p in people) or "nobody; press Find people"
    raise UserError(f"There is no '{key}' in '{tree.name}'; there is: {known}.")


def drop(tree: Any, key: str) -> str:
    """Leave somebody out: the socket goes now, the layer at the next Matte. Returns the name."""
    settings = tree.vimatte
    person = person_of(tree, key)
    name, uid = person.name, person.uid
    if settings.solo == uid:
        solo(tree, key)
    settings.add_edit("drop", uid)
    settings.people.remove(next(i for i, p in enumerate(settings.people) if p.uid == uid))
    settings.active = max(0, min(settings.active, len(settings.people) - 1))
    node_group.rebuild(tree)
    return str(name)


def merge(tree: Any, into: str, others: list[str]) -> str:
    """Make one person of several: the sum of their layers now, one layer from the next Matte on. Returns the name."""
    settings = tree.vimatte
    target = person_of(tree, into)
    uids = {person_of(tree, o).uid for o in others} - {target.uid}
    if not uids:
        raise UserError(f"Choose at least one other person to merge into {target.name}.")
    gone = [p for p in settings.people if p.uid in uids]
    layers = [n for p in gone for n in (p.layer, *p.added.split(",")) if n]
    keep = target.uid
    first, last = min(target.first, *(p.first for p in gone)), max(target.last, *(p.last for p in gone))
    with quietly():
        target.added = ",".join([*filter(None, target.added.split(",")), *layers])
        target.first, target.last = first, last
    settings.add_edit("merge", keep, *sorted(uids))
    for uid in uids:
        settings.people.remove(next(i for i, p in enumerate(settings.people) if p.uid == uid))
    settings.active = next(i for i, p in enumerate(settings.people) if p.uid == keep)
    for person in settings.people:
        person.chosen = False
    node_group.rebuild(tree)
    return str(settings.people[settings.active].name)


def solo(tree: Any, key: str) -> bool:
    """Show one person's matte in a viewer, or take it away again; returns whether it is shown now."""
    settings = tree.vimatte
    person = person_of(tree, key)
    places = list(node_group.parents(tree))
    if not places:
        raise UserError(f"'{tree.name}' is in no compositor tree; add its node first.")
    for parent, _ in places:
        if (viewer := parent.nodes.get(SOLO)) is not None:
            parent.nodes.remove(viewer)
    if settings.solo == person.uid:
        settings.solo = 0
        return False
    parent, node = places[0]
    viewer = parent.nodes.new("CompositorNodeViewer")
    viewer.name = viewer.label = SOLO
    viewer.location = (node.location.x + 260, node.location.y + 160)
    parent.links.new(node_group.socket_of(tree, node, person.uid), viewer.inputs["Image"])
    parent.nodes.active = node
    settings.solo = person.uid
    return True
