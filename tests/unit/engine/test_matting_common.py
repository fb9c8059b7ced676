"""What MSG-VIM, InstMatt and MaGGIe share, by itself: no goldens needed."""

from __future__ import annotations

from copy import deepcopy

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vimatte.engine.matting.common.decoder import Decoder
from vimatte.engine.matting.common.encoder import Encoder
from vimatte.engine.matting.common.fold import fold
from vimatte.engine.matting.common.pictures import normalised, padded, uncovered
from vimatte.engine.matting.common.spectral import PowerSteps, SpectralConv
from vimatte.engine.matting.common.unknown import dilate, ellipse, unknown


def conv(*, transposed: bool = False, steps: PowerSteps = "training") -> SpectralConv:
    torch.manual_seed(4)
    return SpectralConv(3, 5, 4, stride=2, padding=1, transposed=transposed, steps=steps)


def settled(one: SpectralConv) -> SpectralConv:
    """Random vectors give a norm near 0, and weights beyond all bounds."""
    for _ in range(5):
        one.train().weight()
    return one


def vectors(of: SpectralConv) -> list[Tensor]:
    return [of.module.weight_u.clone(), of.module.weight_v.clone()]


@pytest.mark.parametrize(("transposed", "rows"), [(False, 5), (True, 3)])
def test_rows_are_the_first_dimension(transposed: bool, rows: int) -> None:
    """Of a transposed convolution that is the input's channels."""
    one = conv(transposed=transposed)
    assert [k.removeprefix("module.") for k in one.state_dict()] == ["weight_u", "weight_v", "weight_bar"]
    assert one.module.weight_u.shape == (rows,)
    assert one.module.weight_v.shape == (15 * 16 // rows,)


@pytest.mark.parametrize("steps", ["training", "always"])
@pytest.mark.parametrize("training", [True, False])
def test_when_a_power_step_is_taken(steps: PowerSteps, training: bool) -> None:
    """Also without gradients; in evaluation only where the policy says so."""
    one = conv(steps=steps).train(training)
    before = vectors(one)
    with torch.no_grad():
        one(torch.zeros(1, 3, 8, 8))
    moved = any(not torch.equal(a, b) for a, b in zip(before, vectors(one), strict=True))
    assert moved == (training or steps == "always")


@pytest.mark.parametrize("transposed", [False, True])
def test_many_steps_find_the_norm(transposed: bool) -> None:
    one = conv(transposed=transposed).train()
    for _ in range(200):
        one.weight()
    true = torch.linalg.matrix_norm(one.module.weight_bar.flatten(1), 2)
    assert torch.allclose(one.weight() * true, one.module.weight_bar, rtol=1e-4)


def test_the_gradient_flows_through_both_places_of_the_raw_weight() -> None:
    """d(W / s) with s = u W v: (G - (G . W / s) u v') / s."""
    one = settled(conv()).eval()
    with torch.no_grad():
        gradient = torch.randn_like(one.module.weight_bar)
        u, v = vectors(one)
        s = u @ one.module.weight_bar.flatten(1) @ v
        dot = (gradient * one.module.weight_bar).sum() / s
        expected = (gradient.flatten(1) - dot * torch.outer(u, v)) / s
    (one.weight() * gradient).sum().backward()
    assert one.module.weight_bar.grad is not None
    assert torch.allclose(one.module.weight_bar.grad.flatten(1), expected, atol=1e-5)
    assert one.module.weight_u.grad is None


def test_two_calls_before_one_backward_pass() -> None:
    """The second call moves the vectors; the first one's gradient must not notice."""
    one = conv().train()
    x = torch.randn(1, 3, 8, 8)
    (one(x).sum() + one(x).square().sum()).backward()
    assert one.module.weight_bar.grad is not None


@pytest.mark.parametrize("transposed", [False, True])
def test_the_plain_one_does_the_same(transposed: bool) -> None:
    one = conv(transposed=transposed).eval()
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(one.plain()(x), one(x))


def scrambled(network: nn.Module) -> nn.Module:
    """Norms as after training, some of them upside down."""
    torch.manual_seed(6)
    for module in network.modules():
        if isinstance(module, SpectralConv):
            settled(module)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return network.eval()


def test_folded_the_encoder_gives_the_same() -> None:
    """With gains of either sign after a ReLU."""
    network = scrambled(Encoder(4))
    x = torch.randn(2, 4, 64, 96)
    with torch.no_grad():
        expected = network(x)
        found = fold(deepcopy(network))(x)
    for one, other in zip((expected.deep, *expected.details), (found.deep, *found.details), strict=True):
        assert (one - other).abs().max() < 1e-5 * one.abs().max()


def test_folded_there_are_no_norms_left() -> None:
    for network in (Encoder(4), Decoder(2)):
        kinds = {type(module) for module in fold(network.eval()).modules()}
        assert not kinds & {nn.BatchNorm2d, SpectralConv}


def test_folding_keeps_a_bias() -> None:
    pair = scrambled(nn.Sequential(nn.ConvTranspose2d(3, 4, 4, stride=2), nn.BatchNorm2d(4)))
    x = torch.randn(1, 3, 5, 7)
    with torch.no_grad():
        expected = pair(x)
        assert torch.allclose(fold(pair)(x), expected, atol=1e-5)


def test_a_norm_before_its_convolution_stays() -> None:
    pair = scrambled(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3, padding=1)))
    assert isinstance(fold(pair)[0], nn.BatchNorm2d)


def test_a_network_in_training_is_not_folded() -> None:
    with pytest.raises(ValueError, match="eval"):
        fold(nn.Sequential(nn.Conv2d(1, 1, 1)))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 15, 16, 25, 30])
def test_ellipses_are_opencvs(size: int) -> None:
    assert np.array_equal(ellipse(size), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)) > 0)


@pytest.mark.parametrize("width", [1, 2, 7, 14, 15])
def test_dilation_is_opencvs(width: int) -> None:
    mask = np.random.default_rng(1).random((3, 23, 31)) > 0.97
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    found = dilate(torch.from_numpy(mask), width)
    for one, other in zip(mask, found, strict=True):
        assert np.array_equal(cv2.dilate(one.astype(np.uint8), element) > 0, other)


def test_what_is_unknown() -> None:
    least = torch.tensor(1 / 255, dtype=torch.float32).item()
    alphas = torch.tensor([0.0, least, 0.5, 1.0, float("nan")])[None, :, None, None]
    assert unknown(alphas, 1).flatten().tolist() == [False, True, True, False, False]
    assert unknown(alphas, 1, ends=False).flatten().tolist() == [False, False, True, False, False]
    with pytest.raises(ValueError, match="zip"):
        unknown(alphas, [3])


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 40), (33, 7), (64, 31)])
def test_padding_is_numpys_reflection(height: int, width: int) -> None:
    picture = np.random.default_rng(2).random((2, height, width))
    found = padded(torch.from_numpy(picture))
    assert found.shape[-2] % 32 == found.shape[-1] % 32 == 0
    spans = [(32, total - 32 - n) for n, total in zip((height, width), found.shape[-2:], strict=True)]
    assert np.array_equal(found, np.pad(picture, [(0, 0), *spans], mode="reflect"))
    assert np.array_equal(uncovered(found, height=height, width=width), picture)


def test_normalised_pictures() -> None:
    picture = np.array([[[0.485, 0.456, 0.406], [np.nan, np.inf, -np.inf]]], np.float32)
    found = normalised(picture)
    assert found.shape == (3, 1, 2)
    assert torch.allclose(found[:, 0, 0], torch.zeros(3), atol=1e-7)
    assert torch.allclose(found[:, 0, 1], torch.tensor([-0.485 / 0.229, (1 - 0.456) / 0.224, -0.406 / 0.225]))
