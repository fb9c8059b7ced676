"""Looking at a network while it trains: errors on clips it is not trained on, and a picture of what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vimatte.engine.errors import MediaError
from vimatte.engine.training.recipes.batch import Batch
from vimatte.engine.training.recipes.recipe import Objective

__all__ = ["Evaluation"]

_HEIGHT = 160
"""Of one picture on the sheet."""


class Evaluation:
    """Figures for the log, and a sheet `step_<n>.png` in a folder."""

    def __init__(self, objective: Objective, batches: Sequence[Batch], *, folder: Path, device: str) -> None:
        """Take clips to look at, the same every time."""
        self._objective, self._batches, self._folder, self._device = objective, tuple(batches), folder, device

    def __call__(self, network: nn.Module, step: int) -> dict[str, float]:
        """Matte all clips: `mad` and, over frames, `change`, both times 1000. Raises MediaError."""
        errors: list[float] = []
        changes: list[float] = []
        rows: list[NDArray[np.uint8]] = []
        for batch in self._batches:
            here = batch.to(self._device)
            with torch.inference_mode():
                found = self._objective.mattes(network, here).float()
            off = found - here.alphas_BTPHW
            errors.append(off.abs().mean().item())
            if off.shape[1] > 1:
                changes.append(off.diff(dim=1).abs().mean().item())
            rows += _rows(batch, found.cpu())
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"step_{step:06d}.png"
        if not cv2.imwrite(str(path), np.concatenate(rows)):
            raise MediaError(f"The picture '{path}' could not be written; is the disk full?")
        figures = {"mad": 1e3 * sum(errors) / len(errors)}
        return {**figures, "change": 1e3 * sum(changes) / len(changes)} if changes else figures


def _rows(batch: Batch, found_BTPHW: Tensor) -> list[NDArray[np.uint8]]:  # noqa: N803 - names carry shapes
    """One row a clip, of its middle frame: picture, then mask, matte and truth of the two people seen most."""
    out = []
    middle = batch.alphas_BTPHW.shape[1] // 2
    for clip in range(len(batch.alphas_BTPHW)):
        true = batch.alphas_BTPHW[clip, middle]
        areas = true.flatten(1).sum(dim=1)
        seen = torch.argsort(areas, descending=True)[:2].tolist()
        cells = [_cell(batch.pictures_BT3HW[clip, middle])]
        for person in seen:
            for planes in (batch.masks_BTPHW, found_BTPHW, batch.alphas_BTPHW):
                cells.append(_cell(planes[clip, middle, person].expand(3, -1, -1)))
        # Somebody alone leaves room for one more.
        cells += [np.zeros_like(cells[0])] * (7 - len(cells))
        out.append(np.concatenate(cells, axis=1))
    return out


def _cell(planes: Tensor) -> NDArray[np.uint8]:
    rgb = (planes.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    width = max(1, round(_HEIGHT * rgb.shape[1] / rgb.shape[0]))
    return np.asarray(cv2.resize(rgb[..., ::-1], (width, _HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)
