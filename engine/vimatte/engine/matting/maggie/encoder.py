"""The encoder with its guidance: every person's mask becomes the colour of a learned identity, three channels."""

# ruff: noqa: N803, N806 - names carry shapes: F frames, N people given, H height, W width
from __future__ import annotations

import torch
from torch import Tensor, nn

from vimatte.engine.matting.common.encoder import Encoder

__all__ = ["PEOPLE", "MaskedEncoder"]

PEOPLE = 10
"""How many people one pass can tell apart; rows of the identity table, which has one more for nobody."""


class MaskedEncoder(Encoder):
    """`Encoder` of six channels: a normalised picture and the mean identity of the masks that cover each pixel."""

    def __init__(self) -> None:
        # The published networks take a power step on every call, also in evaluation.
        super().__init__(6, steps="always")
        self.mask_embed_layer = nn.Embedding(PEOPLE + 1, 3)

    def guided(self, image_F3HW: Tensor, masks_FNHW: Tensor) -> Tensor:
        """Return (f, 6, h, w): the picture, then the guidance; person i (from 0) has identity i + 1, nobody is 0."""
        people = masks_FNHW.shape[1]
        table_N3 = self.mask_embed_layer.weight[1 : people + 1]
        summed_F3HW = torch.einsum("fnhw,nc->fchw", masks_FNHW, table_N3)
        return torch.cat([image_F3HW, summed_F3HW / (masks_FNHW.sum(1, keepdim=True) + 1e-6)], dim=1)
