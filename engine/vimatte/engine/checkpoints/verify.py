"""Whether weights in the cache are whole: files, digests, keys, shapes, and that they load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from safetensors import SafetensorError, safe_open

from vimatte.engine import weights
from vimatte.engine.checkpoints.catalogue import some_set
from vimatte.engine.checkpoints.fit import empty_network, fit
from vimatte.engine.checkpoints.sets import NetworkSet
from vimatte.engine.checkpoints.state import has_weights, load_state, read_record
from vimatte.engine.errors import BackendError
from vimatte.engine.vis.hub.sources import HubSet, hub_folder, is_here
from vimatte.engine.weights import WeightSet, file_sha256

__all__ = ["Verdict", "verify"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out about one set."""

    name: str
    state: Literal["whole", "not here", "damaged"]
    detail: str
    """What was checked, or what is wrong and what to type."""


def verify(name: str) -> Verdict:
    """Check one set. Raises BackendError for a name nobody knows; faults of the files are in the verdict."""
    one = some_set(name)
    try:
        match one:
            case WeightSet():
                return _wheel(one)
            case HubSet():
                return _hub(one)
            case NetworkSet():
                return _network(one)
    except BackendError as error:
        return Verdict(name, "damaged", str(error))


def _wheel(one: WeightSet) -> Verdict:
    place = weights.folder(one.name)
    if not any((place / file.name).exists() for file in one.files):
        return Verdict(one.name, "not here", f"type: vimatte weights pull {one.name}")
    weights.locate(one.name)
    return Verdict(one.name, "whole", f"{len(one.files)} files, sha256 as published")


def _hub(one: HubSet) -> Verdict:
    place = hub_folder(one.name)
    if not is_here(one.name):
        return Verdict(one.name, "not here", f"type: vimatte weights pull {one.name}")
    for file, sha256 in one.sha256.items():
        if not (place / file).is_file() or file_sha256(place / file) != sha256:
            raise BackendError(f"{place / file} is missing or damaged; type: vimatte weights pull {one.name}")
    count = 0
    for path in sorted(place.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                count += len(file.keys())
        except (SafetensorError, OSError) as error:
            raise BackendError(f"{path} is torn ({error}); type: vimatte weights pull {one.name}") from error
    return Verdict(one.name, "whole", f"{count} tensors; the hub's files have no sha256 here to be held against")


def _network(one: NetworkSet) -> Verdict:
    if not has_weights(one.name):
        return Verdict(one.name, "not here", one.way)
    state = load_state(one.name)
    network = empty_network(one)
    differs = fit(state.tensors, network.state_dict())
    if not differs.whole:
        raise BackendError(f"{state.path} does not fit {one.title} ({differs}); {one.way}")
    network.load_state_dict(state.tensors, strict=True, assign=True)
    record = read_record(one.name)
    if not record:
        return Verdict(one.name, "whole", f"{len(state.tensors)} keys and shapes fit; no record of where it came from")
    origin = f"from {record.get('file')} on {str(record.get('date'))[:10]}"
    return Verdict(one.name, "whole", f"{len(state.tensors)} keys and shapes fit, sha256 as on arrival, {origin}")
