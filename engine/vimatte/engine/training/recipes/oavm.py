"""OAVM: how to train it (Zhang et al., 'Object-Aware Video Matting with Cross-Frame Guidance', section 4.1)."""

# ruff: noqa: N806 - names carry shapes: B clips, T frames, P people, M objects, H height, W width

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from vimatte.engine.errors import ConfigError
from vimatte.engine.matting.oavm.config import OavmConfig
from vimatte.engine.matting.oavm.losses import alpha_loss, instance_loss, mask_loss
from vimatte.engine.matting.oavm.network import OavmNetwork
from vimatte.engine.training.optim import AdamW, Constant, FixedNorm
from vimatte.engine.training.recipes.batch import Batch
from vimatte.engine.training.recipes.masks import MaskChange
from vimatte.engine.training.recipes.recipe import Data, Moment, Recipe

__all__ = ["OavmObjective", "oavm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OavmObjective:
    """Alphas and masks of everybody on every frame, from their masks on the first one."""

    config: OavmConfig
    """The network's parts."""

    def network(self) -> nn.Module:
        """Make the network; it begins with He et al.'s scale by itself."""
        return OavmNetwork(self.config)

    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> Mapping[str, Tensor]:
        """alpha and mask, means over frames; set, of the object queries, where there are any."""
        own = cast(OavmNetwork, network)
        B, T = batch.alphas_BTPHW.shape[:2]
        frames = own.encode(batch.normalised().flatten(0, 1), instances=True)
        state = own.start(batch.masks_BTPHW[:, 0])
        alpha, mask = [], []
        for t in range(T):
            found, state = own(frames.clip([b * T + t for b in range(B)]), state)
            true = batch.alphas_BTPHW[:, t]
            alpha.append(alpha_loss(found.alpha_BNHW.float(), true))
            mask.append(mask_loss(found.mask_logits_BNHW.float(), (true > 0.5).float()))
        losses = {"alpha": torch.stack(alpha).mean(), "mask": torch.stack(mask).mean()}
        if frames.instances:
            objects = batch.objects_BTMHW
            objects = (batch.alphas_BTPHW > 0.5).float() if objects is None else objects
            losses["set"] = instance_loss(frames.instances, objects.flatten(0, 1))
        return losses

    def mattes(self, network: nn.Module, batch: Batch) -> Tensor:
        """Matte clips frame after frame."""
        own = cast(OavmNetwork, network)
        state, alphas = own.start(batch.masks_BTPHW[:, 0]), []
        for pictures in batch.normalised().unbind(1):
            found, state = own(own.encode(pictures), state)
            alphas.append(found.alpha_BNHW)
        return torch.stack(alphas, dim=1)


def oavm(
    *,
    stage: int = 1,
    object_queries: bool = True,
    correction: bool = True,
    merging: bool = True,
    dilation: int = 3,
    backbone: Literal["mobilenet_v3_large", "resnet50"] = "mobilenet_v3_large",
) -> Recipe:
    """OAVM's two stages: 15 epochs at low resolution, 2 at high resolution.

    Paper: rates of 2e-4 and 1e-5, decay 0.07; VideoMatte240K alternating with COCO and YouTube-VOS first, then alone;
    Sequential Foreground Merging at odds of 0.4. It names neither the optimiser nor batch, clip length, sizes, loss
    weights or clipping: AdamW, 4 clips of 5 frames of 256 pixels (then 1 of 512), alpha 1 + mask 1 + set 1/20 and a
    norm of 1 are ours, as are the numbers of steps. Segmentation data is not fed here: composites have true alphas.

    Ablations: Table 4 `object_queries` (OQG), `correction` (OGCR), `merging` (SFM); Table 5 `dilation`; Table 6
    `backbone`.
    """
    if stage not in (1, 2):
        raise ConfigError(f"OAVM trains in the stages 1 and 2, found {stage}; type --set stage=1.")
    config = OavmConfig(object_queries=object_queries, correction=correction, dilation=dilation, backbone=backbone)
    first = stage == 1
    return Recipe(
        name="oavm",
        objective=OavmObjective(config=config),
        weights={"alpha": 1.0, "mask": 1.0, **({"set": 0.05} if object_queries else {})},
        optimiser=AdamW(decay=0.07),
        schedule=Constant(peak=2e-4 if first else 1e-5),
        clipping=FixedNorm(most=1.0),
        steps=60_000 if first else 8_000,
        data=Data(
            protocol="oavm" if merging else "single",
            frames=5,
            crop=256 if first else 512,
            clips=4 if first else 1,
            masks=(MaskChange(kind="erode or dilate", odds=1.0, strength=0.5),),
        ),
        accumulation=1 if first else 4,
        start=None if first else "stage 1 (`vimatte train oavm`)",
    )
