"""InstMatt: how to train its two stages (Sun et al., CVPR 2022, and the released trainer)."""

# ruff: noqa: N803, N806 - names carry shapes: B pictures, P people, N people of one picture, H height, W width

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from vimatte.engine.matting.common.decoder import Scales
from vimatte.engine.matting.instmatt.infer import infer
from vimatte.engine.matting.instmatt.network import InstMatt
from vimatte.engine.matting.instmatt.refine import refine_training
from vimatte.engine.matting.instmatt.tri_masks import summed_tri_masks
from vimatte.engine.training.losses.instmatt import Truth, stage_1_losses, tri_matte_losses
from vimatte.engine.training.optim import Adam, RunningNorm, WarmUpCosine
from vimatte.engine.training.recipes.batch import Batch, normalise
from vimatte.engine.training.recipes.curriculum import progress
from vimatte.engine.training.recipes.initial import xavier
from vimatte.engine.training.recipes.layers import guides, layers
from vimatte.engine.training.recipes.masks import MaskChange
from vimatte.engine.training.recipes.recipe import Data, Moment, Recipe

__all__ = ["Stage1", "Stage2", "instmatt", "instmatt_refiner"]

_LEFT_OUT = 0.25
"""How often one of the others is missing in the reference's mask."""
_STEPS_1, _WARM_UP_1 = 200_000, 2_000
_STEPS_2, _WARM_UP_2 = 50_000, 1_000
_TERMS = {"rec": 1.0, "lap": 1.0, "comp": 1.0, "alpha": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage1:
    """The matting branch: some people of each picture against the others and the background."""

    reference: bool
    """Whether the mask of the others is given (Table 3's M_r)."""
    background: bool
    """Whether the mask of the background is given (M_b)."""

    def network(self) -> nn.Module:
        """Make the branch."""
        network = InstMatt(stage=1)
        xavier(network)
        return network

    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> Mapping[str, Tensor]:
        """The four terms over three scales, of a random subset of the people of each picture."""
        present_BP = batch.present()
        target_BP = torch.zeros_like(present_BP)
        heard_BP = torch.ones_like(present_BP)
        for row, here in enumerate(present_BP):
            people = here.nonzero().flatten()
            order = people[torch.randperm(len(people), generator=moment.draw).to(people.device)]
            count = moment.below(max(1, len(people)))
            target_BP[row, order[:count]] = True
            if len(people) > count and moment.chance() < _LEFT_OUT:
                heard_BP[row, order[count]] = False
        apart = layers(batch, target_BP)
        target, _ = guides(batch, target_BP)
        _, reference = guides(batch, target_BP | ~heard_BP)
        masks = torch.stack([target, reference, 1.0 - target - reference], dim=1)
        picture = batch.normalised().flatten(0, 1)
        scales = _floats(cast(InstMatt, network)(torch.cat([picture, self.given(masks)], dim=1)))
        seen = progress(scales, apart.alphas_N3HW[:, :1], moment, warm_up=_WARM_UP_1 / _STEPS_1)
        return stage_1_losses(seen, _truth(apart.alphas_N3HW, apart.colours_N33HW, picture))

    def mattes(self, network: nn.Module, batch: Batch) -> Tensor:
        """Matte everybody of every picture."""
        found = [
            infer(cast(InstMatt, network), picture, self.given(summed_tri_masks(masks))).final[:, 0]
            for picture, masks in zip(batch.normalised().flatten(0, 1), batch.masks_BTPHW.flatten(0, 1), strict=True)
        ]
        return torch.unflatten(torch.stack(found), 0, batch.alphas_BTPHW.shape[:2])

    def given(self, masks_N3HW: Tensor) -> Tensor:
        """Tri-masks without the parts that are not given: an empty channel tells nothing."""
        kept = masks_N3HW.new_tensor([1.0, float(self.reference), float(self.background)])
        return masks_N3HW * kept[:, None, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage2:
    """The refiner on a branch that stays as it is; every person of a picture is the target in turn."""

    branch: Stage1
    """How the branch is guided."""

    def network(self) -> nn.Module:
        """Make branch and refiner."""
        network = InstMatt(stage=2)
        xavier(network)
        return network

    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> Mapping[str, Tensor]:
        """The four terms of the refined tri-mattes where the finest scale counts."""
        each = [self._one(cast(InstMatt, network), batch, row, moment) for row in range(len(batch.alphas_BTPHW))]
        return {term: torch.stack([one[term] for one in each]).mean() for term in _TERMS}

    def mattes(self, network: nn.Module, batch: Batch) -> Tensor:
        """Matte everybody of every picture."""
        return self.branch.mattes(network, batch)

    def _one(self, network: InstMatt, batch: Batch, row: int, moment: Moment) -> dict[str, Tensor]:
        people = batch.present()[row].nonzero().flatten().tolist() or [0]
        alone = Batch(
            pictures_BT3HW=batch.pictures_BT3HW[row : row + 1, :1].expand(len(people), -1, -1, -1, -1),
            alphas_BTPHW=batch.alphas_BTPHW[row : row + 1, :1, people].expand(len(people), -1, -1, -1, -1),
            masks_BTPHW=batch.masks_BTPHW[row : row + 1, :1, people].expand(len(people), -1, -1, -1, -1),
            colours_BTP3HW=batch.colours()[row : row + 1, :1, people].expand(len(people), -1, -1, -1, -1, -1),
        )
        target = torch.eye(len(people), dtype=torch.bool, device=batch.alphas_BTPHW.device)
        apart = layers(alone, target)
        picture = alone.normalised().flatten(0, 1)
        masks = self.branch.given(summed_tri_masks(batch.masks_BTPHW[row, 0, people]))
        with torch.no_grad():
            scales = _floats(network(torch.cat([picture, masks], dim=1)))
            seen = progress(scales, apart.alphas_N3HW, moment, warm_up=_WARM_UP_2 / _STEPS_2, apart=True)
        assert network.refiner is not None
        refined = refine_training(
            network.refiner,
            picture=picture[:1],
            mattes=seen.os1,
            features=scales.feature,
            passes=1 + moment.below(3),
        )
        return tri_matte_losses(refined.float(), _truth(apart.alphas_N3HW, apart.colours_N33HW, picture), seen.weight_1)


def _truth(alphas_N3HW: Tensor, colours_N33HW: Tensor, picture_N3HW: Tensor) -> Truth:
    return Truth(alphas_N3HW=alphas_N3HW, colours_N33HW=normalise(colours_N33HW), picture_N3HW=picture_N3HW)


def _floats(scales: Scales) -> Scales:
    return Scales(*(one.float() for one in scales))


def _changes() -> tuple[MaskChange, ...]:
    # Released: each mask is cut at a threshold and eroded, dilated or both by up to 30 pixels, twice over.
    return (MaskChange(kind="erode or dilate", odds=1.0, strength=0.4),) * 2


def instmatt(*, reference: bool = True, background: bool = True) -> Recipe:
    """InstMatt's matting branch, 200 000 steps of 16 pictures of 640 pixels on 4 devices.

    Released: Adam (0.5, 0.999), 1e-4 after 2 000 steps, cosine to 1e-5; rec, lap, comp and alpha of weight 1 over three
    scales (2, 1, 1 of 5), finer ones where the coarser is open; gradients clipped by a running norm. The solid map and
    the weights of scales are not in the paper. Two to five people, of whom any number but all are the target; one of
    the others' masks is left out at odds of 1/4 (a default of the code; the configuration's entry is missing).
    Different here: masks are broken by `training.guidance`, not taken from a detector at times; batch norms see four
    pictures, not sixteen.

    Ablations: Table 3 `reference` (M_r) and `background` (M_b); its third part, refinement, is `instmatt_refiner`.
    """
    return Recipe(
        name="instmatt",
        objective=Stage1(reference=reference, background=background),
        weights=_TERMS,
        optimiser=Adam(betas=(0.5, 0.999)),
        schedule=WarmUpCosine(peak=1e-4, warm_up=_WARM_UP_1, of=_STEPS_1, floor=1e-5),
        clipping=RunningNorm(),
        steps=_STEPS_1,
        data=Data(protocol="instmatt", frames=1, crop=640, clips=4, masks=_changes(), colours=True),
        accumulation=4,
        start="an encoder trained on ImageNet (GCA-Matting's)",
    )


def instmatt_refiner(*, reference: bool = True, background: bool = True) -> Recipe:
    """InstMatt's refiner on a trained branch (`--start`), 50 000 steps of one picture of 512 pixels on 4 devices.

    Released: as stage 1 but 1 000 steps of warm-up and a cosine of 95 000 steps, so that the rate ends near 5e-5; one
    to three passes in the worst window of 128 pixels; the loss is that of the refined tri-mattes alone. Two masks of a
    person's tri-mask exchange a rectangle at odds of 1/4. Different here: the branch's spectral vectors stay as they
    are, where the released trainer lets them move on, so that the branch of the result is the one it began with.

    Ablations: those of the branch it begins with.
    """
    return Recipe(
        name="instmatt_refiner",
        objective=Stage2(branch=Stage1(reference=reference, background=background)),
        weights=_TERMS,
        optimiser=Adam(betas=(0.5, 0.999)),
        schedule=WarmUpCosine(peak=1e-4, warm_up=_WARM_UP_2, of=_STEPS_2, floor=1e-5, length=95_000),
        clipping=RunningNorm(),
        steps=_STEPS_2,
        data=Data(
            protocol="instmatt",
            frames=1,
            crop=512,
            clips=1,
            masks=(*_changes(), MaskChange(kind="paste", odds=0.25, strength=0.06)),
            colours=True,
        ),
        accumulation=4,
        frozen=("encoder", "aspp", "decoder"),
        start="stage 1 (`vimatte train instmatt`)",
    )
