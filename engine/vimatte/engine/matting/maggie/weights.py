"""The two networks with weights in them, made ready for inference."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from vimatte.engine.checkpoints import digest_of, load_state
from vimatte.engine.checkpoints.fit import fit
from vimatte.engine.checkpoints.state import has_weights
from vimatte.engine.errors import BackendError
from vimatte.engine.matting.common.fold import fold
from vimatte.engine.matting.common.spectral import SpectralConv
from vimatte.engine.matting.maggie.network import Maggie

__all__ = ["IMAGE", "VIDEO", "Networks", "open_networks", "prepared", "settle"]

IMAGE, VIDEO = "maggie_image", "maggie_video"
"""Names of the sets of weights."""
_ONLY_VIDEO = "decoder.os8_temp_module.ih.0.weight"
_log = logging.getLogger(__name__)


class Networks(NamedTuple):
    """What there is: one of the two at least."""

    image: Maggie | None
    video: Maggie | None
    digests: dict[str, str]
    """Name of a set -> sha256 of its weights."""


def open_networks(state: Mapping[str, Tensor] | None, *, device: str) -> Networks:
    """Make networks of weights in memory (of either), or of the sets in the user's cache.

    Raises BackendError where the cache has none, or where those in memory fit neither.
    """
    if state is not None:
        name = VIDEO if _ONLY_VIDEO in state else IMAGE
        network = _open(name, state, device=device)
        found, digests = {name: network}, {name: digest_of(state)}
    else:
        names = [name for name in (IMAGE, VIDEO) if has_weights(name)]
        loaded = {name: load_state(name) for name in names or [VIDEO]}
        found = {name: _open(name, one.tensors, device=device) for name, one in loaded.items()}
        digests = {name: one.sha256 for name, one in loaded.items()}
    return Networks(found.get(IMAGE), found.get(VIDEO), digests)


def prepared(network: Maggie) -> Maggie:
    """Settle and fold a network in evaluation, in place; its keys are no longer the checkpoint's."""
    settle(network)
    fold(network)
    network.decoder.fold()
    # Channels last: what the sparse half reads its rows from, and faster convolutions.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


@torch.no_grad()
def settle(network: Maggie, *, most: int = 50, tolerance: float = 1e-6) -> bool:
    """Take power steps until every spectral norm stays within `tolerance`; False where `most` were not enough.

    The published code takes one step on every call, so that mattes would depend on how many frames went before. With
    trained weights the norms have long settled, and fixed ones give the same to rounding; others are settled here.
    """
    settled = True
    for module in network.modules():
        if not isinstance(module, SpectralConv):
            continue
        before = module.module.sigma()
        for _ in range(most):
            module.module.step()
            now = module.module.sigma()
            if (now - before).abs() <= tolerance * now.abs():
                break
            before = now
        else:
            settled = False
    if not settled:
        _log.warning("Some spectral norms of these weights have not settled: were they trained to the end?")
    return settled


def _open(name: str, state: Mapping[str, Tensor], *, device: str) -> Maggie:
    with torch.device("meta"):
        network = Maggie(video=name == VIDEO)
    differs = fit(state, network.state_dict())
    if not differs.whole:
        raise BackendError(
            f"The weights given for MaGGIe do not fit its {'video' if name == VIDEO else 'image'} network ({differs}); "
            f"give all of them, or type: vimatte weights import {name} FILE"
        )
    # Copies: settling and folding write over the weights, which are the caller's.
    network.load_state_dict({key: value.clone() for key, value in state.items()}, assign=True)
    return prepared(network.eval().to(device))
