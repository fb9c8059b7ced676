"""Object-level queries: a set of vectors that stand for the objects of a frame, whoever is to be matted.

Section 3.2 and the first half of 3.4 of the paper, after Mask2Former (Cheng et al., CVPR 2022) and DETR. Names carry
shapes: B clips, C channels, h w cells of some scale, P = h w, O queries, K classes.
"""

# ruff: noqa: N803, N806, N815 - names carry shapes

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vimatte.engine.matting.oavm.attention import sine_positions
from vimatte.engine.matting.oavm.layers import FeedForward, Look

__all__ = ["Instances", "ObjectQueries"]

_SCALES = 3
"""F_P0 to F_P2, a layer each: 'the query interacts with each scale feature only once'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instances:
    """What the queries say the objects are; for training only."""

    logits_BOK: Tensor
    """Two classes: an object, and none. Open in the paper; its training sets have no classes in common."""
    masks_BOhw: Tensor
    """Logits at a quarter of the picture."""


class ObjectQueries(nn.Module):
    """Light pixel decoder, and a transformer decoder of three layers with masked attention."""

    def __init__(self, channels: Sequence[int], *, width: int, queries: int, heads: int) -> None:
        super().__init__()
        self.pixels = _PixelDecoder(channels[1:], width)
        # Open: whether queries have a separate learned place, as Mask2Former's do. The paper names one set only.
        self.queries = nn.Parameter(torch.randn(queries, width))
        self.layers = nn.ModuleList([_QueryLayer(width, heads=heads) for _ in range(_SCALES)])
        self.norm = nn.LayerNorm(width)
        self.classify = nn.Linear(width, 2)
        self.embed = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.per_pixel = nn.Conv2d(width, width, 1)

    def forward(self, features: Sequence[Tensor], *, predict: bool) -> tuple[Tensor, tuple[Instances, ...]]:
        """Return q_o (b, o, c) and, if `predict`, what the queries say before the first layer and after each of them.

        Masks are made in any case where a layer's attention needs them: what is left out at inference, as the paper has
        it, is the last prediction and all classes.
        """
        scales = self.pixels(features[1:])
        pixels_BChw = self.per_pixel(scales[-1])
        x_BOC = self.queries.expand(pixels_BChw.shape[0], -1, -1)
        said = []
        for layer, scale_BChw in zip(self.layers, scales, strict=True):
            masks_BOhw = self._masks(x_BOC, pixels_BChw)
            if predict:
                said.append(Instances(logits_BOK=self.classify(self.norm(x_BOC)), masks_BOhw=masks_BOhw))
            x_BOC = layer(x_BOC, scale_BChw, _seen(masks_BOhw.detach(), scale_BChw))
        if predict:
            logits_BOK = self.classify(self.norm(x_BOC))
            said.append(Instances(logits_BOK=logits_BOK, masks_BOhw=self._masks(x_BOC, pixels_BChw)))
        return self.norm(x_BOC), tuple(said)

    def _masks(self, x_BOC: Tensor, pixels_BChw: Tensor) -> Tensor:
        return torch.einsum("boc,bchw->bohw", self.embed(self.norm(x_BOC)), pixels_BChw)


class _PixelDecoder(nn.Module):
    """From a sixteenth to a quarter: convolve, enlarge, add the backbone's features of that size."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.sides = nn.ModuleList([nn.Conv2d(ins, width, 1, bias=False) for ins in reversed(channels)])
        self.side_norms = nn.ModuleList([nn.BatchNorm2d(width) for _ in channels])
        self.convolutions = nn.ModuleList([nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in channels])
        self.norms = nn.ModuleList([nn.BatchNorm2d(width) for _ in channels])

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return F_P0, F_P1, F_P2, coarsest first."""
        found: list[Tensor] = []
        parts = zip(self.sides, self.side_norms, self.convolutions, self.norms, reversed(features), strict=True)
        for side, side_norm, convolution, norm, feature in parts:
            x = side_norm(side(feature))
            if found:
                x = x + functional.interpolate(found[-1], size=x.shape[2:], mode="bilinear", align_corners=False)
            found.append(norm(convolution(x.relu())).relu())
        return found


class _QueryLayer(nn.Module):
    """Masked attention to one scale, attention among the queries, feed forward; a norm after each, as Mask2Former."""

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.look = Look(width, heads=heads)
        self.look_norm = nn.LayerNorm(width)
        self.among = Look(width, heads=heads)
        self.among_norm = nn.LayerNorm(width)
        self.forward_layers = FeedForward(width)

    def forward(self, x_BOC: Tensor, scale_BChw: Tensor, seen_BOP: Tensor) -> Tensor:
        _, C, h, w = scale_BChw.shape
        cells_BPC = scale_BChw.flatten(2).transpose(1, 2)
        places_PC = sine_positions(h, w, C, device=cells_BPC.device)
        x_BOC = self.look_norm(x_BOC + self.look(x_BOC, cells_BPC + places_PC, cells_BPC, seen_BOP))
        x_BOC = self.among_norm(x_BOC + self.among(x_BOC, x_BOC, x_BOC))
        out: Tensor = self.forward_layers(x_BOC)
        return out


def _seen(masks_BOhw: Tensor, scale_BChw: Tensor) -> Tensor:
    """Where each query may look: its own predicted mask; everywhere if that is empty, or the softmax had nothing."""
    small_BOhw = functional.interpolate(masks_BOhw, size=scale_BChw.shape[2:], mode="bilinear", align_corners=False)
    seen_BOP = (small_BOhw > 0.0).flatten(2)
    return seen_BOP | ~seen_BOP.any(dim=2, keepdim=True)
