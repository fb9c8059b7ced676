"""A published network with weights in it: those given in memory, or the user's own from the cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from vimatte.engine.checkpoints import digest_of, load_state, network_set
from vimatte.engine.checkpoints.fit import fit
from vimatte.engine.errors import BackendError

__all__ = ["opened"]

N = TypeVar("N", bound=nn.Module)


def opened(make: Callable[[], N], state: Mapping[str, Tensor] | None, *, name: str) -> tuple[N, str]:
    """Return the network that `make` builds, in evaluation, with weights of its own, and their sha256.

    `name` is that of the set. Raises BackendError where the cache has none, or where those in memory do not fit.
    """
    if state is None:
        loaded = load_state(name)
        state, sha256 = loaded.tensors, loaded.sha256
    else:
        sha256 = digest_of(state)
    with torch.device("meta"):
        network = make()
    differs = fit(state, network.state_dict())
    if not differs.whole:
        raise BackendError(f"The weights given do not fit {network_set(name).title} ({differs}); give all of them.")
    network.load_state_dict({key: value.clone() for key, value in state.items()}, assign=True)
    return network.eval(), sha256
