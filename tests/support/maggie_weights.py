"""MaGGIe's weights by recipe: every tensor is a function of its key and shape, so that none needs to be stored."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.matting.maggie.network import Maggie

_FACTORS = {
    "decoder.refine_OS8.decoder_norm.weight": 4.0,
    "decoder.refine_OS4.3.weight": 8.0,
    "decoder.refine_OS1.3.weight": 3.0,
    "decoder.diff_module.6.weight": 3.0,
}


def maggie_weights(
    shapes: Mapping[str, Sequence[int]], *, overrides: Mapping[str, Sequence[float]], settled: bool = False
) -> dict[str, Tensor]:
    """Fill every key; `overrides` are the calibrated statistics of a few batch norms.

    `settled`: the vectors of spectral norms are exact singular vectors, which a power step leaves as they are.
    """
    state = {key: torch.from_numpy(_value(key, tuple(shape), overrides)) for key, shape in shapes.items()}
    if settled:
        for key in [k for k in state if k.endswith("weight_bar")]:
            u, v = _singular(state[key].numpy())
            stem = key.removesuffix("bar")
            state[f"{stem}u"], state[f"{stem}v"] = torch.from_numpy(u), torch.from_numpy(v)
    return state


def _value(key: str, shape: tuple[int, ...], overrides: Mapping[str, Sequence[float]]) -> NDArray[np.generic]:
    if key in overrides:
        return np.asarray(overrides[key], np.float32)
    if key.endswith("num_batches_tracked"):
        return np.zeros((), np.int64)
    noise = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode()))).standard_normal(shape)
    if key.endswith("running_mean"):
        value = 0.1 * noise
    elif key.endswith("running_var"):
        value = 1.0 + 0.1 * np.abs(noise)
    elif key.endswith(("weight_u", "weight_v")):
        value = noise / np.sqrt((noise * noise).sum())
    elif noise.ndim >= 2:
        value = noise / np.sqrt(np.prod(shape[1:]))
    elif key.endswith("bias"):
        value = 0.02 * noise
    else:
        value = 1.0 + 0.1 * noise
    return np.asarray(value * _FACTORS.get(key, 1.0), np.float32)


def _singular(weight: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    matrix = weight.astype(np.float64).reshape(weight.shape[0], -1)
    u = np.linalg.eigh(matrix @ matrix.T)[1][:, -1]
    u = u * np.sign(u[np.argmax(np.abs(u))])
    v = matrix.T @ u
    return u.astype(np.float32), (v / np.linalg.norm(v)).astype(np.float32)


def recipe_network(folder: Path, *, video: bool, settled: bool) -> Maggie:
    """The network in evaluation with the weights of a golden; `folder` holds parity/maggie."""
    keys = json.loads((folder / f"keys_{'video' if video else 'image'}.json").read_text())
    overrides = json.loads((folder / "bn_overrides.json").read_text())
    network = Maggie(video=video).eval()
    name = f"{'video' if video else 'image'}{'_settled' if settled else ''}"
    shapes = {key: one["shape"] for key, one in keys.items()}
    network.load_state_dict(maggie_weights(shapes, overrides=overrides[name], settled=settled), strict=True)
    return network


def network_input(frames_u8: NDArray[np.uint8]) -> Tensor:
    """(t, h, w, 3) to (t, 3, h, w), normalised."""
    planes = torch.from_numpy(frames_u8).permute(0, 3, 1, 2).float() / 255.0
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (planes - mean[:, None, None]) / spread[:, None, None]


def settled_weights(*, video: bool) -> dict[str, Tensor]:
    """Weights of either network without files; mattes of them mean nothing."""
    with torch.device("meta"):
        shapes = {key: tuple(value.shape) for key, value in Maggie(video=video).state_dict().items()}
    return maggie_weights(shapes, overrides={}, settled=True)
