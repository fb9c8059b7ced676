"""One step of propagation: from memory and the frame before to everybody's mask on a frame."""

# ruff: noqa: N803, N806, N815 - names carry shapes: N people, H height, W width of masks, which are at a half of the picture

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from vimatte.engine.lite.propagate.motion import Motion
from vimatte.engine.lite.propagate.network import Decoded, Features, Memory, PropagateNet

__all__ = ["People", "decode", "settle", "shares"]

_SEEN = 0.3
"""Share of somebody that must be seen for their own pixels to say how they move."""
_FADE = 0.98
"""What is left of a hidden part's place from frame to frame."""
_NOBODY = -30.0
"""Logit of those who have not been met."""


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Where everybody is on a frame, and where the parts of them are that others hide."""

    mask_NHW: Tensor
    """At a half of the picture."""
    whole_NHW: Tensor
    """At a quarter: masks, and behind other people what went there; it goes on as fast as the person does."""
    speed_N2: Tensor
    """From here back to the frame before, as `grid_sample` counts."""

    @classmethod
    def first(cls, mask_NHW: Tensor) -> People:
        """Nobody hidden, nobody in motion."""
        return cls(mask_NHW, functional.avg_pool2d(mask_NHW[:, None], 2)[:, 0], mask_NHW.new_zeros(len(mask_NHW), 2))

    def moved(self, motion: Motion) -> People:
        """The same on the next frame, as far as motion tells."""
        moved = motion.bring(self.mask_NHW)
        way_HW2 = motion.grid_1HW2[0] - _still(*moved.shape[1:], device=moved.device)
        area = moved.sum(dim=(1, 2))
        own = torch.einsum("nhw,hwc->nc", moved, way_HW2) / area.clamp_min(1.0)[:, None]
        clear = area / 4.0 > _SEEN * self.whole_NHW.sum(dim=(1, 2)).clamp_min(1.0)
        speed = torch.where(clear[:, None], own, self.speed_N2)
        grid = _still(*self.whole_NHW.shape[1:], device=moved.device)[None] + speed[:, None, None]
        hidden = functional.grid_sample(self.whole_NHW[:, None], grid, align_corners=False)[:, 0]
        return People(moved, torch.maximum(functional.avg_pool2d(moved[:, None], 2)[:, 0], hidden), speed)

    def seen(self, mask_NHW: Tensor) -> People:
        """With masks that are known now: of what is hidden only what lies behind others is left."""
        small = functional.avg_pool2d(mask_NHW[:, None], 2)[:, 0]
        behind = (small.sum(dim=0) - small).clamp(0.0, 1.0)
        return People(mask_NHW, torch.maximum(small, _FADE * self.whole_NHW * behind), self.speed_N2)


def _still(height: int, width: int, *, device: torch.device) -> Tensor:
    """(h, w, 2): the place of each pixel itself."""
    x = (2 * torch.arange(width, device=device) + 1) / width - 1
    y = (2 * torch.arange(height, device=device) + 1) / height - 1
    return torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)], dim=2)


def decode(
    network: PropagateNet, frame: Features, memory: Sequence[Memory], *, people: People, motion: Motion
) -> Decoded:
    """Find everybody on a frame, from where they should be; those whom no frame remembered knows have no pixel."""
    found: Decoded = network(
        frame,
        memory,
        moved_NHW=people.mask_NHW,
        place_NHW=people.whole_NHW,
        disagreement_1HW=motion.disagreement_1HW,
    )
    known_N = torch.stack([m.known_N for m in memory]).amax(dim=0)
    logits = torch.where(known_N[:, None, None] > 0, found.logits_NHW, _NOBODY)
    return Decoded(logits, found.matched_NHW)


def shares(logits_NHW: Tensor) -> Tensor:
    """(n + 1, h, w) log shares of the background, then of everybody: a softmax with a logit of 0 for the background."""
    return torch.cat([torch.zeros_like(logits_NHW[:1]), logits_NHW]).log_softmax(dim=0)


def settle(mask_NHW: Tensor, given_NHW: Tensor, *, given_N: Tensor) -> Tensor:
    """Put in the masks that are given (`given_N` is 1); what they cover is taken from the others."""
    given = given_NHW * given_N[:, None, None]
    return torch.where(given_N[:, None, None] > 0, given_NHW, mask_NHW * (1.0 - given.sum(dim=0)).clamp(0.0, 1.0))
