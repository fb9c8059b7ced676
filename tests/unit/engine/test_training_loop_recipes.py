"""What every recipe's objective does with two discs: gradients reach all that is trained, and chance is the step's."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from vimatte.engine.errors import ConfigError
from vimatte.engine.matting.common.decoder import Scales
from vimatte.engine.training.losses.emphasis import trimap_unknown
from vimatte.engine.training.recipes import Moment, Recipe, recipe_for
from vimatte.engine.training.recipes.batch import Batch
from vimatte.engine.training.recipes.curriculum import progress
from vimatte.engine.training.recipes.layers import guides, layers
from vimatte.engine.training.recipes.maggie_parts import agreed, transition

from support.discs import disc_clips

CASES = [
    ("msg_vim", {}),
    ("msg_vim", {"temporal_features": "off"}),
    ("instmatt", {}),
    ("instmatt", {"background": "off"}),
    ("maggie_image", {}),
    ("maggie_image", {"embedding": "stacked", "coarse_weight": "off"}),
    ("maggie_image", {"embedding": "5"}),
    ("maggie_video", {}),
    ("maggie_video", {"recurrence": "none", "fusion": "none"}),
    ("maggie_video", {"recurrence": "forward", "fusion": "forward"}),
    ("oavm", {}),
    ("oavm", {"object_queries": "off", "correction": "off"}),
    ("lite_propagate", {}),
]


@pytest.mark.parametrize(("name", "switches"), CASES)
def test_losses_reach_everything_that_is_trained(name: str, switches: Mapping[str, str]) -> None:
    recipe = recipe_for(name, switches)
    batch = disc_clips(clips=2, frames=3 if recipe.data.frames > 1 else 1, people=2)
    torch.manual_seed(0)
    network = recipe.objective.network().train()
    losses = recipe.objective.losses(network, batch, moment(5))
    total = _total(recipe, losses)
    total.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(total)
    reached = {n: p.grad is not None for n, p in network.named_parameters() if p.requires_grad}
    idle = {n for n, hit in reached.items() if not hit}
    # Without a clip before it, a frame never asks what was remembered; without fusion nobody asks what differs.
    if switches.get("temporal_features") == "off":
        assert idle == {f"decoder.layer4.0.tmp_network.hh.{part}" for part in ("weight", "bias")}
    elif switches.get("fusion") == "none":
        assert all(n.startswith("decoder.diff_module.") for n in idle)
    else:
        assert not idle
    with torch.no_grad():
        mattes = recipe.objective.mattes(network.eval(), batch)
    assert mattes.shape == batch.alphas_BTPHW.shape
    assert mattes.min() >= 0.0
    assert mattes.max() <= 1.0


def test_a_clip_nobody_is_seen_in_teaches_propagation_nothing() -> None:
    recipe = recipe_for("lite_propagate")
    batch = disc_clips(clips=1, frames=2, people=2)
    empty = Batch(
        pictures_BT3HW=batch.pictures_BT3HW,
        alphas_BTPHW=torch.zeros_like(batch.alphas_BTPHW),
        masks_BTPHW=torch.zeros_like(batch.masks_BTPHW),
    )
    network = recipe.objective.network()
    assert float(_total(recipe, recipe.objective.losses(network, empty, moment(5))).detach()) == 0.0
    both = Batch.together([empty, batch])
    assert float(_total(recipe, recipe.objective.losses(network, both, moment(5))).detach()) > 0.0


def test_the_refiner_learns_on_a_branch_that_stays() -> None:
    recipe = recipe_for("instmatt_refiner")
    batch = disc_clips(clips=1, frames=1, people=2)
    torch.manual_seed(0)
    network = recipe.objective.network()
    branch = recipe_for("instmatt").objective
    with torch.no_grad():
        # A few passes settle spectral vectors and statistics, which random ones are far from.
        for _ in range(5):
            branch.losses(network.train(), disc_clips(clips=2, frames=1, people=2), moment(5))
    for child in recipe.frozen:
        network.get_submodule(child).eval().requires_grad_(False)
    before = {n: v.clone() for n, v in network.state_dict().items()}
    losses = recipe.objective.losses(network, batch, moment(5))
    _total(recipe, losses).backward()  # type: ignore[no-untyped-call]
    hit = {n for n, p in network.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert hit == {n for n, _ in network.named_parameters() if n.startswith("refiner.")}
    assert all(torch.equal(before[n], v) for n, v in network.state_dict().items())


@pytest.mark.parametrize("name", ["msg_vim", "maggie_video"])
def test_chance_is_the_step_s_alone(name: str) -> None:
    recipe = recipe_for(name)
    batch = disc_clips(clips=2, frames=3, people=2)

    def once(seed: int) -> float:
        torch.manual_seed(0)
        network = recipe.objective.network().train()
        return _total(recipe, recipe.objective.losses(network, batch, moment(9, seed=seed))).item()

    assert once(1) == once(1)
    assert once(1) != once(2)


def test_layers_compose_the_picture() -> None:
    batch = disc_clips(clips=2, frames=2, people=3)
    target = torch.tensor([[True, False, False], [False, True, True]])
    apart = layers(batch, target)
    composed = (apart.alphas_N3HW[:, :, None] * apart.colours_N33HW).sum(dim=1)
    torch.testing.assert_close(composed, batch.pictures_BT3HW.flatten(0, 1), atol=2e-3, rtol=0.0)
    torch.testing.assert_close(apart.alphas_N3HW.sum(dim=1), torch.ones(4, 64, 64))
    torch.testing.assert_close(apart.alphas_N3HW[2, 0], batch.alphas_BTPHW[1, 0, 1:].sum(dim=0))
    one, others = guides(batch, target)
    assert torch.equal(one[0], batch.masks_BTPHW[0, 0, 0])
    assert torch.equal(others[0], batch.masks_BTPHW[0, 0, 1:].amax(dim=0))


def test_composition_losses_ask_for_colours() -> None:
    batch = disc_clips(clips=1, frames=1, people=2)
    bare = Batch(pictures_BT3HW=batch.pictures_BT3HW, alphas_BTPHW=batch.alphas_BTPHW, masks_BTPHW=batch.masks_BTPHW)
    with pytest.raises(ConfigError, match="colours of each person"):
        layers(bare, torch.tensor([[True, False]]))


def test_batches_of_different_crowds_go_together() -> None:
    two, three = disc_clips(clips=1, frames=1, people=2), disc_clips(clips=1, frames=1, people=3)
    both = Batch.together([two, three])
    assert both.present().tolist() == [[True, True, False], [True, True, True]]
    assert both.colours().shape == (2, 1, 3, 3, 64, 64)


def test_finer_scales_learn_from_a_trimap_first_and_from_the_coarser_one_last() -> None:
    alpha = disc_clips(clips=1, frames=1, people=1).alphas_BTPHW[0]
    sure = torch.zeros(1, 3, 64, 64)
    scales = Scales(sure, sure, sure, sure)
    early = progress(scales, alpha, moment(0), warm_up=0.1)
    assert early.weight_1[0, 0][(alpha[0, 0] > 0) & (alpha[0, 0] < 1)].min() == 1.0
    assert not progress(scales, alpha, moment(9), warm_up=0.1).weight_1.any()
    # Between once and three times the warm-up both happen.
    between = [bool(progress(scales, alpha, moment(2, seed=s), warm_up=0.1).weight_1.any()) for s in range(12)]
    assert any(between)
    assert not all(between)


def test_trimap_of_a_hard_edge_is_as_wide_as_its_brushes() -> None:
    alpha = torch.zeros(31, 40)
    alpha[:, 20:] = 1.0
    row = trimap_unknown(alpha, (5, 3))[15]
    # Foreground loses 2 columns to a brush of 5, background 1 to a brush of 3.
    assert row.nonzero().flatten().tolist() == [19, 20, 21]


def test_transition_is_all_of_the_first_frame_and_around_what_moves() -> None:
    true = torch.zeros(1, 3, 2, 40, 40)
    true[0, 2, 1, 20, 20] = 6 / 255
    moves = transition(true, moment(0))
    assert moves[0, 0].all()
    assert not moves[0, 1].any()
    assert torch.equal(moves[0, 2, 0], moves[0, 2, 1])
    assert moves[0, 2, 0, 20, 20]
    assert not moves[0, 2, 0, 0, 0]


@pytest.mark.parametrize(("fusion", "expected"), [("forward", [0.0, 0.0, 0.0]), ("both", [0.0, 0.5, 1.0])])
def test_mattes_agree(fusion: str, expected: list[float]) -> None:
    """Nothing is said to differ, but the mattes do: forward keeps the first, both ways keep one's own."""
    alphas = torch.tensor([0.0, 0.5, 1.0]).view(1, 3, 1, 1, 1)
    same = torch.zeros(1, 3, 1, 1, 1)
    assert agreed(alphas, same, same, fusion).flatten().tolist() == expected  # type: ignore[arg-type]


def moment(step: int, *, seed: int = 0) -> Moment:
    return Moment(step=step, steps=10, draw=torch.Generator().manual_seed(seed))


def _total(recipe: Recipe, losses: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([weight * losses[name] for name, weight in recipe.weights.items() if weight]).sum()
