"""What a recipe is given at every step: plain tensors of a few clips."""

# ruff: noqa: N815, N806 - names carry shapes: B clips, T frames, P people, M objects, H height, W width

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from vimatte.engine.errors import ConfigError

__all__ = ["Batch", "normalise"]

_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures, as in `matting.common.pictures`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Clips of the same length, size and number of people; somebody who is not there has an empty alpha."""

    pictures_BT3HW: Tensor
    """Display-referred, in [0, 1]."""
    alphas_BTPHW: Tensor
    """What is seen of each person, in [0, 1]; over people they sum to at most 1."""
    masks_BTPHW: Tensor
    """Guidance, 0 or 1."""
    colours_BTP3HW: Tensor | None = None
    """Straight colours of each person; composition losses ask for them."""
    objects_BTMHW: Tensor | None = None
    """Masks of whole people, 0 or 1, for object queries; None: whoever is seen."""

    def __post_init__(self) -> None:
        B, T, P, H, W = self.alphas_BTPHW.shape
        wanted = {
            "pictures_BT3HW": (B, T, 3, H, W),
            "masks_BTPHW": (B, T, P, H, W),
            "colours_BTP3HW": (B, T, P, 3, H, W),
        }
        for name, shape in wanted.items():
            value = getattr(self, name)
            if value is not None and tuple(value.shape) != shape:
                raise ValueError(f"{name} must be {shape} beside these alphas, found {tuple(value.shape)}")

    def to(self, device: str) -> Self:
        """The same on another device."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        on_it = {k: None if v is None else v.to(device, non_blocking=True) for k, v in moved.items()}
        return type(self)(**on_it)  # type: ignore[arg-type]

    def normalised(self) -> Tensor:
        """Pictures with ImageNet's mean and spread taken out, (b, t, 3, h, w)."""
        return normalise(self.pictures_BT3HW)

    def present(self) -> Tensor:
        """Who is on any frame of each clip, (b, p) bool."""
        return self.alphas_BTPHW.flatten(3).any(dim=3).any(dim=1)

    def colours(self) -> Tensor:
        """Straight colours of people. Raises ConfigError where the data has none."""
        if self.colours_BTP3HW is None:
            raise ConfigError(
                "This recipe's composition loss needs the colours of each person, and the data has none; "
                "give data that is composited (--data with people/ and backgrounds/)."
            )
        return self.colours_BTP3HW

    @classmethod
    def together(cls, batches: Sequence[Batch]) -> Self:
        """Put clips into one batch; rows of nobody are added where some have fewer people."""
        people = max(one.alphas_BTPHW.shape[2] for one in batches)

        def joined(name: str) -> Tensor | None:
            values = [getattr(one, name) for one in batches]
            if any(value is None for value in values):
                return None
            if name == "pictures_BT3HW":
                return torch.cat(values)
            rows = people if name != "objects_BTMHW" else max(value.shape[2] for value in values)
            return torch.cat([_filled(value, rows) for value in values])

        return cls(**{f.name: joined(f.name) for f in fields(cls)})  # type: ignore[arg-type]


def normalise(pictures: Tensor) -> Tensor:
    """Take ImageNet's mean and spread out of (..., 3, h, w)."""
    mean, spread = (pictures.new_tensor(v)[:, None, None] for v in (_MEAN, _SPREAD))
    return (pictures - mean) / spread


def _filled(value: Tensor, rows: int) -> Tensor:
    missing = rows - value.shape[2]
    if not missing:
        return value
    return torch.cat([value, value.new_zeros((*value.shape[:2], missing, *value.shape[3:]))], dim=2)
