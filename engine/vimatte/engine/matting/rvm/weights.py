"""The published weights of Robust Video Matting, brought into our network's names."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from vimatte.engine.errors import BackendError
from vimatte.engine.matting.rvm.network import RvmNetwork
from vimatte.engine.matting.rvm.onnx_file import read_convolutions

__all__ = ["read_state"]


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the state of `RvmNetwork` from the published ONNX file.

    Batch norms were folded into the convolutions when the file was exported, whose names got lost over it: they are
    found by the order in which the graph runs them, and every shape is compared. Raises BackendError.
    """
    with torch.device("meta"):
        network = RvmNetwork()
    names = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    wanted = network.state_dict()
    there = read_convolutions(path)
    if len(there) != len(names):
        raise BackendError(
            f"{path} holds {len(there)} convolutions, Robust Video Matting with MobileNetV3 has {len(names)}; "
            f"type: vimatte weights pull rvm"
        )
    state: dict[str, Tensor] = {}
    for name, one in zip(names, there, strict=True):
        state[f"{name}.weight"] = torch.from_numpy(one.weight)
        if one.bias is not None:
            state[f"{name}.bias"] = torch.from_numpy(one.bias)
    wrong = sorted(
        name
        for name in {*wanted, *state}
        if name not in wanted or name not in state or wanted[name].shape != state[name].shape
    )
    if wrong:
        raise BackendError(
            f"{path} is another network than Robust Video Matting with MobileNetV3: {len(wrong)} tensors do not fit, "
            f"the first is {wrong[0]}; type: vimatte weights pull rvm"
        )
    return state
