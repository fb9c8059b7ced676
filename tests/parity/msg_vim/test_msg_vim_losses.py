"""MSG-VIM's losses, worked out by hand: no trainer was released, so the paper's equations are all there is.

Gradients of the network itself are held against the authors' in `test_network`.
"""

from __future__ import annotations

import pytest
import torch

from vimatte.engine.matting.common.decoder import Scales
from vimatte.engine.training.losses.laplacian import bands
from vimatte.engine.training.losses.msg_vim import Truth, frame_losses, msg_vim_losses
from vimatte.engine.training.losses.progressive import Widths, by_trimap, by_widths

SIZE = 64


def test_equation_11() -> None:
    """Target a quarter short everywhere, the rest right: the background takes the quarter."""
    truth = _truth(target=1.0, others=0.0)
    found = torch.full((1, 2, SIZE, SIZE), 0.75)
    found[:, 1] = 0.0
    losses = frame_losses(found, truth, None)
    # Red is 1 in the target and 0 behind; green the other way round; blue 0.5 in both.
    assert losses["comp"].item() == pytest.approx((0.25 + 0.25 + 0.0) / 3)
    assert losses["rec"].item() == pytest.approx(0.25 / 2)
    # A plane has no detail in any band.
    assert losses["lap"].item() == pytest.approx(0.0, abs=1e-6)


def test_what_is_right_costs_nothing() -> None:
    truth = _truth(target=0.6, others=0.3)
    scales = Scales(*(truth.alphas_N2HW,) * 3, truth.alphas_N2HW)
    progress = by_widths(scales, Widths(os4=(5, 5), os1=(3, 3)))
    for name, value in msg_vim_losses(progress, truth).items():
        assert value.item() == pytest.approx(0.0, abs=1e-6), name


def test_scales_are_weighed_two_one_one_fifth() -> None:
    truth = _truth(target=1.0, others=0.0)
    off = [truth.alphas_N2HW - torch.tensor([by, 0.0]).view(1, 2, 1, 1) for by in (0.1, 0.2, 0.4)]
    everywhere = torch.ones(1, 1, SIZE, SIZE, dtype=torch.bool)
    losses = msg_vim_losses(by_trimap(Scales(*off, off[0]), everywhere), truth)
    # One channel of weight under two channels of error: the sum of both channels' means.
    assert losses["rec"].item() == pytest.approx((0.1 + 0.2 + 2 * 0.4) / 5, rel=1e-5)


def test_finer_scales_count_where_the_coarser_is_open_alone() -> None:
    os8 = torch.zeros(1, 2, SIZE, SIZE)
    os8[0, 0, 20, 30] = 0.5
    fine = torch.ones_like(os8)
    progress = by_widths(Scales(os8, fine, fine * 0.25, os8), Widths(os4=(1, 9), os1=(3, 1)))
    assert progress.weight_4.nonzero().tolist() == [[0, 0, 20, 30]]
    assert progress.os4[0, :, 20, 30].tolist() == [1.0, 1.0]
    assert progress.os4.sum().item() == 2.0
    # There it is now 1 and 0 elsewhere: nothing is open any more.
    assert progress.weight_1.sum().item() == 0.0


def test_bands_rebuild_nothing_of_a_plane_and_everything_of_a_spike() -> None:
    spike = torch.zeros(1, 1, SIZE, SIZE)
    spike[0, 0, 32, 32] = 1.0
    first, second, *_ = bands(spike, levels=5)
    # Blurred to 36/256 at its place, which the enlargement spreads again by 36/64.
    assert first[0, 0, 32, 32].item() == pytest.approx(1.0 - _again(), rel=1e-5)
    assert second.shape[-1] == SIZE // 2


def _again() -> float:
    """What blur, every second pixel and enlargement leave of a spike at its own place: (sum of k_2j^2 2)^2."""
    row = (1 / 16, 6 / 16, 1 / 16)
    return (2 * sum(k * k for k in row)) ** 2


def _truth(*, target: float, others: float) -> Truth:
    alphas = torch.tensor([target, others]).view(1, 2, 1, 1).expand(1, 2, SIZE, SIZE).clone()
    layers = torch.tensor([[1.0, 0.0, 0.5], [0.2, 0.3, 0.4], [0.0, 1.0, 0.5]])
    colours = layers.view(1, 3, 3, 1, 1).expand(1, 3, 3, SIZE, SIZE)
    shares = torch.cat([alphas, 1.0 - alphas.sum(1, keepdim=True)], dim=1)
    return Truth(alphas_N2HW=alphas, colours_N33HW=colours, picture_N3HW=(shares[:, :, None] * colours).sum(1))
