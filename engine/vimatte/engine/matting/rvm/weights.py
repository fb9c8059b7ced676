"""The published weights of Robust Video Matting, brought into our network's names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from vimatte.engine.checkpoints import digest_of
from vimatte.engine.checkpoints.fit import fit
from vimatte.engine.errors import BackendError
from vimatte.engine.matting.rvm.network import RvmNetwork
from vimatte.engine.matting.rvm.onnx_file import read_convolutions
from vimatte.engine.weights import file_sha256, folder, locate

__all__ = ["open_network", "read_state"]

_SET = "rvm"
_FILE = "rvm_mobilenetv3_fp32.onnx"


def open_network(state: Mapping[str, Tensor] | None) -> tuple[RvmNetwork, str]:
    """Return the network, in evaluation, with the weights given or those in the cache, and their sha256.

    Raises BackendError where the cache has none, or where those in memory do not fit.
    """
    network = RvmNetwork()
    if state is None:
        if not (folder(_SET) / _FILE).is_file():
            raise BackendError(
                f"The matting model 'rvm' needs weights that are not in {folder(_SET)}; type: vimatte weights pull rvm "
                f"(its licence, GPL-3.0, has to be accepted), or take --matting classical, which needs none."
            )
        path = locate(_SET)[_FILE]
        state, sha256 = read_state(path), file_sha256(path)
    else:
        sha256 = digest_of(state)
    differs = fit(state, network.state_dict())
    if not differs.whole:
        raise BackendError(f"The weights given do not fit Robust Video Matting ({differs}); give all of them.")
    network.load_state_dict(dict(state))
    return network.eval(), sha256


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
    differs = fit(state, wanted)
    if not differs.whole:
        raise BackendError(
            f"{path} is another network than Robust Video Matting with MobileNetV3 ({differs}); "
            f"type: vimatte weights pull rvm"
        )
    return state
