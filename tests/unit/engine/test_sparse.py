"""Sparse convolutions against dense ones, on random sets, and their gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vimatte.engine.sparse import (
    ActiveSet,
    InverseConv2d,
    PointwiseConv2d,
    SubmanifoldConv2d,
    convolution,
    gather,
    inverse,
    pointwise,
    submanifold,
)

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))
DENSITIES = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])


def random_set(shape: tuple[int, int, int], density: float, seed: int) -> tuple[ActiveSet, Tensor]:
    random = torch.Generator().manual_seed(seed)
    dense = torch.rand(shape, generator=random) < density
    return ActiveSet(dense), dense


def scattered(x: Tensor, active: ActiveSet) -> Tensor:
    """(R, C) as (M, C, H, W), 0 elsewhere."""
    maps, height, width = active.shape
    canvas = x.new_zeros((maps * height * width, x.shape[1])).index_copy(0, active.cells_R, x)
    return canvas.view(maps, height, width, -1).permute(0, 3, 1, 2)


def gathered(planes: Tensor, active: ActiveSet) -> Tensor:
    return planes.permute(0, 2, 3, 1).reshape(-1, planes.shape[1])[active.cells_R]


def features(active: ActiveSet, channels: int, seed: int = 1) -> Tensor:
    return torch.randn((len(active), channels), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def kernel(outputs: int, inputs: int, size: int = 3) -> Tensor:
    random = torch.Generator().manual_seed(7)
    return torch.randn((outputs, size, size, inputs), generator=random, dtype=torch.float64)


@settings(deadline=None, max_examples=40)
@given(SHAPES, DENSITIES, st.integers(0, 9), st.sampled_from([(3, 5), (8, 1), (8, 2)]))
def test_submanifold_is_the_dense_convolution_at_the_active_cells(
    shape: tuple[int, int, int], density: float, seed: int, channels: tuple[int, int]
) -> None:
    active, _ = random_set(shape, density, seed)
    x, weight, bias = features(active, channels[0]), kernel(channels[1], channels[0]), torch.arange(channels[1]) + 0.5
    dense = F.conv2d(scattered(x, active), weight.permute(0, 3, 1, 2), bias.double(), padding=1)
    torch.testing.assert_close(submanifold(x, weight, bias.double(), active=active), gathered(dense, active))


@settings(deadline=None, max_examples=40)
@given(SHAPES, DENSITIES, st.integers(0, 9))
def test_inverse_is_the_transposed_convolution_onto_the_finer_set(
    shape: tuple[int, int, int], density: float, seed: int
) -> None:
    active, _ = random_set(shape, density, seed)
    x, weight = features(active.coarser, 4), kernel(3, 4)
    coarse = scattered(x, active.coarser)
    more = [size - (2 * small - 1) for size, small in zip(shape[1:], coarse.shape[2:], strict=True)]
    dense = F.conv_transpose2d(coarse, weight.permute(3, 0, 1, 2), stride=2, padding=1, output_padding=more)
    torch.testing.assert_close(inverse(x, weight, None, active=active), gathered(dense, active))


@settings(deadline=None, max_examples=40)
@given(SHAPES, DENSITIES, st.integers(0, 9))
def test_the_coarser_set_is_a_max_pool(shape: tuple[int, int, int], density: float, seed: int) -> None:
    active, dense = random_set(shape, density, seed)
    pooled = F.max_pool2d(dense[:, None].float(), 3, stride=2, padding=1)[:, 0] > 0
    assert active.coarser.shape == tuple(pooled.shape)
    assert torch.equal(active.coarser.cells_R, pooled.reshape(-1).nonzero()[:, 0])


def test_cells_ascend_and_know_where_they_are() -> None:
    active, dense = random_set((3, 5, 7), 0.4, 2)
    assert torch.equal(torch.stack(active.positions_R, dim=1), dense.nonzero())
    assert active.density == pytest.approx(float(dense.float().mean()))
    assert repr(active) == f"ActiveSet({len(active)} cells of 3 maps of 7x5)"


def test_pointwise_reads_the_kernels_memory_as_in_by_out() -> None:
    weight = torch.arange(6.0).view(2, 1, 1, 3)
    x = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert pointwise(x, weight, None).tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert pointwise(x, weight, torch.tensor([10.0, 20.0]))[0].tolist() == [10.0, 21.0]


@pytest.mark.parametrize("outputs", [1, 3])
def test_gradients_of_the_submanifold_convolution(outputs: int) -> None:
    active, _ = random_set((2, 4, 5), 0.5, 3)
    x, weight = features(active, 4).requires_grad_(), kernel(outputs, 4).requires_grad_()
    bias = torch.zeros(outputs, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *a: submanifold(*a, active=active), (x, weight, bias))


@pytest.mark.parametrize("shape", [(2, 4, 6), (1, 5, 3), (2, 1, 1)])
def test_gradients_of_the_inverse_convolution(shape: tuple[int, int, int]) -> None:
    active, _ = random_set(shape, 0.6, 4)
    x, weight = features(active.coarser, 3).requires_grad_(), kernel(2, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda *a: inverse(*a, None, active=active), (x, weight))


def test_gradients_of_the_dense_way(monkeypatch: pytest.MonkeyPatch) -> None:
    active, _ = random_set((2, 4, 5), 0.7, 5)
    x, weight = features(active, 3).requires_grad_(), kernel(2, 3).requires_grad_()
    sparse = submanifold(x, weight, None, active=active)
    monkeypatch.setitem(convolution.DENSE_FROM, "cpu", -1.0)
    torch.testing.assert_close(submanifold(x, weight, None, active=active), sparse)
    assert torch.autograd.gradcheck(lambda *a: submanifold(*a, None, active=active), (x, weight))


def test_gathering_in_many_runs_changes_nothing_but_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    active, _ = random_set((2, 30, 40), 0.5, 6)
    x, weight = features(active, 4).requires_grad_(), kernel(5, 4).requires_grad_()
    coarse = features(active.coarser, 4).requires_grad_()

    def all_of_it() -> list[Tensor]:
        one, two = submanifold(x, weight, None, active=active), inverse(coarse, weight, None, active=active)
        return [one, two, *torch.autograd.grad((one.square().sum() + two.square().sum()), (x, weight, coarse))]

    whole = all_of_it()
    monkeypatch.setattr(gather, "_CPU_BYTES", 1)
    for a, b in zip(whole, all_of_it(), strict=True):
        torch.testing.assert_close(a, b)


def test_two_runs_give_the_same_bits() -> None:
    active, _ = random_set((2, 60, 70), 0.4, 8)
    x, weight = features(active, 16).float().requires_grad_(), kernel(8, 16).float().requires_grad_()
    runs = []
    for _ in range(2):
        out = submanifold(x, weight, None, active=active)
        runs.append([out, *torch.autograd.grad(out.square().sum(), (x, weight))])
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


def test_layers_hold_kernels_in_the_stored_layout() -> None:
    active, _ = random_set((1, 6, 6), 0.5, 9)
    layers = SubmanifoldConv2d(4, 3, bias=True), InverseConv2d(4, 3), PointwiseConv2d(4, 3, bias=True)
    assert [list(layer.state_dict()) for layer in layers] == [["weight", "bias"], ["weight"], ["weight", "bias"]]
    assert [tuple(layer.weight.shape) for layer in layers] == [(3, 3, 3, 4), (3, 3, 3, 4), (3, 1, 1, 4)]
    x, coarse = features(active, 4).float(), features(active.coarser, 4).float()
    assert layers[0](x, active=active).shape == layers[1](coarse, active=active).shape == layers[2](x).shape


@pytest.mark.parametrize("kind", [SubmanifoldConv2d, PointwiseConv2d])
@pytest.mark.parametrize("bias", [False, True])
def test_a_batch_norm_can_be_absorbed(kind: type[SubmanifoldConv2d] | type[PointwiseConv2d], bias: bool) -> None:
    active, _ = random_set((1, 6, 6), 0.5, 9)
    layer, norm = kind(4, 3, bias=bias), nn.BatchNorm1d(3).eval()
    with torch.no_grad():
        for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            assert value is not None
            value.uniform_(0.5, 2.0)
        options = {} if kind is PointwiseConv2d else {"active": active}
        x = features(active, 4).float()
        expected = norm(layer(x, **options))
        layer.absorb(norm)
        torch.testing.assert_close(layer(x, **options), expected)


def test_an_empty_set_goes_through_and_back() -> None:
    active, _ = random_set((2, 8, 8), 0.0, 1)
    x = torch.zeros((0, 4), requires_grad=True)
    weight = kernel(3, 4).float().requires_grad_()
    out = submanifold(inverse(x, weight, None, active=active).repeat(1, 2)[:, :4], weight, None, active=active)
    out.sum().backward()
    assert out.shape == (0, 3)
    assert weight.grad is not None
    assert not weight.grad.any()
