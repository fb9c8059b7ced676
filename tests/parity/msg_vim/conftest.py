"""What the tests of MSG-VIM's parity share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.matting.common.pictures import normalised
from vimatte.engine.matting.msg_vim.network import Network

from support.recipe_weights import MSG_VIM, recipe_weights, shapes_of

Load = Callable[[str], tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]]


@pytest.fixture(scope="session")
def folder(goldens: Path) -> Path:
    return goldens / "msg_vim"


@pytest.fixture(scope="session")
def load(folder: Path) -> Load:
    """Arrays and what is said about them, of `golden_<name>.npz`."""

    def loaded(name: str) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]:
        with np.load(folder / f"golden_{name}.npz") as file:
            arrays = {key: file[key] for key in file.files}
        return arrays, json.loads(str(arrays.pop("meta_json")))

    return loaded


@pytest.fixture(scope="session")
def weights(folder: Path) -> dict[str, Tensor]:
    return recipe_weights(shapes_of(folder / "keys.json"), MSG_VIM)


@pytest.fixture(scope="session")
def trained(weights: Mapping[str, Tensor]) -> Network:
    """As stored; not to be changed."""
    network = Network()
    network.load_state_dict(weights, strict=True)
    return network.eval()


@pytest.fixture(scope="session")
def clip() -> Callable[..., Tensor]:
    """(1, t, 5, h, w) of 8-bit pictures and masks of 0 and 1."""

    def made(images: NDArray[np.uint8], target: NDArray[np.uint8], others: NDArray[np.uint8]) -> Tensor:
        frames = [
            torch.cat([normalised(image.astype(np.float32) / 255), torch.from_numpy(np.stack([one, other])).float()])
            for image, one, other in zip(images, target, others, strict=True)
        ]
        return torch.stack(frames)[None]

    return made
