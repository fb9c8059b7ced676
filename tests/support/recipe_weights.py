"""Weights for tests of the published networks, generated from the names of their entries: nothing is stored.

The recipe is that of the goldens of MSG-VIM and InstMatt (`weights_recipe.md` beside them).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vimatte.engine.matting.instmatt.network import InstMatt
from vimatte.engine.matting.msg_vim.network import Network as MsgVimNetwork

SPECTRAL_STEPS = 2
"""So few that the vectors have not converged: whoever ignores the stored ones gets other numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What is adjusted so that nothing saturates and every branch runs."""

    mask_gain: float
    """Of the first convolutions' weights for the channels after the picture's three."""
    gains: Mapping[str, float | Sequence[float]]
    """Entry -> factor, or one factor for each output channel."""
    offsets: Mapping[str, Sequence[float]]
    """Entry -> what is added to each output channel."""


MSG_VIM = Recipe(
    mask_gain=4.0,
    gains={
        "decoder.refine_OS8.3.weight": 16.0,
        "decoder.refine_OS4.3.weight": 12.0,
        "decoder.refine_OS1.3.weight": 8.0,
    },
    offsets={
        "decoder.refine_OS8.3.bias": [8.0, 0.0],
        "decoder.refine_OS4.3.bias": [2.0, -13.0],
        "decoder.refine_OS1.3.bias": [4.5, -3.0],
    },
)
INSTMATT = Recipe(
    mask_gain=12.0,
    gains={
        "decoder.refine_OS8.3.weight": [4.0, 16.0, 12.0],
        "decoder.refine_OS4.3.weight": [4.0, 8.0, 8.0],
        "decoder.refine_OS1.3.weight": [8.0, 6.0, 8.0],
        "refiner.head.weight": 3.0,
        "encoder.shortcut.0.5.weight": 3.0,
        "decoder.bn1.weight": 0.1,
        "decoder.bn1.bias": 0.1,
    },
    offsets={
        "decoder.refine_OS8.3.bias": [-6.0, -4.0, -9.0],
        "decoder.refine_OS4.3.bias": [-6.0, -13.0, -3.0],
        "decoder.refine_OS1.3.bias": [9.0, -9.0, 4.0],
    },
)


def shapes_of(keys: Path) -> dict[str, tuple[int, ...]]:
    """Entry -> shape, from a `keys*.json`."""
    return {name: tuple(entry["shape"]) for name, entry in json.loads(keys.read_text()).items()}


@cache
def msg_vim_weights() -> dict[str, Tensor]:
    """MSG-VIM's, without files; treat them as read-only."""
    return _of(MsgVimNetwork, MSG_VIM)


@cache
def instmatt_weights() -> dict[str, Tensor]:
    """InstMatt's with its refiner, without files; treat them as read-only."""
    return _of(InstMatt, INSTMATT)


def _of(network: type[nn.Module], recipe: Recipe) -> dict[str, Tensor]:
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in network().state_dict().items()}
    return recipe_weights(shapes, recipe)


def draw(name: str) -> np.random.Generator:
    """The generator that belongs to a name."""
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def recipe_weights(shapes: Mapping[str, Sequence[int]], recipe: Recipe) -> dict[str, Tensor]:
    """Entry -> tensor: float32, or int64 for the counters. Entries that are not asked for do not change the others."""
    made = {name: _values(name, tuple(shape), recipe) for name, shape in shapes.items()}
    for name in shapes:
        if name.endswith(".weight_bar"):
            stem = name.removesuffix("weight_bar")
            matrix = made[name].astype(np.float32).astype(np.float64).reshape(made[name].shape[0], -1)
            u = made[f"{stem}weight_u"]
            for _ in range(SPECTRAL_STEPS):
                v = _unit(matrix.T @ u)
                u = _unit(matrix @ v)
            made[f"{stem}weight_u"], made[f"{stem}weight_v"] = u, v
    return {
        name: torch.zeros(tuple(shapes[name]), dtype=torch.int64)
        if name.endswith("num_batches_tracked")
        else torch.from_numpy(values.astype(np.float32))
        for name, values in made.items()
    }


def _values(name: str, shape: tuple[int, ...], recipe: Recipe) -> NDArray[np.float64]:
    kind = name.rsplit(".", 1)[-1]
    if kind == "num_batches_tracked":
        return np.zeros(shape)
    normal = draw(name).standard_normal(shape)
    match kind:
        case "weight" | "weight_bar" if len(shape) >= 2:
            values = normal / np.sqrt(np.prod(shape[1:]))
        case "weight":
            values = 1.0 + 0.1 * normal
        case "bias":
            values = 0.02 * normal
        case "running_mean":
            values = 0.1 * normal
        case "running_var":
            values = 0.5 + 0.1 * np.abs(normal)
        case "weight_u" | "weight_v":
            values = _unit(normal)
        case _:
            raise KeyError(name)
    if ".layer" in name and name.endswith(".bn2.weight"):
        values = values * 0.5
    if name in ("encoder.conv1.module.weight_bar", "encoder.shortcut.0.0.module.weight_bar"):
        values[:, 3:] *= recipe.mask_gain
    gain = np.asarray(recipe.gains.get(name, 1.0), np.float64)
    values = values * gain.reshape(-1, *(1,) * (values.ndim - 1))
    return values + np.asarray(recipe.offsets.get(name, 0.0), np.float64)


def _unit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x / np.linalg.norm(x)
