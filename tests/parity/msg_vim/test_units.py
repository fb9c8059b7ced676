"""Parts alone, on inputs that the network would not meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vimatte.engine.matting.common.unknown import dilate, ellipse, unknown
from vimatte.engine.matting.msg_vim.network import Network

Load = Callable[[str], tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]]


@pytest.mark.parametrize(
    ("case", "part"),
    [
        ("convrnn", "decoder.layer4.0.tmp_network"),
        ("aspp", "aspp"),
        ("enc_block_down", "encoder.layer2.0"),
        ("enc_block_plain", "encoder.layer1.1"),
        ("dec_block_up", "decoder.layer3.0"),
    ],
)
def test_parts(load: Load, trained: Network, case: str, part: str) -> None:
    golden, _ = load("units")
    with torch.inference_mode():
        found = trained.get_submodule(part)(torch.from_numpy(golden[f"{case}/in"]))
    np.testing.assert_allclose(found, golden[f"{case}/out"], atol=5e-6)


def test_guidance_in_time(load: Load, trained: Network) -> None:
    """Two clips of four frames: the first half of the channels passes, the second half remembers."""
    golden, _ = load("units")
    guide = trained._guide(2, 4, None)
    with torch.inference_mode():
        split = guide(torch.from_numpy(golden["temporal_split/in"]))
        block = trained.decoder.layer4[0](
            torch.from_numpy(golden["temporal_block/in"]), guide=trained._guide(2, 4, None)
        )
    np.testing.assert_allclose(split, golden["temporal_split/out"], atol=1e-6)
    np.testing.assert_allclose(block, golden["temporal_block/out"], atol=5e-6)
    assert torch.equal(guide.state, split.reshape(2, 4, 32, 6, 5)[:, -1, 16:])


@pytest.mark.parametrize("width", range(1, 30))
def test_dilation(load: Load, width: int) -> None:
    golden, _ = load("units")
    mask = torch.from_numpy(golden["dilate/in"] > 0)
    assert np.array_equal(dilate(mask, width), golden["dilate/out_width1_to_29"][width - 1] > 0)


@pytest.mark.parametrize("size", [4, 7, 15])
def test_ellipses(load: Load, size: int) -> None:
    golden, _ = load("units")
    assert np.array_equal(ellipse(size), golden[f"dilate/kernel{size}"] > 0)


def test_thresholds(load: Load) -> None:
    """Both ends belong to what is unknown, in float32."""
    golden, _ = load("units")
    alphas = torch.from_numpy(golden["unknown_threshold/in"])[:, None, None]
    assert np.array_equal(unknown(alphas, 1).flatten(), golden["unknown_threshold/out"] > 0)


@pytest.mark.parametrize(("case", "width"), [("eval30", 15), ("eval15", 7), ("train30_seed7", [16, 5])])
def test_unknown(load: Load, case: str, width: int | list[int]) -> None:
    golden, meta = load("units")
    assert meta["train30_seed7_widths"] == [16, 5]
    assert np.array_equal(unknown(torch.from_numpy(golden["unknown/in"]), width), golden[f"unknown/{case}"] > 0)
