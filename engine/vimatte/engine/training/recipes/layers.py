"""A picture taken apart into a target, everybody else and the background: alphas, and colours that compose it."""

# ruff: noqa: N803, N806, N815 - names carry shapes: B clips, T frames, N = B T, P people, H height, W width

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vimatte.engine.training.recipes.batch import Batch

__all__ = ["Layers", "guides", "layers"]

_TINY = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """Target, reference, background."""

    alphas_N3HW: Tensor
    """That of the background is 1 minus the others."""
    colours_N33HW: Tensor
    """(n, layer, rgb, h, w), straight, display-referred."""


def layers(batch: Batch, target_BP: Tensor) -> Layers:
    """Layers of all frames, the people of `target` (b, p), bool, being the target and all the rest the reference.

    Colours of several people are mixed by their alphas; those of the background are what the picture has left. Where
    a layer is empty its colour is the picture's.
    """
    picture_N3HW = batch.pictures_BT3HW.flatten(0, 1)
    lit_BTP3HW = batch.alphas_BTPHW[:, :, :, None] * batch.colours()
    alphas, lights = [], []
    for chosen_BP in (target_BP, ~target_BP):
        rows = chosen_BP[:, None, :, None, None].to(lit_BTP3HW.dtype)
        alphas.append((batch.alphas_BTPHW * rows).sum(dim=2).flatten(0, 1))
        lights.append((lit_BTP3HW * rows[:, :, :, None]).sum(dim=2).flatten(0, 1))
    alphas.append(1.0 - alphas[0] - alphas[1])
    lights.append(picture_N3HW - lights[0] - lights[1])
    alphas_N3HW, lights_N33HW = torch.stack(alphas, dim=1), torch.stack(lights, dim=1)
    shares_N31HW = alphas_N3HW[:, :, None]
    straight = (lights_N33HW / shares_N31HW.clamp(min=_TINY)).clamp(0.0, 1.0)
    colours_N33HW = torch.where(shares_N31HW > _TINY, straight, picture_N3HW[:, None])
    return Layers(alphas_N3HW=alphas_N3HW, colours_N33HW=colours_N33HW)


def guides(batch: Batch, target_BP: Tensor) -> tuple[Tensor, Tensor]:
    """Masks (n, h, w) of the target and of the reference, each the union of its people's."""
    both = []
    for chosen_BP in (target_BP, ~target_BP):
        rows = chosen_BP[:, None, :, None, None].to(batch.masks_BTPHW.dtype)
        both.append((batch.masks_BTPHW * rows).amax(dim=2).flatten(0, 1))
    return both[0], both[1]
