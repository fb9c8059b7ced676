"""Convolutions packed for the processor."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vimatte.engine.packed import PackedConv2d, can_pack, pack

pytestmark = pytest.mark.skipif(not can_pack(torch.device("cpu")), reason="oneDNN is not on this machine")


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1), nn.ReLU6(inplace=True))
        self.each = nn.Conv2d(12, 12, 5, padding=2, groups=12)
        self.last = nn.Sequential(nn.Sequential(nn.Conv2d(12, 4, 1, bias=False)), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(torch.relu(self.each(self.first(x))))
        return out


@torch.inference_mode()
def test_a_packed_network_says_what_it_said_at_any_size() -> None:
    torch.manual_seed(0)
    network = _Net().eval()
    for size in ((1, 3, 32, 48), (3, 3, 17, 20), (2, 3, 64, 64)):
        x = torch.randn(size) * 20
        expected = network(x)
        packed = _Net().eval()
        packed.load_state_dict(network.state_dict())
        pack(packed)
        torch.testing.assert_close(packed(x), expected)
        torch.testing.assert_close(packed(x.repeat(2, 1, 1, 1))[: len(x)], expected)
    assert not [m for m in packed.modules() if isinstance(m, nn.Conv2d)]
    assert sum(isinstance(m, PackedConv2d) for m in packed.modules()) == 3


@torch.inference_mode()
def test_in_bfloat16_it_says_nearly_the_same_and_the_rest_stays_float32() -> None:
    torch.manual_seed(0)
    network, packed = _Net().eval(), _Net().eval()
    packed.load_state_dict(network.state_dict())
    pack(packed, torch.bfloat16)
    x = torch.randn(2, 3, 32, 48)
    said = packed(x)
    assert said.dtype == torch.bfloat16
    assert 0 < (said - network(x)).abs().max() < 0.02


def test_other_devices_are_left_as_they_are() -> None:
    assert not can_pack(torch.device("cuda"))
