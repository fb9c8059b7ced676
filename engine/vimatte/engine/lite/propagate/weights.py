"""The trained network of `lite.propagate`, as it comes with the program."""

from __future__ import annotations

import torch

from vimatte.engine.errors import BackendError
from vimatte.engine.lite.propagate.network import PropagateNet
from vimatte.engine.lite.shipped import shipped
from vimatte.engine.packed import can_pack, pack
from vimatte.engine.precision import quickest

__all__ = ["open_network"]

_NAME = "propagate"


def open_network(device: str) -> PropagateNet:
    """Load the network for use on a device, in the precision that is `quickest` there.

    Raises BackendError where weights are missing or of another network.
    """
    network = PropagateNet()
    try:
        network.load_state_dict(shipped(_NAME).tensors)
    except RuntimeError as error:
        raise BackendError(f"The weights of lite.{_NAME} are of another version; install vimatte again.") from error
    network.eval().requires_grad_(False)
    network.to(torch.device(device), memory_format=torch.channels_last)  # type: ignore[call-overload]
    if can_pack(torch.device(device)):
        pack(network, quickest(device))
    return network
