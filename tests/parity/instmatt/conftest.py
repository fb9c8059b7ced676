"""The goldens of InstMatt, and its network with the weights they were made with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.lib.npyio import NpzFile
from torch import Tensor

from vimatte.engine.matting.instmatt.network import InstMatt
from vimatte.engine.matting.instmatt.refiner import Refiner

from support.recipe_weights import INSTMATT, recipe_weights, shapes_of


class Golden:
    """One npz: arrays as tensors, and what `meta_json` says."""

    def __init__(self, path: Path) -> None:
        self._arrays: NpzFile = np.load(path)
        self.meta: dict[str, Any] = json.loads(str(self._arrays["meta_json"]))

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self._arrays[name])


@pytest.fixture(scope="session")
def instmatt(goldens: Path) -> Path:
    return goldens / "instmatt"


@pytest.fixture(scope="session")
def weights(instmatt: Path) -> dict[str, Tensor]:
    return recipe_weights(shapes_of(instmatt / "keys_stage2.json"), INSTMATT)


@pytest.fixture(scope="session")
def network(weights: dict[str, Tensor]) -> InstMatt:
    network = InstMatt()
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)


@pytest.fixture
def refiner(weights: dict[str, Tensor]) -> Refiner:
    refiner = Refiner()
    prefix = "refiner."
    refiner.load_state_dict({k.removeprefix(prefix): w for k, w in weights.items() if k.startswith(prefix)})
    return refiner.eval()


@pytest.fixture(scope="session")
def network_golden(instmatt: Path) -> Golden:
    return Golden(instmatt / "golden_net128.npz")


@pytest.fixture(scope="session")
def pipeline_golden(instmatt: Path) -> Golden:
    return Golden(instmatt / "golden_pipeline.npz")


@pytest.fixture(scope="session")
def refiner_golden(instmatt: Path) -> Golden:
    return Golden(instmatt / "golden_refiner.npz")


@pytest.fixture(scope="session")
def training_golden(instmatt: Path) -> Golden:
    return Golden(instmatt / "golden_refiner_train.npz")
