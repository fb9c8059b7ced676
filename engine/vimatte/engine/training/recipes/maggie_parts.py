"""MaGGIe's parts as its ablations vary them: guidance, recurrence, and how mattes of successive frames agree."""

# ruff: noqa: N803 - names carry shapes: B clips, T frames, F frames of all clips, N people, H height, W width

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from vimatte.engine.matting.common.encoder import Encoder
from vimatte.engine.matting.common.unknown import dilate
from vimatte.engine.matting.maggie.encoder import PEOPLE
from vimatte.engine.matting.maggie.network import Maggie
from vimatte.engine.matting.maggie.temporal import TemporalGru
from vimatte.engine.training.recipes.recipe import Moment

__all__ = ["Fusion", "Guidance", "Recurrence", "agreed", "replace_parts", "transition"]

Guidance = Literal["stacked"] | int
Recurrence = Literal["none", "forward", "both"]
Fusion = Literal["none", "forward", "both"]

_CHANGED = 5.0 / 255.0


class _Guided(Encoder):
    """The encoder with an embedding of another width, or with the masks themselves behind the picture."""

    def __init__(self, guidance: Guidance) -> None:
        super().__init__(3 + (PEOPLE if guidance == "stacked" else guidance), steps="always")
        self.mask_embed_layer = None if guidance == "stacked" else nn.Embedding(PEOPLE + 1, guidance)

    def guided(self, image_F3HW: Tensor, masks_FNHW: Tensor) -> Tensor:
        """Return the picture, then the guidance."""
        people = masks_FNHW.shape[1]
        if self.mask_embed_layer is None:
            empty = masks_FNHW.new_zeros((masks_FNHW.shape[0], PEOPLE - people, *masks_FNHW.shape[2:]))
            return torch.cat([image_F3HW, masks_FNHW, empty], dim=1)
        summed = torch.einsum("fnhw,nc->fchw", masks_FNHW, self.mask_embed_layer.weight[1 : people + 1])
        return torch.cat([image_F3HW, summed / (masks_FNHW.sum(1, keepdim=True) + 1e-6)], dim=1)


class _Deaf(nn.Module):
    """No recurrence: features as they are, and nothing to remember."""

    def forward(self, x_BTCHW: Tensor, memory_BCHW: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what came."""
        return x_BTCHW, torch.zeros_like(x_BTCHW)


class _Forward(TemporalGru):
    """The recurrence in one direction."""

    def forward(self, x_BTCHW: Tensor, memory_BCHW: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the forward states twice."""
        _, states = super().forward(x_BTCHW, memory_BCHW)
        return states, states


def replace_parts(network: Maggie, *, guidance: Guidance, recurrence: Recurrence) -> None:
    """Make a network that of an ablation, in place; one of the full system keeps its parts."""
    if guidance != 3:
        network.encoder = _Guided(guidance)  # type: ignore[assignment]
    if network.video and recurrence != "both":
        network.decoder.os8_temp_module = _Forward() if recurrence == "forward" else _Deaf()  # type: ignore[assignment]


def transition(true_BTSHW: Tensor, moment: Moment) -> Tensor:
    """Where anybody changes from the frame before, dilated, (b, t, s, h, w) bool, the same in all slots; frame 0: all.

    By more than 5 of 255; ellipses of 2 to 4 pixels, 3 to 6 times, drawn for every clip.
    """
    moves = ((true_BTSHW.diff(dim=1)).abs() > _CHANGED).any(dim=2)
    clips = []
    for clip in moves:
        width, times = 2 + moment.below(3), 3 + moment.below(4)
        for _ in range(times):
            clip = dilate(clip, width)
        clips.append(torch.cat([torch.ones_like(clip[:1]), clip]))
    return torch.stack(clips)[:, :, None].expand(-1, -1, true_BTSHW.shape[2], -1, -1)


def agreed(alphas_BTNHW: Tensor, before_BT1HW: Tensor, after_BT1HW: Tensor, fusion: Fusion) -> Tensor:
    """Bring successive frames together: where nothing differs from the frame before, its alpha (section 3.2).

    'both' keeps that only where the frame after says the same, as released; a clip's first and last frame stay.
    """
    changed, changing = before_BT1HW > 0.5, after_BT1HW > 0.5
    out = [alphas_BTNHW[:, 0]]
    for t in range(1, alphas_BTNHW.shape[1]):
        own = alphas_BTNHW[:, t]
        forward = torch.where(changed[:, t], own, out[-1])
        if fusion == "both":
            if t == alphas_BTNHW.shape[1] - 1:
                forward = own
            else:
                backward = torch.where(changing[:, t], own, alphas_BTNHW[:, t + 1])
                forward = torch.where(forward == backward, forward, own)
        out.append(forward)
    return torch.stack(out, dim=1)
