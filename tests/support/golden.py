"""Reading one npz of goldens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Golden:
    """Arrays as tensors, and what `meta_json` says where there is one."""

    def __init__(self, path: Path) -> None:
        self._arrays = np.load(path)
        self.meta: dict[str, Any] = json.loads(str(self._arrays["meta_json"])) if "meta_json" in self._arrays else {}

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self._arrays[name])

    def bits(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Packed zeros and ones as float."""
        count = int(np.prod(shape))
        return torch.from_numpy(np.unpackbits(self._arrays[name])[:count].reshape(shape)).float()
