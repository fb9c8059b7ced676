"""Whether tensors are the weights of a network: every key and every shape, without making the network's memory."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vimatte.engine.checkpoints.sets import NETWORKS, NetworkSet
from vimatte.engine.errors import BackendError

__all__ = ["Fit", "bytes_of", "empty_network", "fit", "looks_like", "new_network"]

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Where tensors and a network differ."""

    missing: tuple[str, ...]
    """Keys the network has and the tensors have not."""
    extra: tuple[str, ...]
    """Keys the network does not know."""
    mismatched: tuple[str, ...]
    """`key (found 3x4, wanted 3x5)`."""

    @property
    def whole(self) -> bool:
        """Whether nothing differs."""
        return not (self.missing or self.extra or self.mismatched)

    def __str__(self) -> str:
        parts = [
            f"{len(keys)} {word}: {', '.join(keys[:_SHOWN])}{', …' if len(keys) > _SHOWN else ''}"
            for word, keys in (
                ("missing", self.missing),
                ("unknown", self.extra),
                ("of another shape", self.mismatched),
            )
            if keys
        ]
        return "; ".join(parts) or "every key and shape fits"


def new_network(one: NetworkSet, *, device: str = "cpu") -> nn.Module:
    """Build a set's network as it is before training. Raises BackendError where it cannot be imported."""
    module, _, attribute = one.network.partition(":")
    try:
        build = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise BackendError(f"The network of the weights '{one.name}' cannot be imported ({error}).") from error
    with torch.device(device):
        network = build(**one.options)
    assert isinstance(network, nn.Module)
    return network


def empty_network(one: NetworkSet) -> nn.Module:
    """Build a set's network on the meta device: shapes and names, no numbers. Raises BackendError."""
    return new_network(one, device="meta")


def fit(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Fit:
    """Compare tensors with a network's state dict by name and shape."""
    return Fit(
        missing=tuple(k for k in wanted if k not in tensors),
        extra=tuple(k for k in tensors if k not in wanted),
        mismatched=tuple(
            f"{k} (found {_shape(tensors[k])}, wanted {_shape(w)})"
            for k, w in wanted.items()
            if k in tensors and tensors[k].shape != w.shape
        ),
    )


def looks_like(tensors: Mapping[str, Tensor]) -> str | None:
    """The title of the known network these tensors fit whole, or None."""
    for one in NETWORKS.values():
        try:
            wanted = empty_network(one).state_dict()
        except BackendError:
            continue
        if fit(tensors, wanted).whole:
            return one.title
        for prefix, title in one.without.items():
            if fit(tensors, {k: w for k, w in wanted.items() if not k.startswith(prefix)}).whole:
                return title
    return None


def bytes_of(tensors: Mapping[str, Tensor]) -> int:
    """Bytes of all tensors together; those of the meta device are counted as if they had memory."""
    return sum(math.prod(t.shape) * t.element_size() for t in tensors.values())


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
