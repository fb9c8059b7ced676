"""Parts of MaGGIe that no published number speaks of: folding, settling, refinement by itself."""

from __future__ import annotations

import logging
from functools import cache

import pytest
import torch
from torch import Tensor

from vimatte.engine.matting.maggie import refinement
from vimatte.engine.matting.maggie.network import Maggie, Mattes, fuse
from vimatte.engine.matting.maggie.regions import boxes
from vimatte.engine.matting.maggie.weights import prepared, settle

from support.maggie_weights import settled_weights


@cache
def inputs(frames: int = 3) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(4)
    masks = torch.zeros((1, frames, 2, 64, 96))
    masks[:, :, 0, 10:40, 10:40] = 1.0
    masks[:, :, 1, 20:60, 50:80] = 1.0
    return torch.randn((1, frames, 3, 64, 96), generator=random), masks


def network(*, video: bool = True) -> Maggie:
    made = Maggie(video=video).eval()
    made.load_state_dict(settled_weights(video=video))
    return made


@torch.no_grad()
def forward(made: Maggie, **options: Tensor) -> Mattes:
    out: Mattes = made(*inputs(), **options)
    return out


def test_folding_changes_nothing_but_rounding() -> None:
    made = network()
    plain = forward(made)
    folded = forward(prepared(made))
    torch.testing.assert_close(folded.os8, plain.os8, atol=3e-4, rtol=0)
    off = (folded.refined - plain.refined).abs() > 1e-4
    assert off.float().mean() < 1e-3
    assert plain.region.any()


def test_settled_norms_stay_and_others_move() -> None:
    made = network(video=False)
    conv = made.encoder.conv1.module
    before = conv.weight_u.clone()
    assert settle(made)
    torch.testing.assert_close(conv.weight_u, before, atol=1e-5, rtol=0)
    with torch.no_grad():
        conv.weight_u.copy_(torch.ones(32) / 32**0.5)
    assert settle(made, most=1000)
    torch.testing.assert_close(conv.weight_u.abs(), before.abs(), atol=2e-2, rtol=0)
    torch.testing.assert_close(conv.sigma(), torch.linalg.matrix_norm(conv.weight_bar.flatten(1), 2), rtol=1e-4, atol=0)


def test_norms_that_do_not_settle_are_said(caplog: pytest.LogCaptureFixture) -> None:
    made = network(video=False)
    conv = made.encoder.conv1.module
    with torch.no_grad():
        conv.weight_u.copy_(torch.ones(32) / 32**0.5)
    with caplog.at_level(logging.WARNING):
        assert not settle(made, most=1)
    assert "have not settled" in caplog.text


def test_maps_refined_together_or_alone_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made = network()
    together = forward(made)
    monkeypatch.setitem(refinement._CELLS, "cpu", 1)
    alone = forward(made)
    torch.testing.assert_close(alone.os1, together.os1, atol=1e-5, rtol=0)
    torch.testing.assert_close(alone.os4, together.os4, atol=1e-5, rtol=0)


def test_an_empty_region_leaves_the_coarse_alphas() -> None:
    made = network()
    with torch.no_grad():
        encoded = made.encode(*(x[0] for x in inputs()))
        coarse = made.coarse(encoded, clips=1)
        refined = made.decoder.refine(coarse.sources, torch.zeros_like(coarse.alpha_os8_FNHW, dtype=torch.bool))
    assert not refined.os4.any()
    assert not refined.os1.any()


def test_a_skipped_frame_changes_no_other() -> None:
    made = prepared(network())
    previous = torch.rand((1, 2, 64, 96), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        encoded = made.encode(*(x[0] for x in inputs()))
        whole, less = (made.decode(encoded, previous_BNHW=previous, skip=skip) for skip in (0, 1))
    torch.testing.assert_close(less.refined[:, 1:], whole.refined[:, 1:], atol=1e-5, rtol=0)
    assert not less.region[:, 0].any()


def test_clips_of_a_batch_do_not_know_each_other() -> None:
    made = prepared(network())
    images, masks = inputs()
    other = images.flip(4)
    with torch.no_grad():
        both = made(torch.cat([images, other]), torch.cat([masks, masks]))
        one = made(images, masks)
    torch.testing.assert_close(both.os8[:1], one.os8, atol=1e-4, rtol=0)
    assert (both.os8[1:] - one.os8).abs().max() > 0.01


def test_every_trained_parameter_gets_a_gradient() -> None:
    made = network().train()
    images, masks = (x.repeat(2, 1, 1, 1, 1) for x in inputs())
    coarse = made.coarse(made.encode(images.flatten(0, 1), masks.flatten(0, 1)), clips=2)
    os8 = coarse.alpha_os8_FNHW
    region = torch.zeros_like(os8, dtype=torch.bool)
    region[..., 10:50, 10:60] = True
    refined = made.decoder.refine(coarse.sources, region)
    fused = fuse(os8, refined, region, widths_4=[5] * 12, widths_1=[3] * 12)
    features = coarse.instances.features_Fchw
    before, after = made.decoder.diff_module.both(features.detach().view(2, 3, *features.shape[1:]))
    attention = sum(heard.square().mean() for heard in coarse.instances.attentions_BQL)
    loss = fused.alpha.mean() + os8.mean() + refined.os4.mean() + refined.os1.mean() + attention
    (loss + before.mean() + after.mean()).backward()
    without = {
        name
        for name, parameter in made.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.isfinite().all())
    }
    assert not without
    assert fused.at_4.any()
    with pytest.raises(ValueError, match="in training"):
        made(images, masks)


def test_boxes_are_thirty_pixels_wider_and_end_before_the_last() -> None:
    alphas = torch.zeros((1, 2, 128, 160))
    alphas[0, 0, 60:70, 70:90] = 1.0
    box = boxes(alphas)
    rows, columns = box[0, 0].any(1).nonzero()[:, 0], box[0, 0].any(0).nonzero()[:, 0]
    # A tenth is reached three rows and two columns further out, and 122 rows and 154 columns become 128 and 160: rows
    # 57 to 72, columns 67 to 92. The ends, 30 further, are exclusive.
    assert (rows[0].item(), rows[-1].item()) == (27, 101)
    assert (columns[0].item(), columns[-1].item()) == (37, 121)
    assert box[0, 1].all()


@pytest.mark.parametrize("people", [0, 11])
def test_people_beyond_the_slots_are_refused(people: int) -> None:
    with torch.device("meta"):
        made = Maggie(video=False)
        with pytest.raises(ValueError, match=f"found {people}"):
            made.encode(torch.zeros(1, 3, 64, 64), torch.zeros(1, people, 64, 64))


def test_windows_of_two_frames_are_refused() -> None:
    made = network()
    with torch.no_grad(), pytest.raises(ValueError, match="found 2"):
        made(*(x[:, :2] for x in inputs()))
