"""MaGGIe's losses against the authors' own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from vimatte.engine.training.losses.attention import attention_loss
from vimatte.engine.training.losses.emphasis import coarse_weight
from vimatte.engine.training.losses.maggie import Scale, matte_losses
from vimatte.engine.training.losses.temporal import difference_loss

from support.golden import Golden


@pytest.mark.parametrize(("case", "clips", "frames"), [("image_b2", 2, 1), ("video_b1_t4", 1, 4)])
def test_losses(case: str, clips: int, frames: int, goldens: Path) -> None:
    golden = Golden(goldens / "maggie" / "golden_losses.npz")
    expected = json.loads((goldens / "maggie" / "golden_losses.json").read_text())[case]
    true = golden[f"{case}_alpha_gt_u8"].float() / 255.0
    shape = tuple(true.shape)
    transition = golden.bits(f"{case}_transition_bits", shape)
    there = transition.flatten(2).any(dim=2)[..., None, None]
    found = {s: golden[f"{case}_alpha_{s}_u8"].float() / 255.0 * there for s in ("os8", "os4", "os1")}
    weights = {
        "os8": coarse_weight(found["os8"], true),
        "os4": golden.bits(f"{case}_w4_bits", shape),
        "os1": golden.bits(f"{case}_w1_bits", shape),
    }
    names = {"rec": "loss_rec", "lap": "loss_lap", "grad": "loss_grad", "change": "loss_dtSSD"}
    video = clips if frames > 1 else None
    for scale, alpha in found.items():
        one = matte_losses([Scale(alpha, weights[scale], 1.0)], true, clips=video)
        for name, value in one.items():
            assert value.item() == pytest.approx(expected[f"{names[name]}_{scale}"], rel=1e-6), f"{name} {scale}"
    factors = {"os8": 1.0, "os4": 1.0, "os1": 2.0}
    together = matte_losses([Scale(found[s], weights[s], f) for s, f in factors.items()], true, clips=video)
    for name, value in together.items():
        assert value.item() == pytest.approx(expected[names[name]], rel=1e-6), name
    total = together["rec"] + 0.05 * together["lap"] + 0.05 * together["grad"] + together.get("change", torch.zeros(()))
    assert total.item() == pytest.approx(expected["total"], rel=1e-6)

    heard = golden[f"{case}_attn"]
    where = golden.bits(f"{case}_attn_guidance_bits", tuple(heard.shape))
    assert attention_loss(heard, where, frames=frames).item() == pytest.approx(
        expected["atten_loss_single_layer"], rel=1e-6
    )
    if video is not None:
        logits = [golden[f"{case}_diff_{way}_logits"] for way in ("forward", "backward")]
        moved = transition.view(clips, frames, *shape[1:])[:, :, :1]
        assert difference_loss(*logits, moved).item() == pytest.approx(expected["loss_temp"], rel=1e-6)


def test_coarse_weight_is_0_1_or_2() -> None:
    true = torch.tensor([0.0, 1.0, 0.5, 0.0]).view(1, 1, 2, 2)
    found = torch.tensor([0.0, 1.0, 1.0, 1.0 / 255.0]).view(1, 1, 2, 2)
    assert coarse_weight(found, true).flatten().tolist() == [1.0, 1.0, 2.0, 2.0]
    assert coarse_weight(found, torch.zeros_like(true)).flatten().tolist() == [0.0, 0.0, 0.0, 1.0]
