"""InstMatt's losses, and one whole step of its first stage, against the authors' own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from vimatte.engine.matting.common.pictures import normalised
from vimatte.engine.matting.instmatt.network import InstMatt
from vimatte.engine.training.losses.composition import composition_loss, sum_to_one_loss
from vimatte.engine.training.losses.emphasis import solid, trimap_unknown
from vimatte.engine.training.losses.instmatt import Truth, stage_1_losses
from vimatte.engine.training.losses.laplacian import laplacian_loss
from vimatte.engine.training.losses.progressive import Widths, by_widths
from vimatte.engine.training.losses.weighted import weighted_l1, weighted_mean
from vimatte.engine.training.optim import Adam, optimiser_for

from support.golden import Golden
from support.recipe_weights import INSTMATT, draw, recipe_weights, shapes_of


@pytest.fixture(scope="module")
def golden(instmatt: Path) -> Golden:
    return Golden(instmatt / "golden_losses.npz")


@pytest.mark.parametrize("channels", ["none", "w1", "w3"])
def test_terms(channels: str, golden: Golden) -> None:
    rng = draw("im/losses")
    found, true = (torch.from_numpy(rng.random((2, 3, 64, 96))).float() for _ in range(2))
    one = torch.from_numpy(rng.random((2, 1, 64, 96)) > 0.4).float()
    three = torch.from_numpy(rng.random((2, 3, 64, 96)) > 0.5).float()
    colours = torch.from_numpy(rng.standard_normal((2, 3, 3, 64, 96))).float()
    picture = torch.from_numpy(rng.standard_normal((2, 3, 64, 96))).float()
    weight = {"none": None, "w1": one, "w3": three}[channels]
    values = {
        "l1": weighted_l1(found, true, weight),
        "l2": weighted_mean((found - true) ** 2, weight),
        "lap": laplacian_loss(found, true, weight),
        "comp3": composition_loss(found, colours, picture, weight),
        "alpha_sum": sum_to_one_loss(found, weight),
    }
    for name, value in values.items():
        assert value.item() == pytest.approx(golden.meta["losses"][f"{name}/{channels}"], rel=3e-7), name


def test_solid_map(golden: Golden) -> None:
    alphas = golden["solid/alpha_q"].float() / 65535.0
    assert torch.equal(solid(alphas), golden["solid/out"].float())


def test_unknown_area_of_a_trimap(golden: Golden) -> None:
    *_, foreground, background = golden.meta["trimap_seed11_draws"]["discarded_fg,discarded_bg,fg_width,bg_width"]
    alpha = golden["solid/alpha_q"][0, 0].float() / 65535.0
    assert torch.equal(trimap_unknown(alpha, (foreground, background)), golden["trimap/out_seed11"] == 128)


def test_one_step_of_stage_1(golden: Golden, instmatt: Path) -> None:
    weights = recipe_weights(shapes_of(instmatt / "keys_stage1.json"), INSTMATT)
    network = InstMatt(stage=1)
    network.load_state_dict(weights)
    network.train()
    truth = _truth(golden)
    masks = (truth.alphas_N3HW >= 0.5).float()
    scales = network(torch.cat([truth.picture_N3HW, masks], dim=1))
    widths = {s: tuple(w for row in golden.meta[f"step_widths_{s}"] for w in row) for s in ("os4", "os1")}
    progress = by_widths(scales, Widths(**widths))
    known = solid(truth.alphas_N3HW)
    for scale, weight in ((4, progress.weight_4), (1, progress.weight_1)):
        wrong = (weight * known != golden[f"step/W{scale}"]).float().mean().item()
        assert wrong < 5e-4, f"W{scale}"
    torch.testing.assert_close(progress.os1[..., ::4, ::4], golden["step/alpha_os1_merged_s4"], atol=2e-4, rtol=0.0)

    losses = stage_1_losses(progress, truth)
    total = torch.stack(list(losses.values())).sum()
    for name, value in {**losses, "total": total}.items():
        assert value.item() == pytest.approx(golden.meta["step_losses"][name], rel=1e-4), name

    total.backward()
    norms = json.loads((instmatt / "train_grad_norms_stage1.json").read_text())
    squares = 0.0
    for name, parameter in network.named_parameters():
        expected = norms[name]
        if expected is None:
            assert parameter.grad is None, name
            continue
        assert parameter.grad is not None, name
        norm = parameter.grad.norm().item()
        squares += norm**2
        assert norm == pytest.approx(expected, rel=5e-3, abs=1e-5), name
    assert squares**0.5 == pytest.approx(golden.meta["grad_total_norm"], rel=1e-3)

    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimiser = optimiser_for(Adam(betas=(0.5, 0.999)), network.named_parameters())
    for group in optimiser.param_groups:
        group["lr"] = 1e-4
    optimiser.step()
    for name in ("decoder.refine_OS1.3.bias", "encoder.bn1.weight"):
        moved = network.state_dict()[name] - before[name]
        torch.testing.assert_close(moved, golden[f"step/adam_delta/{name}"], atol=1e-6, rtol=0.0)
    for name in (
        "encoder.conv1.module.weight_u",
        "decoder.layer4.0.conv1.module.weight_u",
        "encoder.bn1.running_mean",
        "encoder.bn1.running_var",
    ):
        torch.testing.assert_close(network.state_dict()[name], golden[f"step/state/{name}"], atol=1e-5, rtol=1e-4)


def _truth(golden: Golden) -> Truth:
    # Stored person by person: (person, picture, h, w).
    people = golden["step/alpha_inst_u8"].transpose(0, 1).float() / 255.0
    alphas = torch.cat([people, 1.0 - people[:, :1] - people[:, 1:]], dim=1)
    pictures: list[Tensor] = [normalised(one.numpy() / 255.0) for one in golden["step/image_rgb_u8"].float()]
    colours = torch.from_numpy(draw("im/train/fg").standard_normal((2, 3, 3, 128, 128))).float()
    return Truth(alphas_N3HW=alphas, colours_N33HW=colours, picture_N3HW=torch.stack(pictures))
