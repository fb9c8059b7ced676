"""The People knob: one line a person, edited as text, turned into edits of the tracks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .errors import UserError

__all__ = ["edits_of", "layer_name", "people_text"]

_LINE = re.compile(r"(?P<ids>\d+(?:\s*\+\s*\d+)*)\s+(?P<name>\S.*)")
_TAKEN_BY_HOSTS = frozenset(
    {"alpha", "backward", "combined", "depth", "forward", "mask", "rgb", "rgba", "rotopaint_mask"}
)
_LONGEST = 54


def people_text(people: Iterable[Mapping[str, Any]]) -> str:
    """Write the lines: the id, then the name ('1 anna')."""
    return "\n".join(f"{p['id']} {p['name']}" for p in people)


def edits_of(text: str, known: Iterable[int]) -> list[Any]:
    """Read the lines and say what the engine shall do to the tracks of the people `known`.

    '1 anna' names somebody, '2+5 bruno' makes one person of two, somebody without a line is left out. Empty lines do
    not count. Raises UserError for a line that is neither, an id that is not known or occurs twice, and an empty list.
    """
    left = set(known)
    everybody = ", ".join(map(str, sorted(left)))
    merges: list[Any] = []
    names: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise UserError(
                f"Line {number} of People is '{line.strip()}'; write an id and a name, for instance '1 anna', or "
                "'2+5 bruno' to make one person of two."
            )
        ids = [int(i) for i in match["ids"].split("+")]
        for one in ids:
            if one not in left:
                why = "is there twice" if one in set(known) else "is nobody"
                raise UserError(f"The id {one} in line {number} of People {why}; there is: {everybody}.")
            left.discard(one)
        if len(ids) > 1:
            merges.append(["merge", *ids])
        names[str(ids[0])] = layer_name(match["name"], taken=names.values())
    if not names:
        raise UserError("People has no line left; press Find people, or leave at least one line.")
    return [*merges, *([["drop", *sorted(left)]] if left else []), ["rename", names]]


def layer_name(text: str, *, taken: Iterable[str] = ()) -> str:
    """Turn any text into a layer name that nobody in `taken` has, by the rules of docs/layers_format.md."""
    kept = re.sub(r"[^A-Za-z0-9_]", "_", text).strip("_") or "person"
    if not kept[0].isalpha() or kept.lower() in _TAKEN_BY_HOSTS:
        kept = f"p_{kept}"
    kept = kept[:_LONGEST].rstrip("_")
    others, name, count = set(taken), kept, 2
    while name in others:
        name, count = f"{kept[: _LONGEST - 4]}_{count}", count + 1
    return name
