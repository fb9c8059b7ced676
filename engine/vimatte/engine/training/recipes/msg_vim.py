"""MSG-VIM: how to train it (Li et al., 'Video Instance Matting', WACV 2024, sections 4 and 5.1)."""

# ruff: noqa: N803, N806 - names carry shapes: B clips, T frames, N = B T, P people, C channels, H height, W width

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from vimatte.engine.matting.common.decoder import Scales
from vimatte.engine.matting.msg_vim.guidance import fuse
from vimatte.engine.matting.msg_vim.network import Network
from vimatte.engine.training.losses.msg_vim import Truth, msg_vim_losses
from vimatte.engine.training.optim import Adam, RunningNorm, WarmUpCosine
from vimatte.engine.training.recipes.batch import Batch
from vimatte.engine.training.recipes.curriculum import progress
from vimatte.engine.training.recipes.initial import xavier
from vimatte.engine.training.recipes.layers import guides, layers
from vimatte.engine.training.recipes.masks import MaskChange
from vimatte.engine.training.recipes.recipe import Data, Moment, Recipe

__all__ = ["MsgVimObjective", "msg_vim"]

_STEPS, _WARM_UP = 20_000, 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MsgVimObjective:
    """One person of each clip against all others."""

    temporal_features: bool
    """Whether frames of a clip hear those before them; else each is a clip of its own."""

    def network(self) -> nn.Module:
        """Make the network."""
        network = Network()
        xavier(network)
        return network

    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> Mapping[str, Tensor]:
        """rec, lap and comp of a person drawn of those present in each clip."""
        target_BP = _drawn(batch.present(), moment)
        apart = layers(batch, target_BP)
        scales = self._scales(cast(Network, network), batch, target_BP)
        seen = progress(scales, apart.alphas_N3HW[:, :1], moment, warm_up=_WARM_UP / _STEPS)
        truth = Truth(
            alphas_N2HW=apart.alphas_N3HW[:, :2],
            colours_N33HW=apart.colours_N33HW,
            picture_N3HW=batch.pictures_BT3HW.flatten(0, 1),
        )
        return msg_vim_losses(seen, truth)

    def mattes(self, network: nn.Module, batch: Batch) -> Tensor:
        """Matte everybody, one after the other."""
        people = batch.alphas_BTPHW.shape[2]
        found = []
        for person in range(people):
            target_BP = torch.zeros_like(batch.present())
            target_BP[:, person] = True
            found.append(fuse(self._scales(cast(Network, network), batch, target_BP)))
        return torch.unflatten(torch.stack(found, dim=1), 0, batch.alphas_BTPHW.shape[:2])

    def _scales(self, network: Network, batch: Batch, target_BP: Tensor) -> Scales:
        masks = torch.stack(guides(batch, target_BP), dim=1)
        x_BTCHW = torch.cat([batch.normalised(), masks.view(*batch.pictures_BT3HW.shape[:2], *masks.shape[1:])], dim=2)
        if not self.temporal_features:
            x_BTCHW = x_BTCHW.flatten(0, 1)[:, None]
        scales, _ = network(x_BTCHW)
        return Scales(*(one.float() for one in scales))


def _drawn(present_BP: Tensor, moment: Moment) -> Tensor:
    """One person of each clip, of those present; the first where nobody is."""
    target_BP = torch.zeros_like(present_BP)
    for row, here in enumerate(present_BP):
        some = here.nonzero().flatten().tolist() or [0]
        target_BP[row, some[moment.below(len(some))]] = True
    return target_BP


def msg_vim(
    *,
    erase: bool = True,
    merge: bool = True,
    paste: bool = True,
    temporal_masks: bool = True,
    temporal_features: bool = True,
) -> Recipe:
    """MSG-VIM, 20 000 steps of 16 clips of 10 frames of 512 pixels on 8 A6000.

    Paper: Adam (0.5, 0.99), 1e-3 after 2 000 steps of warm-up, cosine decay; L1 + Laplacian pyramid + composition of
    target and reference; masks from mattes by erosion and dilation, then erased, pasted, merged, and each joined with
    that of another frame. No odds or sizes are given; ours are at the lines. The released configuration has beta2
    0.999; the paper's is taken. It weighs five terms by 1 and clips gradients without saying to what: InstMatt's
    running norm is taken. Its encoder began with weights trained on ImageNet, which have to be fetched by hand.
    Different here: one device gathers the batches of eight, so batch norms see two clips, not sixteen.

    Ablations: Table 3 `erase`, `merge`, `paste`; Tables 2 and 4 `temporal_masks` (TMG) and `temporal_features` (TFG).
    """
    # Odds: a quarter is the released configuration's 'cutmask' probability.
    changes = [MaskChange(kind="erode or dilate", odds=1.0, strength=0.5)]
    if erase:
        changes.append(MaskChange(kind="erase", odds=0.25, strength=0.25))
    if paste:
        changes.append(MaskChange(kind="paste", odds=0.25, strength=0.15))
    if merge:
        changes.append(MaskChange(kind="merge", odds=0.25, strength=0.3))
    if temporal_masks:
        changes.append(MaskChange(kind="temporal", odds=1.0, strength=1.0))
    return Recipe(
        name="msg_vim",
        objective=MsgVimObjective(temporal_features=temporal_features),
        weights={"rec": 1.0, "lap": 1.0, "comp": 1.0},
        optimiser=Adam(betas=(0.5, 0.99)),
        schedule=WarmUpCosine(peak=1e-3, warm_up=_WARM_UP, of=_STEPS),
        clipping=RunningNorm(),
        steps=_STEPS,
        data=Data(protocol="vim50", frames=10, crop=512, clips=2, masks=tuple(changes), colours=True),
        accumulation=8,
        start="an encoder trained on ImageNet (GCA-Matting's)",
    )
