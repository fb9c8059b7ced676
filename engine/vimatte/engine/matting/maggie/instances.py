"""The instance matte decoder: one token for each person, and the coarse alphas their products with features give.

Huynh et al., MaGGIe (CVPR 2024), section 3.2. A token hears all positions of all frames of a clip jointly.
"""

# ruff: noqa: N803, N806, N815 - names carry shapes:
# B clips, T frames, F = B * T, N people given, Q = 10 token slots, L = T * h * w positions, C channels, h w at 1/8
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor, nn

from vimatte.engine.matting.common.up_blocks import SLOPE
from vimatte.engine.matting.maggie.attention import CrossAttention, FeedForward, SelfAttention
from vimatte.engine.matting.maggie.encoder import PEOPLE

__all__ = ["InstanceDecoder", "Instances"]

_WIDTH = 128
_FINAL = 64
_BLOCKS = 2

Temporal = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Features of all frames (f, 128, h, w) to those that know of other frames, and what is remembered."""


class Instances(NamedTuple):
    """What the decoder gives at 1/8 of the size."""

    logits_FQhw: Tensor
    """Products of tokens and features, one map for every slot, those of nobody too."""
    features_Fchw: Tensor
    """(f, 64, h, w) without knowledge of other frames but through attention: what is refined goes by these."""
    tokens_BQc: Tensor
    """(b, 10, 64)."""
    memory_FChw: Tensor | None
    """(f, 128, h, w), the recurrence's forward states; None without one."""
    attentions_BQL: tuple[Tensor, Tensor, Tensor]
    """How much each token heard each position (frame, y, x), in both blocks and at the end; a loss asks for them."""


class InstanceDecoder(nn.Module):
    """Two blocks of: tokens hear features, think, hear each other; features hear tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.query_feat = nn.Embedding(PEOPLE, _WIDTH)
        self.id_embedding = nn.Embedding(PEOPLE + 1, _WIDTH)
        self.feat_proj = _Linear(_WIDTH, _WIDTH)
        self.token_feat_ca_layers = nn.ModuleList(CrossAttention(_WIDTH) for _ in range(_BLOCKS))
        self.mlp_layers = nn.ModuleList(FeedForward(_WIDTH) for _ in range(_BLOCKS))
        self.sa_layers = nn.ModuleList(SelfAttention(_WIDTH) for _ in range(_BLOCKS))
        self.feat_token_ca_layers = nn.ModuleList(CrossAttention(_WIDTH) for _ in range(_BLOCKS))
        self.final_token_feat_ca = CrossAttention(_WIDTH)
        self.final_mlp = _Linear(_WIDTH, _FINAL)
        self.decoder_norm = nn.LayerNorm(_FINAL)
        self.conv = nn.Sequential(
            nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1, bias=False),
            nn.BatchNorm2d(_WIDTH),
            nn.LeakyReLU(SLOPE, inplace=True),
            nn.Conv2d(_WIDTH, _FINAL, 1, bias=False),
            nn.BatchNorm2d(_FINAL),
            nn.LeakyReLU(SLOPE, inplace=True),
        )

    def forward(self, x_FChw: Tensor, masks_BTNhw: Tensor, *, temporal: Temporal | None) -> Instances:
        """Decode features (f, 128, h, w) with 0/1 masks at 1/8; every clip must have a mask that is not empty."""
        clips, frames, people, height, width = masks_BTNhw.shape
        barred_BQ = torch.ones((clips, PEOPLE), dtype=torch.bool, device=x_FChw.device)
        barred_BQ[:, :people] = ~(masks_BTNhw > 0).any(4).any(3).any(1)
        # Where masks overlap the person of the highest slot stands there; where nobody is, row 0, a learned vector.
        slots = torch.arange(1, people + 1, device=x_FChw.device)[:, None, None]
        who_BL = ((masks_BTNhw > 0) * slots).amax(2).flatten(1)
        feature_place_BLC = self.id_embedding(who_BL)
        token_place_BQC = self.id_embedding.weight[1:].expand(clips, -1, -1)
        tokens_BQC = self.query_feat.weight.expand(clips, -1, -1)
        features_BLC = self.feat_proj(x_FChw.permute(0, 2, 3, 1).reshape(clips, -1, _WIDTH))

        attentions = []
        for hear, think, talk, tell in zip(
            self.token_feat_ca_layers, self.mlp_layers, self.sa_layers, self.feat_token_ca_layers, strict=True
        ):
            tokens_BQC, heard_BQL = hear(
                tokens_BQC, features_BLC, place_BQC=token_place_BQC, others_place_BKC=feature_place_BLC
            )
            tokens_BQC = talk(think(tokens_BQC), place_BQC=token_place_BQC, barred_BK=barred_BQ)
            features_BLC, _ = tell(
                features_BLC,
                tokens_BQC,
                place_BQC=feature_place_BLC,
                others_place_BKC=token_place_BQC,
                barred_BK=barred_BQ,
            )
            attentions.append(heard_BQL)
        tokens_BQC, heard_BQL = self.final_token_feat_ca(
            tokens_BQC, features_BLC, place_BQC=token_place_BQC, others_place_BKC=feature_place_BLC
        )
        tokens_BQc = self.decoder_norm(self.final_mlp(tokens_BQC))

        known_FChw = features_BLC.reshape(clips * frames, height, width, _WIDTH).permute(0, 3, 1, 2)
        features_Fchw = self.conv(known_FChw)
        seen_Fchw, memory_FChw = features_Fchw, None
        if temporal is not None:
            steady_FChw, memory_FChw = temporal(known_FChw)
            seen_Fchw = self.conv(steady_FChw)
        tokens_FQc = tokens_BQc.repeat_interleave(frames, 0)
        logits_FQhw = (tokens_FQc @ seen_Fchw.flatten(2)).unflatten(2, (height, width))
        return Instances(logits_FQhw, features_Fchw, tokens_BQc, memory_FChw, (*attentions, heard_BQL))


def coarse_masks(masks: Tensor) -> Tensor:
    """Masks (..., H, W) of 0 and 1 at 1/8: a cell is on where any of its 64 pixels is."""
    cells = F.max_pool2d(masks.flatten(0, -4), 8, 8)
    return cells.view(*masks.shape[:-2], *cells.shape[-2:])


class _Linear(nn.Module):
    """A single linear layer, under the name of the stack that the published weights have it in."""

    def __init__(self, inward: int, outward: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(inward, outward)])

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers[0](x)
        return out
